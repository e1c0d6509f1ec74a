"""SVD-LoRA on the checkpoint llama_tied, and multi-objective DPO on it, from PyTorch.

    python -P policy.py          writes policy.json beside this script

The adapter is added to transformers' own linear layers as panacea.md defines it (eq. 5), with one
preference per sequence; every sequence runs alone, without padding. Everything is float64, so the
numbers are what a float32 implementation is measured against. Adapter parameters follow a formula
(parameter_values), so that they need not be stored.
"""
import json
import os
from importlib.metadata import version

import torch
from transformers import AutoModelForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
RANK, OBJECTIVES, ALPHA, BETA = 3, 2, 20, 0.5
MAPS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
        "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
PREFERENCES = [[0.3, 0.7], [0.85, 0.15]]
# prompts of 1 to 6 tokens, responses of 1 to 7; labels on one dimension, on both, in opposition
PAIRS = [
    dict(group=0, prompt=[1, 17, 5, 42], responses=[[63, 8, 2], [30, 11, 55, 23, 2]], better=[0, 1]),
    dict(group=0, prompt=[7], responses=[[2], [39, 4, 19, 20, 21, 22, 2]], better=[1, None]),
    dict(group=1, prompt=[9, 9, 31, 60, 12, 3], responses=[[50, 2], [51, 52, 2]], better=[None, 0]),
    dict(group=1, prompt=[33, 14], responses=[[5, 6, 7, 2], [6, 5, 7, 2]], better=[1, 1]),
    dict(group=0, prompt=[1, 40, 41], responses=[[10, 2], [11, 2]], better=[None, 1]),
]


def parameter_values(ordinal, shape):
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (0.3 * torch.sin(1 + 0.7 * i + 0.9 * ordinal)).reshape(shape).requires_grad_()


class Adapted(torch.nn.Module):
    def __init__(self, base, first, state):
        super().__init__()
        self.base, self.state = base, state
        total = RANK + OBJECTIVES
        shapes = [[base.in_features, total], [total, base.out_features], [RANK], [1]]
        self.values = [parameter_values(first + i, shape) for i, shape in enumerate(shapes)]

    def forward(self, x):
        y = self.base(x)
        if self.state["preference"] is None:
            return y
        V, U, sigma, s = self.values
        d = torch.cat([sigma, s * self.state["preference"]])
        return y + ALPHA / (RANK + OBJECTIVES) * ((x @ V) * d) @ U


def main():
    model = AutoModelForCausalLM.from_pretrained(
        os.path.join(HERE, "llama_tied"), dtype=torch.float64, attn_implementation="eager")
    model.requires_grad_(False)
    state = {"preference": None}
    parameters = {}
    for layer, block in enumerate(model.model.layers):
        for name in MAPS:
            parent, child = name.split(".")
            holder = getattr(block, parent)
            adapted = Adapted(getattr(holder, child), len(parameters), state)
            setattr(holder, child, adapted)
            for suffix, value in zip(["V", "U", "sigma", "s"], adapted.values):
                parameters[f"model.layers.{layer}.{name}.{suffix}"] = value

    def log_prob(prompt, response, preference):
        state["preference"] = preference
        ids = torch.tensor([prompt + response])
        rows = torch.log_softmax(model(ids).logits[0], -1)
        return sum(rows[len(prompt) - 1 + t, token] for t, token in enumerate(response))

    def scores(adapted):
        return [[log_prob(pair["prompt"], response,
                          torch.tensor(PREFERENCES[pair["group"]], dtype=torch.float64)
                          if adapted else None)
                 for response in pair["responses"]] for pair in PAIRS]

    with torch.no_grad():
        reference = scores(False)
    policy = scores(True)
    losses = []  # (G, M)
    for group in range(len(PREFERENCES)):
        row = []
        for i in range(OBJECTIVES):
            own = [p for p, pair in enumerate(PAIRS)
                   if pair["group"] == group and pair["better"][i] is not None]
            terms = []
            for p in own:
                w = PAIRS[p]["better"][i]
                margin = (policy[p][w] - reference[p][w]) - (policy[p][1 - w] - reference[p][1 - w])
                terms.append(-torch.nn.functional.logsigmoid(BETA * margin))
            row.append(torch.stack(terms).mean())
        losses.append(torch.stack(row))
    losses = torch.stack(losses)
    weighted = torch.tensor(PREFERENCES, dtype=torch.float64) * losses
    totals = {"ls": weighted.sum(1).mean(), "tche": weighted.max(1).values.mean()}
    gradients = {}
    for kind, total in totals.items():
        found = torch.autograd.grad(total, list(parameters.values()), retain_graph=True)
        gradients[kind] = {
            name: {"norm": g.norm().item(),
                   "entries": {str(i): g.reshape(-1)[i].item()
                               for i in sorted({0, g.numel() // 3, g.numel() - 1})}}
            for name, g in zip(parameters, found)}
    out = {
        "versions": {name: version(name) for name in ("torch", "transformers")},
        "rank": RANK, "objectives": OBJECTIVES, "alpha": ALPHA, "beta": BETA,
        "preferences": PREFERENCES, "pairs": PAIRS,
        "reference": [[x.item() for x in row] for row in reference],
        "policy": [[x.item() for x in row] for row in policy],
        "losses": losses.tolist(),
        "totals": {kind: total.item() for kind, total in totals.items()},
        "gradients": gradients,
    }
    with open(os.path.join(HERE, "policy.json"), "w") as f:
        json.dump(out, f)


if __name__ == "__main__":
    main()
