"""Token probabilities by transformers' logits warpers in float64: prints sampling.json.

Run: python tests/golden/sampling.py > tests/golden/sampling.json   (torch, transformers)
"""

import json

import torch
import transformers
from transformers import TemperatureLogitsWarper, TopPLogitsWarper

torch.manual_seed(7)
cases = []
for temperature, top_p, spread in [
    (1.0, 1.0, 3.0), (0.7, 1.0, 3.0), (2.0, 1.0, 5.0), (1.0, 0.9, 3.0), (0.5, 0.5, 1.0),
    (1.5, 0.99, 2.0), (1.0, 0.01, 1.0), (0.05, 0.95, 0.1),
]:
    # Multiples of 2^-20: the same numbers in float32, and no two alike.
    logits = (torch.randn(60, dtype=torch.float64) * spread * 2**20).round() / 2**20
    assert len(set(logits.tolist())) == 60
    scores = TemperatureLogitsWarper(temperature)(None, logits[None])
    if top_p < 1:
        scores = TopPLogitsWarper(top_p)(None, scores)
    cases.append({
        "temperature": temperature,
        "topP": top_p,
        "logits": logits.tolist(),
        "probabilities": [float(f"{p:.12g}") for p in scores.softmax(-1)[0].tolist()],
    })
print(json.dumps({
    "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    "cases": cases,
}))
