"""Which files PyPI safetensors opens; for 14_safetensors_test.ts. Made for safetensors 0.8.

Usage: python -P 14_safetensors_peer.py FILE    FILE: files one after the other, each behind its
length (4 bytes, little-endian). Prints JSON: for each file its tensors, {name: [dtype, shape, hex]},
or null where it is refused.
"""
import json
import struct
import sys

from safetensors import SafetensorError, deserialize

with open(sys.argv[1], "rb") as file:
    data = file.read()
found = []
at = 0
while at < len(data):
    (length,) = struct.unpack_from("<I", data, at)
    content = data[at + 4 : at + 4 + length]
    at += 4 + length
    try:
        tensors = deserialize(content)
    except SafetensorError:
        found.append(None)
    else:
        found.append({name: [t["dtype"], t["shape"], bytes(t["data"]).hex()] for name, t in tensors})
print(json.dumps(found))
