"""Golden rotary tables from transformers' LlamaRotaryEmbedding: `python rope.py > rope.json`."""
import json

import torch
import transformers
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

BASE = dict(hidden_size=32, num_attention_heads=2, head_dim=16, max_position_embeddings=32)
CASES = {
    "default": dict(rope_type="default", rope_theta=10000.0),
    "linear": dict(rope_type="linear", factor=2.5, rope_theta=10000.0),
    "dynamic": dict(rope_type="dynamic", factor=2.0, rope_theta=10000.0),
    "llama3": dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=64, rope_theta=500000.0),
    "yarn": dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32,
                 rope_theta=10000.0),
    "yarn_untruncated": dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32,
                             beta_fast=8.0, beta_slow=2.0, truncate=False, rope_theta=10000.0),
    "yarn_mscale": dict(rope_type="yarn", factor=16.0, original_max_position_embeddings=32,
                        mscale=1.0, mscale_all_dim=0.5, rope_theta=10000.0),
    "yarn_attention_factor": dict(rope_type="yarn", factor=16.0, original_max_position_embeddings=32,
                                  attention_factor=1.25, rope_theta=10000.0),
    "longrope": dict(rope_type="longrope", short_factor=[1 + 0.1 * j for j in range(8)],
                     long_factor=[1 + j for j in range(8)], factor=4.0,
                     original_max_position_embeddings=32, rope_theta=10000.0),
}

out = {"versions": {"torch": torch.__version__, "transformers": transformers.__version__}, "cases": []}
for name, parameters in CASES.items():
    config = LlamaConfig(**BASE, rope_parameters=dict(parameters))
    # for the dynamic kind both sides of the original length, for longrope only what is within; positions
    # kept few to keep the file small
    for length in {"dynamic": (20, 48), "longrope": (20,)}.get(name, (48,)):
        rope = LlamaRotaryEmbedding(config)
        cos, sin = rope(torch.zeros(1, dtype=torch.float32), torch.arange(length)[None])
        rows = [0, 1, 7, length - 1]
        out["cases"].append({
            "name": name, "config": {**BASE, "rope_parameters": parameters}, "length": length,
            "rows": rows, "cos": cos[0, rows].tolist(), "sin": sin[0, rows].tolist(),
        })
print(json.dumps(out))
