"""What TRL takes for the prompt of chosen and rejected: trl_prompts.json beside this script.

Versions: trl 1.16.0. Run: python3 trl_prompts.py
"""

import json
from importlib.metadata import version
from pathlib import Path

from trl.data_utils import maybe_extract_prompt


def turns(*pairs):
    return [{"role": role, "content": content} for role, content in pairs]


ROWS = [
    {"chosen": "The sky is blue.", "rejected": "The sky is green."},
    {"chosen": "The sky is blue.", "rejected": "The sky is black."},
    {"chosen": "Say: yes", "rejected": "Say: yes, sir"},
    {"chosen": "Größe? 🙂", "rejected": "Größe? 🙃"},
    {"prompt": "The sky is", "chosen": " blue.", "rejected": " green."},
    {"chosen": turns(("user", "Color?"), ("assistant", "blue")),
     "rejected": turns(("user", "Color?"), ("assistant", "green"))},
    {"chosen": turns(("system", "Be kind"), ("user", "a"), ("assistant", "b"), ("user", "c"),
                     ("assistant", "d")),
     "rejected": turns(("system", "Be kind"), ("user", "a"), ("assistant", "b"), ("user", "c"),
                       ("assistant", "e"))},
    {"prompt": "Color?", "chosen": turns(("user", "Color?"), ("assistant", "blue")),
     "rejected": turns(("user", "Color?"), ("assistant", "green"))},
    {"prompt": turns(("user", "Color?")), "chosen": turns(("assistant", "blue")),
     "rejected": turns(("assistant", "green"))},
]


def main():
    cases = [{"row": row, "trl": maybe_extract_prompt(json.loads(json.dumps(row)))} for row in ROWS]
    out = {"trl": version("trl"), "cases": cases}
    Path(__file__).with_suffix(".json").write_text(json.dumps(out, ensure_ascii=False) + "\n")


main()
