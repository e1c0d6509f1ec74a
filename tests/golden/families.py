"""Small random checkpoints of every family but Llama, their logits, and gradients of an adapter on them.

    python -P families.py [NAME …]     writes family_*/, family_gguf/ and families.json beside this script

Weights are drawn from a fixed seed with a large spread (std 0.3), so that a wrong norm, bias, window or
cap moves the logits by far more than the tolerance, and stored in bfloat16. Logits are transformers' in
float32 with eager attention. The adapter is SVD-LoRA as panacea.md defines it (eq. 5) on every linear
map, with the parameters of policy.py's formula; where a family fuses maps, on each part of the product.
Its gradient is that of Σ_s slopes[s]·log π(response s | prompt s, λ_s), in float64, every sequence alone.
GGUF files are written with PyPI gguf as llama.cpp's convert_hf_to_gguf.py does: its own tensor names,
1 added to Gemma's norms, nothing permuted outside of the llama architecture.
"""
import json
import math
import os
import shutil
import sys
from importlib.metadata import version

import gguf
import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
VERSIONS = {name: version(name) for name in ("torch", "transformers", "safetensors", "gguf")}
IDS = [1, 17, 5, 42, 63, 8, 8, 30, 2, 11, 55, 23, 7, 39]
RANK, OBJECTIVES, ALPHA = 3, 2, 5
SEQUENCES = [
    dict(prompt=[1, 17, 5, 42, 9], response=[63, 8, 30, 11, 55, 23, 2], preference=[0.3, 0.7], slope=1.0),
    dict(prompt=[33, 14], response=[5, 6, 7, 40, 41, 60, 12, 3, 2], preference=[0.85, 0.15], slope=-0.6),
]
BASE = dict(
    vocab_size=64, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2,
    pad_token_id=0, tie_word_embeddings=True, initializer_range=0.3,
)
CHECKPOINTS = {
    "qwen2": dict(seed=11, type="qwen2", arch="QWEN2", config={}),
    "qwen2_window": dict(seed=12, type="qwen2", arch=None, config=dict(
        num_hidden_layers=3, use_sliding_window=True, sliding_window=4, max_window_layers=1,
        tie_word_embeddings=False, rope_parameters=dict(rope_type="default", rope_theta=1000.0))),
    "qwen3": dict(seed=13, type="qwen3", arch="QWEN3", config=dict(head_dim=8, tie_word_embeddings=False)),
    "mistral": dict(seed=14, type="mistral", arch=None, config=dict(sliding_window=None)),
    "mistral_window": dict(seed=15, type="mistral", arch=None, config=dict(
        sliding_window=5, head_dim=8, tie_word_embeddings=False)),
    "olmo2": dict(seed=16, type="olmo2", arch="OLMO2", config=dict(tie_word_embeddings=False)),
    # caps and scale far from where they would not show; head_dim is not query_pre_attn_scalar
    "gemma2": dict(seed=17, type="gemma2", arch=None, config=dict(
        num_hidden_layers=3, head_dim=8, query_pre_attn_scalar=12, sliding_window=4,
        attn_logit_softcapping=2.0, final_logit_softcapping=3.0)),
    # the query scale that GGUF files imply
    "gemma2_plain": dict(seed=18, type="gemma2", arch="GEMMA2", config=dict(
        head_dim=8, query_pre_attn_scalar=8, sliding_window=4, attn_logit_softcapping=2.0,
        final_logit_softcapping=3.0)),
    "gemma3": dict(seed=19, type="gemma3_text", arch="GEMMA3", config=dict(
        num_hidden_layers=6, head_dim=8, query_pre_attn_scalar=8, sliding_window=5, rope_parameters=dict(
            sliding_attention=dict(rope_type="default", rope_theta=100.0),
            full_attention=dict(rope_type="linear", factor=2.0, rope_theta=10000.0)))),
    "phi3": dict(seed=20, type="phi3", arch="PHI3", config=dict(sliding_window=6, tie_word_embeddings=False)),
    "phi3_longrope": dict(seed=21, type="phi3", arch="PHI3", config=dict(
        max_position_embeddings=1024, original_max_position_embeddings=512, rope_parameters=dict(
            rope_type="longrope", rope_theta=1000.0, short_factor=[1.0, 1.5], long_factor=[2.0, 4.0]))),
}


def build(name, spec):
    torch.manual_seed(spec["seed"])
    config = AutoConfig.for_model(spec["type"], **{**BASE, **spec["config"]})
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for key, value in model.named_parameters():
            if value.dim() == 1:
                # norms multiply by about 1: Gemma's weights are what is added to it
                centre = 1.0 if "norm" in key and not spec["type"].startswith("gemma") else 0.0
                value.copy_(centre + 0.3 * torch.randn_like(value))
    folder = os.path.join(HERE, "family_" + name)
    shutil.rmtree(folder, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    for path in ("generation_config.json",):
        if os.path.exists(os.path.join(folder, path)):
            os.remove(os.path.join(folder, path))
    os.chmod(os.path.join(folder, "model.safetensors"), 0o644)
    return folder


def load(folder, dtype):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager")


def parameter_values(ordinal, shape):
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (0.3 * torch.sin(1 + 0.7 * i + 0.9 * ordinal)).reshape(shape).requires_grad_()


class Adapted(torch.nn.Module):
    """A linear layer whose outputs are `maps` beside each other, each with an adapter of its own."""

    def __init__(self, base, maps, parameters, state):
        super().__init__()
        self.base, self.state, self.maps = base, state, []
        total = RANK + OBJECTIVES
        for name, out in maps:
            shapes = [[base.in_features, total], [total, out], [RANK], [1]]
            values = [parameter_values(len(parameters) + i, shape) for i, shape in enumerate(shapes)]
            for suffix, value in zip(["V", "U", "sigma", "s"], values):
                parameters[f"{name}.{suffix}"] = value
            self.maps.append(values)

    def forward(self, x):
        parts = []
        for V, U, sigma, s in self.maps:
            d = torch.cat([sigma, s * self.state["preference"]])
            parts.append(ALPHA / (RANK + OBJECTIVES) * ((x @ V) * d) @ U)
        return self.base(x) + torch.cat(parts, -1)


def maps_of(config, block):
    """(holder, child, [(map, out)]) of every linear map of a block, in the order of our blockMaps."""
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    queries, keys = config.num_attention_heads * head_dim, config.num_key_value_heads * head_dim
    attn, mlp, width, inner = block.self_attn, block.mlp, config.hidden_size, config.intermediate_size
    qkv = [("self_attn.q_proj", queries), ("self_attn.k_proj", keys), ("self_attn.v_proj", keys)]
    gated = [("mlp.gate_proj", inner), ("mlp.up_proj", inner)]
    out = [("self_attn.o_proj", width)]
    down = [("mlp.down_proj", width)]
    if hasattr(attn, "qkv_proj"):
        return [(attn, "qkv_proj", qkv), (attn, "o_proj", out), (mlp, "gate_up_proj", gated),
                (mlp, "down_proj", down)]
    single = qkv + out + gated + down
    return [({"self_attn": attn, "mlp": mlp}[name.split(".")[0]], name.split(".")[1], [(name, size)])
            for name, size in single]


def adapter_gradients(folder):
    model = load(folder, torch.float64)
    model.requires_grad_(False)
    state, parameters = {}, {}
    for layer, block in enumerate(model.model.layers):
        for holder, child, maps in maps_of(model.config, block):
            named = [(f"model.layers.{layer}.{name}", out) for name, out in maps]
            setattr(holder, child, Adapted(getattr(holder, child), named, parameters, state))
    sums = []
    for sequence in SEQUENCES:
        state["preference"] = torch.tensor(sequence["preference"], dtype=torch.float64)
        prompt, response = sequence["prompt"], sequence["response"]
        rows = torch.log_softmax(model(torch.tensor([prompt + response])).logits[0], -1)
        sums.append(sum(rows[len(prompt) - 1 + t, token] for t, token in enumerate(response)))
    total = sum(sequence["slope"] * s for sequence, s in zip(SEQUENCES, sums))
    found = torch.autograd.grad(total, list(parameters.values()))
    gradients = {}
    for name, g in zip(parameters, found):
        at = g.numel() // 3
        gradients[name] = {"norm": round(g.norm().item(), 9), "at": at,
                           "value": round(g.reshape(-1)[at].item(), 9)}
    return {"logProbs": [s.item() for s in sums], "gradients": gradients}


def write_gguf(folder, target, arch):
    model = load(folder, torch.float32)
    config = model.config
    os.makedirs(os.path.dirname(target), exist_ok=True)
    arch = getattr(gguf.MODEL_ARCH, arch)
    writer = gguf.GGUFWriter(target, gguf.MODEL_ARCH_NAMES[arch])
    writer.add_name("golden")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if getattr(config, "head_dim", None):
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    METADATA.get(arch.name, lambda writer, config: None)(writer, config)
    writer.add_vocab_size(config.vocab_size)
    # what llama.cpp asks of a vocabulary
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([f"t{i}" for i in range(config.vocab_size)])
    writer.add_token_types([gguf.TokenType.NORMAL] * config.vocab_size)
    writer.add_token_merges(["t 1"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        data = tensor.numpy()
        if arch.name.startswith("GEMMA") and name.endswith("norm.weight"):
            data = data + 1
        stored = names.get_name(name, try_suffixes=(".weight", ".bias"))
        writer.add_tensor(stored, np.ascontiguousarray(data))  # F32: llama.cpp rounds activations to others
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def rope_theta(writer, config):
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])


def gemma2(writer, config):
    writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
    writer.add_final_logit_softcapping(config.final_logit_softcapping)
    writer.add_sliding_window(config.sliding_window)


def gemma3(writer, config):
    rope = config.rope_parameters
    writer.add_rope_freq_base(rope["full_attention"]["rope_theta"])
    writer.add_rope_freq_base_swa(rope["sliding_attention"]["rope_theta"])
    writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    writer.add_rope_scaling_factor(rope["full_attention"]["factor"])
    writer.add_sliding_window(config.sliding_window)


def phi3(writer, config):
    rope = config.rope_parameters
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_sliding_window(config.sliding_window or 0)
    if rope["rope_type"] == "longrope":
        original = rope["original_max_position_embeddings"]
        writer.add_rope_scaling_orig_ctx_len(original)
        scale = config.max_position_embeddings / original
        writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(scale) / math.log(original)))
        writer.add_tensor("rope_factors_long.weight", np.array(rope["long_factor"], dtype=np.float32))
        writer.add_tensor("rope_factors_short.weight", np.array(rope["short_factor"], dtype=np.float32))


METADATA = {"QWEN2": rope_theta, "QWEN3": rope_theta, "OLMO2": rope_theta, "GEMMA2": gemma2,
            "GEMMA3": gemma3, "PHI3": phi3}


def main(chosen):
    path = os.path.join(HERE, "families.json")
    out = {"checkpoints": {}}
    if chosen and os.path.exists(path):
        with open(path) as f:
            out = json.load(f)
    out.update(versions=VERSIONS, ids=IDS, rank=RANK, objectives=OBJECTIVES, alpha=ALPHA,
               sequences=SEQUENCES)
    for name, spec in CHECKPOINTS.items():
        if chosen and name not in chosen:
            continue
        folder = build(name, spec)
        with torch.no_grad():
            logits = load(folder, torch.float32)(torch.tensor([IDS])).logits[0]
        out["checkpoints"][name] = {
            "seed": spec["seed"],
            "logits": [[round(x, 6) for x in row] for row in logits.tolist()],
            **adapter_gradients(folder),
        }
        if spec["arch"]:
            write_gguf(folder, os.path.join(HERE, "family_gguf", name + ".gguf"), spec["arch"])
    with open(path, "w") as f:
        json.dump(out, f)


if __name__ == "__main__":
    main(sys.argv[1:])
