"""Which files PyPI safetensors accepts: `python safetensors_cases.py > safetensors_cases.json`.

Also one file as it writes it (`written`), to compare ours byte for byte.
"""
import json
import struct

import numpy as np
import safetensors
from safetensors.numpy import load, save

T = '{"dtype":"U8","shape":[2],"data_offsets":[0,2]}'
CASES = {
    "plain": ('{"a":%s}' % T, b"ab"),
    "unknown field": ('{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"x":1}}', b"ab"),
    "repeated tensor": ('{"a":%s,"a":%s}' % (T, T), b"ab"),
    "repeated field": ('{"a":{"dtype":"U8","dtype":"U8","shape":[2],"data_offsets":[0,2]}}', b"ab"),
    "repeated metadata": ('{"__metadata__":{},"__metadata__":{},"a":%s}' % T, b"ab"),
    "repeated metadata field": ('{"__metadata__":{"a":"b","a":"c"},"a":%s}' % T, b"ab"),
    "float size": ('{"a":{"dtype":"U8","shape":[2.0],"data_offsets":[0,2]}}', b"ab"),
    "exponent size": ('{"a":{"dtype":"U8","shape":[2e0],"data_offsets":[0,2]}}', b"ab"),
    "negative size": ('{"a":{"dtype":"U8","shape":[-2],"data_offsets":[0,2]}}', b"ab"),
    "minus zero": ('{"a":{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}}', b""),
    "no tensor": ("{}", b""),
    "empty header": ("", b""),
    "trailing spaces": ('{"a":%s}   ' % T, b"ab"),
    "trailing newline": ('{"a":%s}\n' % T, b"ab"),
    "leading newline": ('\n{"a":%s}' % T, b"ab"),
    "byte order mark": ('\ufeff{"a":%s}' % T, b"ab"),
    "trailing text": ('{"a":%s}x' % T, b"ab"),
    "trailing NUL": ('{"a":%s}\0' % T, b"ab"),
    "lone surrogate": ('{"\\ud800":%s}' % T, b"ab"),
    "escaped name": ('{"\\u0061\\"\\\\":%s}' % T, b"ab"),
    "null metadata": ('{"__metadata__":null,"a":%s}' % T, b"ab"),
    "number in metadata": ('{"__metadata__":{"x":1},"a":%s}' % T, b"ab"),
    "gap before": ('{"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}', b"xab"),
    "bytes behind": ('{"a":%s}' % T, b"abc"),
    "bytes missing": ('{"a":%s}' % T, b"a"),
    "zero size": ('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}', b""),
    "zero size at the end": ('{"a":{"dtype":"U8","shape":[0],"data_offsets":[2,2]},"b":%s}' % T, b"ab"),
    "zero size inside": ('{"a":{"dtype":"U8","shape":[0],"data_offsets":[1,1]},"b":%s}' % T, b"ab"),
    "zero size at the start": ('{"b":%s,"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}' % T, b"ab"),
    "overlap": ('{"a":%s,"b":%s}' % (T, T), b"ab"),
    "any order": ('{"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]},"a":%s}' % T, b"abc"),
    "scalar": ('{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}', b"a"),
    "overflow": ('{"a":{"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}', b""),
    "overflowing size": ('{"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,0]}}', b""),
    "reversed offsets": ('{"a":{"dtype":"U8","shape":[0],"data_offsets":[2,0]}}', b""),
    "unknown dtype": ('{"a":{"dtype":"Q8","shape":[2],"data_offsets":[0,2]}}', b"ab"),
    "prototype as dtype": ('{"a":{"dtype":"toString","shape":[2],"data_offsets":[0,2]}}', b"ab"),
    "three offsets": ('{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2,2]}}', b"ab"),
    "no shape": ('{"a":{"dtype":"U8","data_offsets":[0,2]}}', b"ab"),
    "length differs": ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,2]}}', b"ab"),
    "array header": ("[]", b""),
    "not UTF-8": (b'{"\xff":%s}' % T.encode(), b"ab"),
    "tensor as array": ('{"a":["U8",[2],[0,2]]}', b"ab"),
    "empty name": ('{"":%s}' % T, b"ab"),
    "__proto__": ('{"__proto__":%s}' % T, b"ab"),
    "deep nesting": ('{"a":%s}' % ("[" * 5000 + "]" * 5000), b""),
}


def accepted(data):
    try:
        load(data)
        return True
    except Exception:
        return False


files = {}
for name, (header, data) in CASES.items():
    header = header if isinstance(header, bytes) else header.encode()
    files[name] = struct.pack("<Q", len(header)) + header + data
files["nothing"] = b""
files["seven bytes"] = b"\0" * 7
files["huge header length"] = struct.pack("<Q", 2**63) + b"{}"
files["header past the end"] = struct.pack("<Q", 3) + b"{}"
written = save({
    "b.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array([1, 2], dtype=np.int64),
    "é": np.array([1.5], dtype=np.float16), "0": np.array([[7]], dtype=np.uint8),
    "a.b": np.array([0.25], dtype=np.float32),
})
print(json.dumps({
    "versions": {"safetensors": safetensors.__version__},
    "cases": [{"name": n, "bytes": f.hex(), "accepted": accepted(f)} for n, f in files.items()],
    "written": written.hex(),
}))
