"""Prints what PyPI gguf reads from a GGUF file of float32 tensors: metadata, and tensors in row-major
order."""
import json
import sys

import gguf

reader = gguf.GGUFReader(sys.argv[1])
print(json.dumps({
    "fields": {field.name: field.contents() for field in reader.fields.values()},
    "tensors": {
        tensor.name: {
            "type": tensor.tensor_type.name,
            "shape": [int(n) for n in reversed(tensor.shape)],
            "values": tensor.data.flatten().tolist(),
        }
        for tensor in reader.tensors
    },
}))
