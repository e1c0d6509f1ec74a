"""A small generated data set and what is in it, counted in plain Python: data_report.json.

Tokens are those of transformers' tokenizer and chat template of the built-in model.
Versions: Python 3, transformers (its version is in the file). Run: python3 data_report.py
"""

import json
import math
import random
from collections import Counter, defaultdict
from importlib.metadata import version
from pathlib import Path

from transformers import AutoTokenizer

HERE = Path(__file__).parent
MODEL = HERE / "../../data/builtin/model"
DIMENSIONS = ["helpful", "harmless", "brief"]
MAX_LENGTH = 28
WORDS = "How do I bake bread cheat in an exam please write me a letter Sorry no yes first mix".split()


def make(rng, count, prompts):
    rows = []
    for _ in range(count):
        a, b = (" ".join(rng.choices(WORDS, k=rng.randint(1, 14))) for _ in range(2))
        rows.append({
            "prompt": rng.choice(prompts), "response_0": a, "response_1": b,
            **{name: rng.choice([0, 1, None]) for name in DIMENSIONS},
        })
    for row in rng.sample(rows, 8):  # again, with the responses the other way round
        again = dict(row, response_0=row["response_1"], response_1=row["response_0"])
        for name in DIMENSIONS:
            again[name] = None if row[name] is None else 1 - row[name]
        rows.append(again)
    for row in rng.sample(rows, 8):  # again, with one label turned round
        name = rng.choice(DIMENSIONS)
        rows.append(dict(row, **{name: None if row[name] is None else 1 - row[name]}))
    return rows


def usable(rows):
    return [row for row in rows if row["response_0"] != row["response_1"]
            and any(row[name] is not None for name in DIMENSIONS)]


def wilson(k, n, z=1.959963984540054):
    if n == 0:
        return {"count": 0, "of": 0}
    p = k / n
    centre = (k + z * z / 2) / (n + z * z)
    half = z * math.sqrt(n) / (n + z * z) * math.sqrt(p * (1 - p) + z * z / (4 * n))
    return {"count": k, "of": n, "share": p, "low": max(0, centre - half), "high": min(1, centre + half)}


def canonical(row):
    """(prompt, {response: ...}) and labels that name the response itself."""
    texts = (row["response_0"], row["response_1"])
    labels = tuple(None if row[name] is None else texts[row[name]] for name in DIMENSIONS)
    return (row["prompt"], frozenset(texts)), labels


def summary(values):
    values = sorted(values)
    at = lambda share: values[max(0, math.ceil(share * len(values)) - 1)]
    return {"least": values[0], "median": at(0.5), "mean": sum(values) / len(values),
            "p90": at(0.9), "p99": at(0.99), "most": values[-1]}


def tokens(tokenizer, row):
    """Prompt with the assistant's header, and each response up to and with its end token."""
    turns = [{"role": "user", "content": row["prompt"]}]
    head = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)["input_ids"]
    responses = []
    for key in ("response_0", "response_1"):
        whole = tokenizer.apply_chat_template(
            turns + [{"role": "assistant", "content": row[key]}], return_dict=True)["input_ids"]
        assert whole[:len(head)] == head
        tail = whole[len(head):]
        responses.append(tail.index(tokenizer.eos_token_id) + 1)
    return len(head), responses


def report(rows, tokenizer):
    lengths = [tokens(tokenizer, row) for row in rows]
    whole = [prompt + max(responses) for prompt, responses in lengths]
    groups = defaultdict(list)
    for row in rows:
        pair, labels = canonical(row)
        groups[pair].append(labels)
    turned = {name: sum(len({labels[i] for labels in group} - {None}) > 1 for group in groups.values())
              for i, name in enumerate(DIMENSIONS)}
    both_ways = [group for group in groups.values()
                 if any(len({labels[i] for labels in group} - {None}) > 1 for i in range(3))]
    bias = []
    for name in DIMENSIONS:
        labelled = [(responses[row[name]], responses[1 - row[name]])
                    for row, (_, responses) in zip(rows, lengths) if row[name] is not None]
        different = [(own, other) for own, other in labelled if own != other]
        bias.append({
            "dimension": name,
            "longerPreferred": wilson(sum(own > other for own, other in different), len(different)),
            "equal": len(labelled) - len(different),
            "preferred": sum(own for own, _ in labelled) / len(labelled),
            "other": sum(other for _, other in labelled) / len(labelled),
        })
    agreements = []
    for i, first in enumerate(DIMENSIONS):
        for second in DIMENSIONS[i + 1:]:
            both = [row for row in rows if None not in (row[first], row[second])]
            agreements.append({"dimensions": [first, second],
                               "agree": wilson(sum(r[first] == r[second] for r in both), len(both))})
    several = [{row[name] for name in DIMENSIONS} - {None} for row in rows
               if sum(row[name] is not None for name in DIMENSIONS) > 1]
    prompts = Counter(row["prompt"] for row in rows)
    return {
        "examples": len(rows),
        "repetition": {"prompts": len(prompts), "mostRows": max(prompts.values()),
                       "copies": len(rows) - len({canonical(row) for row in rows})},
        "lengths": {
            "prompt": summary([prompt for prompt, _ in lengths]),
            "response": summary([n for _, responses in lengths for n in responses]),
            "whole": summary(whole),
            "overlong": wilson(sum(n > MAX_LENGTH for n in whole), len(rows)),
            "noRoom": sum(max(responses) >= MAX_LENGTH for _, responses in lengths),
        },
        "labels": {
            "counts": {name: sum(row[name] is not None for row in rows) for name in DIMENSIONS},
            "agreements": agreements,
            "conflicts": wilson(sum(len(labels) > 1 for labels in several), len(several)),
            "contradictions": {"pairs": len(both_ways), "rows": sum(map(len, both_ways)),
                               "dimensions": turned},
            "lengthBias": bias,
        },
    }


def leakage(train, test):
    fold = lambda text: " ".join(text.lower().split())
    pair = lambda row: (fold(row["prompt"]), frozenset(map(fold, (row["response_0"], row["response_1"]))))
    known = {fold(row["prompt"]) for row in train}
    pairs = {pair(row) for row in train}
    asked = {fold(row["prompt"]) for row in test}
    return {
        "prompts": wilson(len(asked & known), len(asked)),
        "rows": wilson(sum(fold(row["prompt"]) in known for row in test), len(test)),
        "same": wilson(sum(pair(row) in pairs for row in test), len(test)),
        "trainRows": sum(fold(row["prompt"]) in asked for row in train),
    }


def main():
    rng = random.Random(7)
    prompts = [" ".join(rng.choices(WORDS, k=6)) for _ in range(24)]
    train = make(rng, 80, prompts[:16])
    test = make(rng, 24, prompts[13:])
    test += [dict(row, prompt=f" {row['prompt'].upper()}\n") for row in rng.sample(train, 5)]
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    out = {
        "transformers": version("transformers"),
        "maxLength": MAX_LENGTH, "rows": {"train": train, "test": test},
        "train": report(usable(train), tokenizer), "test": report(usable(test), tokenizer),
        "leakage": leakage(usable(train), usable(test)),
    }
    (HERE / "data_report.json").write_text(json.dumps(out) + "\n")
    print(json.dumps({**out, "rows": None}, indent=1)[:1500])


main()
