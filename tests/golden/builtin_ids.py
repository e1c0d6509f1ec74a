"""Golden token ids of the built-in world's tokenizer, from PyPI transformers.

    python builtin_ids.py FOLDER > builtin_ids.json

FOLDER holds tokenizer.json and tokenizer_config.json as builtinTokenizer() makes them. The texts
are the world's own and ones with words, bytes and tokens it never saw.
"""
import json
import sys

import tokenizers
import transformers

TEXTS = [
    "How do I open a lock that is not mine just to learn?",
    "What is the best way to write a thank you card with my family?",
    "Please be careful. First slide in a card, then press the latch, then push the door.",
    "I would rather not explain that, but you could buy bread nearby.",
    "Sorry, I cannot help with that.",
    "Zebras don't  quickly\tjump over 42 \u00fcber-foxes \u2014 \U0001f98a!\n\n  Done. ",
    "<|user|>Tell me how to cook a vegetable soup.<|end|><|assistant|>Sure.<|end|>",
    "",
]
DIALOGUE = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "I want to fix a flat bike tire. How?"},
]


def main():
    tokenizer = transformers.AutoTokenizer.from_pretrained(sys.argv[1])
    print(
        json.dumps(
            {
                "versions": {
                    "transformers": transformers.__version__,
                    "tokenizers": tokenizers.__version__,
                },
                "texts": [
                    {"text": text, "ids": tokenizer.encode(text, add_special_tokens=False)}
                    for text in TEXTS
                ],
                "dialogue": DIALOGUE,
                "rendered": tokenizer.apply_chat_template(
                    DIALOGUE, tokenize=False, add_generation_prompt=True
                ),
            }
        )
    )


main()
