"""AdamW, clipping by the global norm and learning-rate schedules, from PyTorch and transformers.

    python -P optim.py           writes optim.json beside this script

torch.optim.AdamW runs in float64 on formula-made parameters and gradients (see `values`).
"""
import json
import math
import os
from importlib.metadata import version

import torch
from transformers import get_scheduler

HERE = os.path.dirname(os.path.abspath(__file__))
SHAPES = [[2, 3], [4], [1]]
STEPS = 6
SETTINGS = [
    dict(lr=1e-2, betas=[0.9, 0.999], eps=1e-8, weight_decay=0.05, clip=0),
    dict(lr=3e-2, betas=[0.8, 0.95], eps=1e-3, weight_decay=0.0, clip=0),
    dict(lr=1e-2, betas=[0.9, 0.98], eps=1e-8, weight_decay=0.1, clip=1.0),
]


def values(shape, phase):
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return torch.sin(1 + 1.3 * i + 0.7 * phase).reshape(shape)


def trace(setting):
    parameters = [torch.nn.Parameter(values(shape, k)) for k, shape in enumerate(SHAPES)]
    optimizer = torch.optim.AdamW(parameters, lr=setting["lr"], betas=tuple(setting["betas"]),
                                  eps=setting["eps"], weight_decay=setting["weight_decay"])
    steps = []
    for step in range(1, STEPS + 1):
        for k, p in enumerate(parameters):
            p.grad = 2 * values(SHAPES[k], 10 * step + k)
        # clip_grad_norm_ adds 1e-6 to the norm: the plain quotient is what the paper's code means
        norm = torch.linalg.vector_norm(torch.stack([p.grad.norm() for p in parameters]))
        if setting["clip"] > 0:
            torch.nn.utils.clip_grad_norm_(parameters, setting["clip"])
        optimizer.step()
        steps.append({
            "norm": norm.item(),
            "parameters": [p.detach().reshape(-1).tolist() for p in parameters],
            "first": [optimizer.state[p]["exp_avg"].reshape(-1).tolist() for p in parameters],
            "second": [optimizer.state[p]["exp_avg_sq"].reshape(-1).tolist() for p in parameters],
        })
    return {**setting, "steps": steps}


def schedule(name, steps, warmup_ratio):
    """lr of HF's scheduler before its step 0, 1, …"""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    warmup = math.ceil(steps * warmup_ratio)  # TrainingArguments.get_warmup_steps
    scheduler = get_scheduler("constant_with_warmup" if name == "constant" else name, optimizer,
                              num_warmup_steps=warmup, num_training_steps=steps)
    rates = []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return {"name": name, "steps": steps, "warmupRatio": warmup_ratio, "warmup": warmup,
            "rates": rates}


def main():
    out = {
        "versions": {name: version(name) for name in ("torch", "transformers")},
        "shapes": SHAPES,
        "adamw": [trace(setting) for setting in SETTINGS],
        "schedules": [schedule(name, steps, ratio) for name in ("cosine", "linear", "constant")
                      for steps, ratio in ((20, 0.03), (40, 0.2), (7, 0.0), (4, 1.0))],
    }
    with open(os.path.join(HERE, "optim.json"), "w") as f:
        json.dump(out, f)


if __name__ == "__main__":
    main()
