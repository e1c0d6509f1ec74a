"""A reward model of two dimensions on the checkpoint llama_tied, from transformers, PEFT and TRL.

    python reward.py             writes reward.json beside this script

Scores: LlamaForSequenceClassification with two labels, LoRA by PEFT on every linear map, in float64,
one sequence at a time without padding. Loss: per dimension, Bradley–Terry over the labelled pairs of
policy.py, one of them with labels that disagree; the gradients are those of their sum. Adapter and
head follow the formula of policy.py, so that they need not be stored. The same loss of dimension 0 by
TRL's own RewardTrainer, on the pairs that it labels, with a head of one output.
"""
import json
import os
import tempfile
from importlib.metadata import version

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast
from trl import RewardConfig, RewardTrainer

from policy import HERE, MAPS, PAIRS, parameter_values

RANK, ALPHA, DIMENSIONS = 3, 6, 2
LABELS = [pair["better"] for pair in PAIRS]
LABELS = [*LABELS[:-1], [0.25, LABELS[-1][1]]]  # a quarter of the labellers prefer response 1
HEAD_ORDINAL = 100


def load(labels):
    return AutoModelForSequenceClassification.from_pretrained(
        os.path.join(HERE, "llama_tied"), dtype=torch.float64, attn_implementation="eager",
        num_labels=labels, pad_token_id=0)


def adapted(labels):
    """The model with its adapter, and the adapter's parameters by our names."""
    base = load(labels)
    head = parameter_values(HEAD_ORDINAL, [DIMENSIONS, base.config.hidden_size])
    base.score.weight.data = head.detach()[:labels].clone()
    base.score.weight.requires_grad_()
    model = get_peft_model(base, LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0,
                                            target_modules=[m.split(".")[1] for m in MAPS]))
    parameters, ordinal = {}, 0
    for layer, block in enumerate(base.model.layers):
        for name in MAPS:
            linear = block.get_submodule(name)
            a, b = linear.lora_A["default"].weight, linear.lora_B["default"].weight
            for weight, shape, suffix in [(a, [linear.in_features, RANK], "A"),
                                          (b, [RANK, linear.out_features], "B")]:
                weight.data = parameter_values(ordinal, shape).detach().T.contiguous()
                parameters[f"model.layers.{layer}.{name}.{suffix}"] = weight
                ordinal += 1
    parameters["score.weight"] = base.score.weight
    base.score.weight.requires_grad_()
    return model, parameters


def trl_loss():
    model, _ = adapted(1)
    model = model.merge_and_unload()
    words = Tokenizer(models.WordLevel({f"<{i}>": i for i in range(64)}, unk_token="<0>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<2>", pad_token="<0>")

    def text(ids):
        return " ".join(f"<{i}>" for i in ids)

    used = [pair for pair, label in zip(PAIRS, LABELS) if label[0] in (0, 1)]
    rows = [{"chosen": text(pair["prompt"] + pair["responses"][pair["better"][0]]),
             "rejected": text(pair["prompt"] + pair["responses"][1 - pair["better"][0]])}
            for pair in used]
    with tempfile.TemporaryDirectory() as folder:
        trainer = RewardTrainer(
            model=model, processing_class=tokenizer, train_dataset=Dataset.from_list(rows),
            args=RewardConfig(output_dir=folder, per_device_train_batch_size=len(rows),
                              report_to=[], use_cpu=True, bf16=False, disable_dropout=True,
                              gradient_checkpointing=False))
        batch = trainer.data_collator(list(trainer.train_dataset))
        model.eval()
        with torch.no_grad():
            return trainer.compute_loss(model, batch).item()


def main():
    model, parameters = adapted(DIMENSIONS)

    def scores(pair, response):
        return model(input_ids=torch.tensor([pair["prompt"] + response])).logits[0]

    table = [torch.stack([scores(pair, response) for response in pair["responses"]])
             for pair in PAIRS]  # (P) of (2, M)
    losses = []
    for i in range(DIMENSIONS):
        terms = []
        for rows, label in zip(table, LABELS):
            if label[i] is None:
                continue
            margin = rows[0, i] - rows[1, i]
            terms.append(-(1 - label[i]) * torch.nn.functional.logsigmoid(margin)
                         - label[i] * torch.nn.functional.logsigmoid(-margin))
        losses.append(sum(terms) / len(terms))
    sum(losses).backward()
    gradients = {name: weight.grad if name == "score.weight" else weight.grad.T.contiguous()
                 for name, weight in parameters.items()}  # as we store them: (in, out)
    out = {
        "versions": {name: version(name) for name in ("torch", "transformers", "peft", "trl")},
        "rank": RANK,
        "alpha": ALPHA,
        "headOrdinal": HEAD_ORDINAL,
        "pairs": [dict(prompt=pair["prompt"], responses=pair["responses"], better=label)
                  for pair, label in zip(PAIRS, LABELS)],
        "scores": [rows.detach().tolist() for rows in table],
        "losses": [loss.item() for loss in losses],
        "gradients": {
            name: {"norm": g.norm().item(),
                   "entries": {str(i): g.reshape(-1)[i].item()
                               for i in sorted({0, g.numel() // 3, g.numel() - 1})}}
            for name, g in gradients.items()},
        "trlLoss": trl_loss(),
    }
    with open(os.path.join(HERE, "reward.json"), "w") as f:
        json.dump(out, f)


if __name__ == "__main__":
    main()
