"""Golden dequantisation: random GGUF blocks and what PyPI gguf makes of them.

    python quants.py > quants.json

Scales are finite halves, all other bytes uniform; values as the hex of their float32 bytes, so
that the comparison is bit for bit.
"""
import json
from importlib.metadata import version

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

SCALES = {  # byte positions of the half-precision scales within a block
    "F16": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "BF16": [], "F32": [],
}
random = np.random.default_rng(20261123)
cases = []
for name, positions in SCALES.items():
    kind = GGMLQuantizationType[name]
    _, size = GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (64 if size < 8 else 4 if size < 100 else 2, size), dtype=np.uint8)
    for at in positions:
        halves = random.standard_normal(len(blocks)).astype(np.float16)
        halves[0] = np.float16(6e-8)  # subnormal
        blocks[:, at:at + 2] = halves.view(np.uint8).reshape(-1, 2)
    if name in ("F32", "BF16"):  # finite: clear the lowest exponent bit
        blocks[:, -2] &= 0x7F
    values = gguf.quants.dequantize(blocks.reshape(-1) if size < 8 else blocks, kind)
    cases.append({"type": name, "code": int(kind), "bytes": blocks.tobytes().hex(),
                  "values": np.ascontiguousarray(values.astype(np.float32)).tobytes().hex()})
print(json.dumps({"versions": {"gguf": version("gguf"), "numpy": np.__version__}, "cases": cases}))
