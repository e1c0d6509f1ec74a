"""Two LoRA adapters of one linear layer, interpolated by PEFT: what Rewarded Soups must give.

    python -P soups.py          writes soups.json beside this script

PEFT's add_weighted_adapter with combination_type="cat" is the exact sum of weighted increments. The
singular values of SVD-LoRA are folded into lora_B. Everything is float64; parameters follow a formula
(values), so that they need not be stored.
"""
import json
import os
from importlib.metadata import version

import torch
from peft import LoraConfig, get_peft_model

HERE = os.path.dirname(os.path.abspath(__file__))
IN, OUT, RANK, ALPHA = 5, 4, 3, 6  # RANK: of a member, k + 1
PREFERENCES = [[1.0, 0.0], [0.7, 0.3], [0.25, 0.75]]


def values(ordinal, *shape):
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return torch.sin(1 + 0.7 * i + 0.9 * ordinal).reshape(shape)


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(IN, OUT, bias=False, dtype=torch.float64)

    def forward(self, x):
        return self.linear(x)


def config():
    return LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["linear"])


torch.manual_seed(0)
model = get_peft_model(Layer(), config(), adapter_name="member_0")
model.add_adapter("member_1", config())
for i in range(2):
    V, U, sigma = values(3 * i, IN, RANK), values(3 * i + 1, RANK, OUT), values(3 * i + 2, RANK)
    layer = model.base_model.model.linear
    with torch.no_grad():
        layer.lora_A[f"member_{i}"].to(torch.float64).weight.copy_(V.T)
        layer.lora_B[f"member_{i}"].to(torch.float64).weight.copy_((sigma[:, None] * U).T)

x = values(6, 2, IN)
cases = []
for preference in PREFERENCES:
    names, weights = zip(*[(f"member_{i}", w) for i, w in enumerate(preference) if w > 0])
    model.add_weighted_adapter(list(names), list(weights), "soup", combination_type="cat")
    model.base_model.model.linear.lora_A["soup"].to(torch.float64)
    model.base_model.model.linear.lora_B["soup"].to(torch.float64)
    model.set_adapter("soup")
    delta = model.base_model.model.linear.get_delta_weight("soup")  # (out, in)
    with torch.no_grad():
        base = model.base_model.model.linear.base_layer(x)
        cases.append(dict(preference=preference, merged=delta.T.tolist(),
                          increment=(model(x) - base).tolist()))
    model.delete_adapter("soup")

json.dump(dict(versions={n: version(n) for n in ["torch", "peft"]}, rank=RANK, alpha=ALPHA,
               x=x.tolist(), cases=cases), open(os.path.join(HERE, "soups.json"), "w"), indent=1)
