"""The adapters that no golden file knew yet, on the checkpoint llama_tied, from PyTorch and PEFT.

    python adapters.py           writes adapters.json beside this script

LoRA is PEFT's, plain SVD-LoRA is PEFT's AdaLoRA (which divides by rank + 1e-5: its rank is set so
that it divides by the rank), Panacea's SVD-LoRA with a fixed factor before λ is the module below.
Everything is float64; parameters follow the formula of policy.py. For each kind: log-probabilities
of every response token, and the gradient of Σ sin(1 + n)·log π_n over the tokens n of the batch.
"""
import json
import os
from importlib.metadata import version

import torch
from peft import AdaLoraConfig, LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from policy import ALPHA, HERE, MAPS, OBJECTIVES, PAIRS, PREFERENCES, RANK, parameter_values

FACTOR = 0.25
SEQUENCES = [dict(prompt=pair["prompt"], response=response,
                  preference=PREFERENCES[pair["group"]])
             for pair in PAIRS[:3] for response in pair["responses"]]


def load():
    model = AutoModelForCausalLM.from_pretrained(
        os.path.join(HERE, "llama_tied"), dtype=torch.float64, attn_implementation="eager")
    return model.requires_grad_(False)


def each_map(model):
    for layer, block in enumerate(model.model.layers):
        for name in MAPS:
            yield f"model.layers.{layer}.{name}", block.get_submodule(name)


def with_lora():
    model = load()
    sizes = {name: (linear.in_features, linear.out_features) for name, linear in each_map(model)}
    peft = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=[
        name.split(".")[-1] for name in MAPS]))
    own = {}
    for name, layer in each_map(model):
        width, out = sizes[name]
        for ours, theirs, shape in [("A", "lora_A", [width, RANK]), ("B", "lora_B", [RANK, out])]:
            parameter = getattr(layer, theirs)["default"].weight
            parameter.data = parameter_values(len(own), shape).detach().T.clone()
            own[f"{name}.{ours}"] = (parameter, True)
    return peft, own, None


def with_plain_svd_lora():
    model = load()
    sizes = {name: (linear.in_features, linear.out_features) for name, linear in each_map(model)}
    total = RANK + 1
    peft = get_peft_model(model, AdaLoraConfig(
        init_r=total, target_r=total, lora_alpha=ALPHA, total_step=10,
        target_modules=[name.split(".")[-1] for name in MAPS]))
    own = {}
    for name, layer in each_map(model):
        width, out = sizes[name]
        for ours, theirs, shape in [("V", "lora_A", [width, total]), ("U", "lora_B", [total, out]),
                                    ("sigma", "lora_E", [total])]:
            value = parameter_values(len(own), shape).detach()
            parameter = getattr(layer, theirs)["default"]
            turned = value.T if len(shape) == 2 else value.reshape(total, 1)
            parameter.data = turned.clone().contiguous()
            own[f"{name}.{ours}"] = (parameter, True)
        layer.ranknum["default"].data = torch.tensor(total - 1e-5, dtype=torch.float64)
    return peft, own, None


class FixedFactor(torch.nn.Module):
    def __init__(self, base, first, state):
        super().__init__()
        self.base, self.state = base, state
        total = RANK + OBJECTIVES
        shapes = [[base.in_features, total], [total, base.out_features], [RANK]]
        self.own = [parameter_values(first + i, shape) for i, shape in enumerate(shapes)]

    def forward(self, x):
        V, U, sigma = self.own
        d = torch.cat([sigma, FACTOR * self.state["preference"]])
        return self.base(x) + ALPHA / (RANK + OBJECTIVES) * ((x @ V) * d) @ U


def with_fixed_factor():
    model, state, own = load(), {}, {}
    for name, linear in list(each_map(model)):
        adapted = FixedFactor(linear, len(own), state)
        parent, child = name.rsplit(".", 1)
        setattr(model.get_submodule(parent), child, adapted)
        for suffix, value in zip(["V", "U", "sigma"], adapted.own):
            own[f"{name}.{suffix}"] = (value, False)
    return model, own, state


def case(build):
    model, own, state = build()
    model.eval()
    values, total, n = [], 0, 0
    for sequence in SEQUENCES:
        if state is not None:
            state["preference"] = torch.tensor(sequence["preference"], dtype=torch.float64)
        prompt, response = sequence["prompt"], sequence["response"]
        rows = torch.log_softmax(model(torch.tensor([prompt + response])).logits[0], -1)
        tokens = [rows[len(prompt) - 1 + t, token] for t, token in enumerate(response)]
        for token in tokens:
            total = total + torch.sin(torch.tensor(1.0 + n, dtype=torch.float64)) * token
            n += 1
        values.append([token.item() for token in tokens])
    found = torch.autograd.grad(total, [parameter for parameter, _ in own.values()])
    gradients = {}
    for (name, (_, turned)), gradient in zip(own.items(), found):
        g = (gradient.T if turned else gradient).reshape(-1)
        gradients[name] = {"norm": g.norm().item(), "entries": {
            str(i): g[i].item() for i in sorted({0, g.numel() // 3, g.numel() - 1})}}
    return {"logProbs": values, "gradients": gradients}


def main():
    out = {
        "versions": {name: version(name) for name in ("torch", "transformers", "peft")},
        "rank": RANK, "objectives": OBJECTIVES, "alpha": ALPHA, "factor": FACTOR,
        "sequences": SEQUENCES,
        "cases": {"lora": case(with_lora), "plain_svd_lora": case(with_plain_svd_lora),
                  "svd_lora": case(with_fixed_factor)},
    }
    with open(os.path.join(HERE, "adapters.json"), "w") as f:
        json.dump(out, f)


if __name__ == "__main__":
    main()
