"""core/random.ts in plain Python integers: prints xoroshiro.json.

Run: python tests/golden/xoroshiro.py > tests/golden/xoroshiro.json
"""

import json
import platform

MASK32 = 0xFFFFFFFF
MASK64 = 0xFFFFFFFFFFFFFFFF


def murmur3(data: bytes, seed: int) -> int:
    h = seed
    for i in range(0, len(data), 4):
        k = int.from_bytes(data[i:i + 4], "little")
        k = k * 0xCC9E2D51 & MASK32
        k = (k << 15 | k >> 17) & MASK32
        h ^= k * 0x1B873593 & MASK32
        h = (h << 13 | h >> 19) & MASK32
        h = (h * 5 + 0xE6546B64) & MASK32
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85EBCA6B & MASK32
    h = (h ^ h >> 13) * 0xC2B2AE35 & MASK32
    return h ^ h >> 16


assert murmur3(b"test", 0) == 0xBA6BD213  # published test vector


def words(values):
    data = b"".join((v & MASK32).to_bytes(4, "little") for v in values)
    return [murmur3(data, s) for s in (0x9E3779B9, 0x3C6EF372, 0xDAA66D2B, 0x78DDE6E4)]


class Xoroshiro128Plus:
    """Blackman and Vigna, constants 24, 16, 37; the low half of each 64-bit sum is the output."""

    def __init__(self, w):
        self.words = w
        self.s0, self.s1 = w[0] << 32 | w[1], w[2] << 32 | w[3]

    def next32(self):
        out = (self.s0 + self.s1) & MASK32
        t = self.s0 ^ self.s1
        rotl = lambda x, k: (x << k | x >> (64 - k)) & MASK64
        self.s0, self.s1 = rotl(self.s0, 24) ^ t ^ (t << 16 & MASK64), rotl(t, 37)
        return out

    def uniform(self):
        return (self.next32() & 0x3FFFFFF) * 2.0**-26 + (self.next32() & 0x7FFFFFF) * 2.0**-53


def signed(w):
    return [v - (1 << 32) if v >> 31 else v for v in w]


rows = []
for seed in (0, 1, 42, 2**32 - 1):
    generator = Xoroshiro128Plus(words([seed]))
    label = "données 1"
    forked = words([*generator.words, len(label), *map(ord, label)])
    rows.append({
        "seed": seed,
        "words": signed(generator.words),
        "label": label,
        "forkWords": signed(forked),
        "uniforms": [generator.uniform() for _ in range(8)],
    })
print(json.dumps({"versions": {"python": platform.python_version()}, "seeds": rows}))
