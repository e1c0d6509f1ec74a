"""Supervised fine-tuning by transformers and PyTorch, for tests/core/sft_golden_test.ts.

    python -P sft.py        writes sft.json beside this script; reads small_tokenizers.json, llama_tied

1. `dialogues`: ids of dialogues, and which of them are the assistant's own, by apply_chat_template
   with the template's generation marks (what TRL's assistant_only_loss learns).
2. `training`: all weights of llama_tied trained by torch.optim.AdamW with clipping by the global norm
   on sequences of one or two answers, each run on its own; the loss is the mean over the learned
   tokens of the batch.
"""
import json
import os
import tempfile
from importlib.metadata import version

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] }}<|im_end|>{% endgeneration %}"
    "{% else %}{{ m['content'] }}<|im_end|>{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
DIALOGUES = [
    [("user", "How old is the town?"), ("assistant", "The town is 800 years old.")],
    [("system", "Be brief."), ("user", "12 boats?"), ("assistant", " 340 boats\n"),
     ("user", "  And\n\nthe bridge? caf\u00e9 \U0001f389"), ("assistant", "Older."),
     ("user", "Why?"), ("assistant", "Put the egg in boiling water for 7 minutes")],
]


def tokenizer():
    with open(os.path.join(HERE, "small_tokenizers.json")) as f:
        base = json.load(f)["bases"]["byte_level"]
    size = len(base["model"]["vocab"])
    base["added_tokens"] += [
        {"id": size + i, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True} for i, text in enumerate(["<|im_start|>", "<|im_end|>"])]
    with tempfile.TemporaryDirectory() as folder:
        config = {"tokenizer_class": "GPT2Tokenizer", "bos_token": "<s>", "eos_token": "</s>",
                  "unk_token": "<unk>"}
        for file, value in [("tokenizer.json", base), ("tokenizer_config.json", config),
                            ("config.json", {"model_type": "llama"})]:
            with open(os.path.join(folder, file), "w") as f:
                json.dump(value, f)
        return AutoTokenizer.from_pretrained(folder)


def dialogues():
    own = tokenizer()
    out = []
    for turns in DIALOGUES:
        messages = [{"role": role, "content": content} for role, content in turns]
        encoded = own.apply_chat_template(messages, chat_template=TEMPLATE, tokenize=True,
                                          return_dict=True, return_assistant_tokens_mask=True)
        out.append({"messages": messages, "ids": encoded["input_ids"],
                    "mask": encoded["assistant_masks"]})
    return out


# prompt, response, and which of the response is learned
SEQUENCES = [
    {"prompt": [1, 17, 5, 42], "response": [63, 8, 8, 30, 2]},
    {"prompt": [1, 11, 55], "response": [4, 60, 2, 23, 7, 39, 9, 61, 2],
     "learned": [1, 1, 1, 0, 0, 0, 1, 1, 1]},
    {"prompt": [1, 33], "response": [12, 2]},
]
SETTINGS = {"learning_rate": 3e-3, "beta1": 0.9, "beta2": 0.98, "epsilon": 1e-8, "weight_decay": 0.1,
            "max_grad_norm": 0.5, "steps": 6}


def training():
    model = AutoModelForCausalLM.from_pretrained(
        os.path.join(HERE, "llama_tied"), dtype=torch.float32, attn_implementation="eager")
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=SETTINGS["learning_rate"], eps=SETTINGS["epsilon"],
        betas=(SETTINGS["beta1"], SETTINGS["beta2"]), weight_decay=SETTINGS["weight_decay"])
    losses, norms = [], []
    for _ in range(SETTINGS["steps"]):
        total, count = 0, 0
        for sequence in SEQUENCES:
            prompt, response = sequence["prompt"], sequence["response"]
            learned = sequence.get("learned", [1] * len(response))
            ids = torch.tensor(prompt + response)
            log_probs = torch.log_softmax(model(ids[None]).logits[0], -1)
            for t, one in enumerate(learned):
                if one:
                    at = len(prompt) + t
                    total = total - log_probs[at - 1, ids[at]]
                    count += 1
        loss = total / count
        optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), SETTINGS["max_grad_norm"])
        optimiser.step()
        losses.append(loss.item())
        norms.append(norm.item())
    weights = {name: parameter.detach().double().norm().item()
               for name, parameter in model.named_parameters()}
    return {"sequences": SEQUENCES, "settings": SETTINGS, "losses": losses, "norms": norms,
            "weightNorms": weights}


if __name__ == "__main__":
    out = {"versions": {name: version(name) for name in ("torch", "transformers")},
           "template": TEMPLATE, "dialogues": dialogues(), "training": training()}
    with open(os.path.join(HERE, "sft.json"), "w") as f:
        json.dump(out, f)
