"""−log p of answers by transformers, from a model folder; for sft_transformers_test.ts.

Usage: python -P transformers_losses.py FOLDER < rows    rows: JSON [[question, answer], …]
Prints JSON: [[−log p, tokens], …]. The end token is the one of the tokenizer's configuration.
"""
import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
out = []
for question, answer in json.load(sys.stdin):
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": question}], tokenize=True,
                                           add_generation_prompt=True, return_dict=True)["input_ids"]
    response = tokenizer(answer, add_special_tokens=False).input_ids + [tokenizer.eos_token_id]
    with torch.no_grad():
        log_probs = torch.log_softmax(model(torch.tensor([prompt + response])).logits[0], -1)
    values = [log_probs[len(prompt) - 1 + t, token].item() for t, token in enumerate(response)]
    out.append([-sum(values), len(response)])
print(json.dumps(out))
