"""Logits of exported adapters in Hugging Face's libraries: PEFT on a base model, several PEFT adapters
at once with a scale each, merged model folders.

Reads JSON from standard input: a list of {"base": folder | null, "gguf": file | null, "ids": [...],
"peft": [folders], "merged": [folders], "split": {"folder", "names", "scales": [[...]]} | null, "ways":
["weighted", "scaled"], "exact": computed in float64}.
Prints a list of {"peft", "merged", "weighted", "scaled": logits (N, T, V)}: `weighted` by PEFT's
add_weighted_adapter, `scaled` with all adapters active and their scales set.
"""
import json
import os
import sys

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from transformers import AutoModelForCausalLM

OPTIONS = dict(dtype=torch.float32, attn_implementation="eager")


def logits_of(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].tolist()


def load_base(case):
    if case.get("gguf"):
        folder, name = os.path.split(case["gguf"])
        return AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, **OPTIONS)
    return AutoModelForCausalLM.from_pretrained(case["base"], **OPTIONS)


def peft_logits(case):
    folders = case.get("peft") or []
    found, model = [], None
    for i, folder in enumerate(folders):
        if model is None:
            model = PeftModel.from_pretrained(load_base(case), folder, adapter_name="a0")
        else:
            model.load_adapter(folder, f"a{i}")
        model.set_adapter(f"a{i}")
        model.eval()
        found.append(logits_of(model, case["ids"]))
    return found


def split_logits(case):
    split = case.get("split")
    weighted, scaled = [], []
    if not split:
        return weighted, scaled
    names = split["names"]
    place = lambda name: os.path.join(split["folder"], name)
    model = PeftModel.from_pretrained(load_base(case), place(names[0]), adapter_name=names[0])
    for name in names[1:]:
        model.load_adapter(place(name), name)
    model.eval()
    if case.get("exact"):
        model.double()
    ways = case.get("ways", ["weighted", "scaled"])
    for i, scales in enumerate(split["scales"] if "weighted" in ways else []):
        model.add_weighted_adapter(names, scales, f"lambda{i}", combination_type="cat")
        model.set_adapter(f"lambda{i}")
        weighted.append(logits_of(model, case["ids"]))
    for scales in split["scales"] if "scaled" in ways else []:
        model.base_model.set_adapter(names)
        for module in model.modules():
            if isinstance(module, LoraLayer):
                for name, scale in zip(names, scales):
                    module.set_scale(name, scale)
        scaled.append(logits_of(model, case["ids"]))
    return weighted, scaled


def main():
    results = []
    for case in json.load(sys.stdin):
        weighted, scaled = split_logits(case)
        merged = [
            logits_of(AutoModelForCausalLM.from_pretrained(folder, **OPTIONS).eval(), case["ids"])
            for folder in case.get("merged") or []
        ]
        results.append(dict(peft=peft_logits(case), merged=merged, weighted=weighted, scaled=scaled))
    print(json.dumps(results))


main()
