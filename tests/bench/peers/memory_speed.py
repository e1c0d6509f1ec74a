# How fast this machine reads memory, in GB/s: the limit of decoding, which reads every weight for
# every token. Sums as many floats as SmolLM2-135M has weights, best of several. Prints one JSON line.
import argparse
import json
import time

import torch

WEIGHTS = 134_515_008
REPEATS = 15

arguments = argparse.ArgumentParser()
arguments.add_argument("--threads", type=int, required=True)
torch.set_num_threads(arguments.parse_args().threads)

values = torch.ones(WEIGHTS)
best = 0.0
for _ in range(REPEATS):
    start = time.perf_counter()
    values.sum()
    best = max(best, 4 * WEIGHTS / (time.perf_counter() - start) / 1e9)
print(json.dumps({"gigabytesPerSecond": best}))
