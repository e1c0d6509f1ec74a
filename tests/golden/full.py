"""Loss and gradients of all weights of a small Llama checkpoint, from PyTorch transformers.

    python -P full.py        writes full.json beside this script; reads the llama_* folders

The loss is the mean negative log-probability of the response tokens of two sequences, each run on
its own (no packing), positions from 0. Gradients are told as their norm, their sum and three values
per weight, which a wrong transpose, head group or tied head would all change.
"""
import json
import os
from importlib.metadata import version

import torch
from transformers import AutoModelForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
SEQUENCES = [
    {"prompt": [1, 17, 5, 42], "response": [63, 8, 8, 30, 2]},
    {"prompt": [1, 11, 55, 23, 7, 39], "response": [4, 60, 2]},
]


def case(folder):
    model = AutoModelForCausalLM.from_pretrained(
        os.path.join(HERE, folder), dtype=torch.float32, attn_implementation="eager")
    total, count = 0, 0
    for sequence in SEQUENCES:
        ids = torch.tensor(sequence["prompt"] + sequence["response"])
        log_probs = torch.log_softmax(model(ids[None]).logits[0], -1)
        for position in range(len(sequence["prompt"]), len(ids)):
            total = total - log_probs[position - 1, ids[position]]
            count += 1
    loss = total / count
    loss.backward()
    gradients = {}
    for name, parameter in model.named_parameters():
        values = parameter.grad.double().flatten()
        picks = [0, len(values) // 2, len(values) - 1]
        gradients[name] = {"norm": values.norm().item(), "sum": values.sum().item(),
                           "picks": picks, "values": [values[i].item() for i in picks]}
    return {"loss": loss.item(), "gradients": gradients}


if __name__ == "__main__":
    out = {"versions": {name: version(name) for name in ("torch", "transformers")},
           "sequences": SEQUENCES,
           "cases": {name: case(name) for name in ("llama_tied", "llama_untied_sharded", "llama_llama3")}}
    with open(os.path.join(HERE, "full.json"), "w") as f:
        json.dump(out, f)
