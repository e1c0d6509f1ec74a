"""Aggregated losses and their gradients, written down once more in PyTorch (float64).

    python aggregation.py        writes aggregation.json beside this script

Formulas as their papers have them: smooth Tchebycheff (Lin et al. 2024), augmented Tchebycheff
(Steuer and Choo 1983), PBI (Zhang and Li 2007, with the projection written as there) towards the ray
that the WS transformation of Qi et al. 2014 gives. The ideal point is 0 for losses; rewards are
aggregated as minus the loss of their gaps to a bound z.
"""
import json
import os
from importlib.metadata import version

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
torch.set_default_dtype(torch.float64)

LOSSES = [[0.7, 0.2, 1.1], [2.5, 0.4, 0.3], [0.69, 0.71, 0.05], [1e-3, 4.0, 30.0], [0.6931, 0.6932, 0.6933]]
PREFERENCES = [[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.0, 0.4, 0.6], [0.98, 0.01, 0.01], [0.2, 0.3, 0.5]]
IDEAL = [3.0, 5.0, 31.0]
SETTINGS = [
    dict(smooth_tche_mu=0.1, augmented_tche_rho=0.05, pbi_theta=5.0),
    dict(smooth_tche_mu=0.5, augmented_tche_rho=0.5, pbi_theta=0.3),
    dict(smooth_tche_mu=0.01, augmented_tche_rho=0.0, pbi_theta=0.0),
]


def smooth_tche(f, w, s):
    mu = s["smooth_tche_mu"]
    return mu * torch.log(torch.exp(f * w / mu).sum()) if mu > 0.05 else mu * torch.logsumexp(f * w / mu, 0)


def augmented_tche(f, w, s):
    return (f * w).max() + s["augmented_tche_rho"] * (f * w).sum()


def pbi(f, w, s):
    inverse = 1 / w.clamp(min=1e-6)
    direction = inverse / inverse.sum()
    d1 = torch.linalg.norm(f @ direction) / torch.linalg.norm(direction)
    d2 = torch.linalg.norm(f - d1 * direction / torch.linalg.norm(direction))
    return d1 + s["pbi_theta"] * d2


NAMES = {"smooth_tche": smooth_tche, "augmented_tche": augmented_tche, "pbi": pbi}
cases = []
for name, function in NAMES.items():
    for settings in SETTINGS:
        values, gradients, rewards = [], [], []
        for losses, weights in zip(LOSSES, PREFERENCES):
            f, w = torch.tensor(losses, requires_grad=True), torch.tensor(weights)
            value = function(f, w, settings)
            value.backward()
            values.append(value.item())
            gradients.append(f.grad.tolist())
            rewards.append(-function(torch.tensor(IDEAL) - f.detach(), w, settings).item())
        cases.append(dict(aggregation=name, settings=settings, values=values, gradients=gradients, rewards=rewards))
out = dict(versions={"torch": version("torch")}, losses=LOSSES, preferences=PREFERENCES, idealPoint=IDEAL, cases=cases)
with open(os.path.join(HERE, "aggregation.json"), "w") as f:
    json.dump(out, f)
