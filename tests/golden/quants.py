"""Golden dequantisation: GGUF blocks and what PyPI gguf makes of them.

    python quants.py             writes quants.json beside this script

Of every type: one block of random bytes, whose values are given, and blocks at the extremes, whose
values are given as a hash: the largest scales of either sign with every quant at its largest and its
smallest, the smallest subnormal scales, scales of zero of either sign, and more random bytes. Scales
are finite halves. Values and hashes are of the float32 bytes, so that the comparison is bit for bit.
"""
import hashlib
import json
import os
from importlib.metadata import version

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

SCALES = {  # byte positions of the half-precision scales within a block
    "F16": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
    "IQ4_NL": [0], "BF16": [], "F32": [],
}
SMALLEST = 2.0 ** -24  # subnormal
EXTREMES = [  # (scales, all other bytes; None: random)
    ((65504, 65504), 0xFF), ((-65504, -65504), 0xFF), ((65504, -65504), 0x00), ((-65504, 65504), 0x80),
    ((SMALLEST, SMALLEST), None), ((-SMALLEST, SMALLEST), None), ((0.0, -0.0), None),
    ((-0.0, 0.0), None), ((1e-4, 1e-4), None), ((-0.37, 65504), None), ((2047, SMALLEST), None),
]
HERE = os.path.dirname(os.path.abspath(__file__))
random = np.random.default_rng(20261123)


def random_block(name, size):
    block = random.integers(0, 256, size, dtype=np.uint8)
    put_scales(block, SCALES[name], random.standard_normal(2))
    if name in ("F32", "BF16"):  # finite: clear the lowest exponent bit
        block[-2] &= 0x7F
    return block


def put_scales(block, positions, scales):
    for at, scale in zip(positions, scales):
        block[at:at + 2] = np.array([scale], dtype=np.float16).view(np.uint8)


def extreme_blocks(name, size):
    for scales, byte in EXTREMES:
        block = random_block(name, size)
        if byte is not None and SCALES[name]:
            block[:] = byte
        put_scales(block, SCALES[name], scales)
        yield block


def dequantized(blocks, kind, size):
    blocks = np.stack(blocks)
    values = gguf.quants.dequantize(blocks.reshape(-1) if size < 8 else blocks, kind)
    return np.ascontiguousarray(values.astype(np.float32)).tobytes()


cases = []
for name in SCALES:
    kind = GGMLQuantizationType[name]
    _, size = GGML_QUANT_SIZES[kind]
    first = [random_block(name, size) for _ in range(64 if size < 8 else 1)]
    extreme = list(extreme_blocks(name, size))
    cases.append({
        "type": name, "code": int(kind),
        "bytes": np.stack(first).tobytes().hex(), "values": dequantized(first, kind, size).hex(),
        "extremes": np.stack(extreme).tobytes().hex(),
        "extremesSha256": hashlib.sha256(dequantized(extreme, kind, size)).hexdigest(),
    })
out = {"versions": {"gguf": version("gguf"), "numpy": np.__version__}, "cases": cases}
with open(os.path.join(HERE, "quants.json"), "w") as f:
    json.dump(out, f)
