"""A GGUF file's weights in float16, and then a command: f16_gguf.py MODEL OUT COMMAND…
Vectors stay float32, as llama.cpp's own converter leaves them. Needs PyPI gguf."""
import os
import sys

import numpy as np
from gguf import GGUFReader, GGUFWriter
from gguf.quants import dequantize

source, target, *command = sys.argv[1:]
reader = GGUFReader(source)
writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
OWN = {"general.architecture", "GGUF.version", "GGUF.tensor_count", "GGUF.kv_count"}
for name, field in reader.fields.items():
    if name in OWN:
        continue
    kind, *inner = field.types
    value = 1 if name == "general.file_type" else field.contents()  # 1: mostly float16
    writer.add_key_value(name, value, kind, inner[-1] if inner else None)
for tensor in reader.tensors:
    values = np.asarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
    values = values.reshape([int(side) for side in reversed(tensor.shape)])
    writer.add_tensor(tensor.name, values.astype(np.float16) if values.ndim > 1 else values)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
if command:
    os.execvp(command[0], command)
