"""A small Llama in a GGUF file of K-quants and IQ4_NL, as PyPI gguf writes it and transformers reads it.

    python -P k_quants.py        writes llama_gguf/k_quants.gguf and k_quants.json beside this script

gguf packs none of these types, so the blocks are drawn: random bytes under scales that keep the
weights near 0.1. Golden are transformers' own weights after loading the file (hashes of their
float32 bytes, in its layout: rows of q and k back in place), and its logits of the last id.
"""
import hashlib
import json
import os
from importlib.metadata import version

import gguf
import numpy as np
import torch
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from transformers import AutoModelForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER, NAME = os.path.join(HERE, "llama_gguf"), "k_quants.gguf"
IDS = [1, 17, 5, 42, 63, 8, 8, 30, 2, 11, 55, 23, 7, 39]
VOCABULARY, WIDTH, HEADS, KV_HEADS, HEAD_DIM, MLP = 64, 256, 2, 1, 16, 32
SCALES = {  # byte positions and sizes of the half-precision scales within a block
    "Q5_0": {0: 0.01}, "Q2_K": {80: 0.01, 82: 0.01}, "Q3_K": {108: 0.002}, "Q4_K": {0: 0.0005, 2: 0.004},
    "Q5_K": {0: 0.0003, 2: 0.004}, "Q6_K": {208: 0.0001}, "IQ4_NL": {0: 0.002},
}
TENSORS = {  # rows of o and down are shorter than a K-block
    "token_embd": ("Q6_K", VOCABULARY, WIDTH), "blk.0.attn_q": ("Q4_K", HEADS * HEAD_DIM, WIDTH),
    "blk.0.attn_k": ("Q5_K", KV_HEADS * HEAD_DIM, WIDTH), "blk.0.attn_v": ("Q6_K", KV_HEADS * HEAD_DIM, WIDTH),
    "blk.0.attn_output": ("IQ4_NL", WIDTH, HEADS * HEAD_DIM), "blk.0.ffn_gate": ("Q2_K", MLP, WIDTH),
    "blk.0.ffn_up": ("Q3_K", MLP, WIDTH), "blk.0.ffn_down": ("Q5_0", WIDTH, MLP),
}


def blocks(random, kind, rows, columns):
    elements, size = GGML_QUANT_SIZES[kind]
    per_row = columns // elements
    table = random.integers(0, 256, (rows * per_row, size), dtype=np.uint8)
    for at, scale in SCALES[kind.name].items():
        halves = (scale * random.uniform(0.5, 1, len(table)) * random.choice([-1, 1], len(table)))
        table[:, at:at + 2] = halves.astype(np.float16).view(np.uint8).reshape(-1, 2)
    return table.reshape(rows, per_row * size)


def write():
    random = np.random.default_rng(7)
    writer = gguf.GGUFWriter(os.path.join(FOLDER, NAME), "llama")
    writer.add_name("golden")
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(MLP)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_rope_dimension_count(HEAD_DIM)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"t{i}" for i in range(VOCABULARY)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for name, (kind, rows, columns) in TENSORS.items():
        kind = GGMLQuantizationType[kind]
        writer.add_tensor(f"{name}.weight", blocks(random, kind, rows, columns), raw_dtype=kind)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        values = 1 + 0.2 * random.standard_normal(WIDTH)
        writer.add_tensor(f"{name}.weight", values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    write()
    model = AutoModelForCausalLM.from_pretrained(
        FOLDER, gguf_file=NAME, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        logits = model(torch.tensor([IDS])).logits[0]
    out = {
        "versions": {name: version(name) for name in ("torch", "transformers", "gguf")},
        "ids": IDS,
        "logits": [round(x, 6) for x in logits[-1].tolist()],
        "weightsSha256": {
            name: hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()
            for name, tensor in model.state_dict().items() if name != "lm_head.weight"},
    }
    with open(os.path.join(HERE, "k_quants.json"), "w") as f:
        json.dump(out, f)


if __name__ == "__main__":
    main()
