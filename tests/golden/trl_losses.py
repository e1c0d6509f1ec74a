"""Losses of pairs from Hugging Face TRL's own code, with their gradients by the log-probabilities.

    python trl_losses.py         writes trl_losses.json beside this script

Models and adapter are those of trl_dpo.py. Its pairs (all of policy.py's, response 0 or 1 preferred
by turns) go through DPOTrainer for the losses that it has; the model's log-probabilities are cut from
the graph there, so that the gradient of the loss is by them. SimPO and conservative DPO are
CPOTrainer's, on means over tokens of log π, and on sums of log π/π_ref in place of log π.
"""
import json
import os
import tempfile
from importlib.metadata import version
from types import SimpleNamespace

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer
from trl.experimental.cpo import CPOTrainer

from policy import HERE, PAIRS
from trl_dpo import fold, load

BETAS = {"sigmoid": 0.5, "hinge": 0.7, "ipo": 0.2}
CPO = [
    dict(loss_type="simpo", beta=2.0, simpo_gamma=0.5, label_smoothing=0.0),
    dict(loss_type="simpo", beta=0.7, simpo_gamma=1.5, label_smoothing=0.2),
    dict(loss_type="sigmoid", beta=0.5, simpo_gamma=0.0, label_smoothing=0.1),
]


class CutModel:
    """The policy with its log-probabilities as leaves of the graph."""

    def __init__(self, model):
        self.model, self.training, self.leaf = model, False, None

    def __call__(self, **inputs):
        with torch.no_grad():
            outputs = self.model(**inputs)
        self.leaf = outputs.log_probs = outputs.log_probs.detach().requires_grad_()
        return outputs


def prepare(folder, rows, loss_type, beta, policy, reference):
    words = Tokenizer(models.WordLevel({f"<{i}>": i for i in range(64)}, unk_token="<0>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<2>", pad_token="<0>")
    return DPOTrainer(
        model=policy, ref_model=reference, processing_class=tokenizer,
        train_dataset=Dataset.from_list(rows),
        args=DPOConfig(output_dir=folder, beta=beta, loss_type=loss_type, bf16=False, report_to=[],
                       per_device_train_batch_size=len(rows), use_cpu=True,
                       gradient_checkpointing=False, disable_dropout=True))


def text(ids):
    return "".join(f" <{i}>" for i in ids)


def dpo_cases(rows, policy, reference):
    cases, scores = [], None
    for loss_type, beta in BETAS.items():
        with tempfile.TemporaryDirectory() as folder:
            trainer = prepare(folder, rows, loss_type, beta, policy, reference)
            batch = trainer.data_collator(list(trainer.train_dataset))
            policy.eval()
            cut = CutModel(policy)
            loss = trainer._compute_loss(cut, batch, False)
            gradient, = torch.autograd.grad(loss, cut.leaf)
            mask = batch["completion_mask"][:, 1:].bool()
            if scores is None:
                with torch.no_grad():
                    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
                    kept = {k: batch[k] for k in ("input_ids", "attention_mask")}
                    known = reference(**kept, labels=labels, fused_lm_head=True).log_probs
                scores = {"policy": cut.leaf.detach().sum(1), "reference": known.sum(1),
                          "tokens": mask.sum(1)}
            # every token of a response has the same gradient, that of their sum
            per_sequence = (gradient * mask).sum(1) / mask.sum(1)
            cases.append(dict(loss_type=loss_type, beta=beta, label_smoothing=0.0, simpo_gamma=0.0,
                              loss=loss.item(), gradient=per_sequence.tolist()))
    return cases, scores


def cpo_cases(scores):
    cases = []
    for case in CPO:
        sums = scores["policy"].double().requires_grad_()
        if case["loss_type"] == "simpo":
            rewards = sums / scores["tokens"]
        else:
            rewards = sums - scores["reference"].double()
        settings = SimpleNamespace(alpha=0.0, accelerator=SimpleNamespace(device="cpu"), **case)
        chosen, rejected = rewards.chunk(2)
        loss = CPOTrainer.cpo_loss(settings, chosen, rejected)[0].mean()
        gradient, = torch.autograd.grad(loss, sums)
        cases.append(dict(**case, loss=loss.item(), gradient=gradient.tolist()))
    return cases


def main():
    policy, reference = load(), load()
    fold(policy)
    rows = [{"prompt": text(pair["prompt"]).strip(),
             "chosen": text(pair["responses"][p % 2]), "rejected": text(pair["responses"][1 - p % 2])}
            for p, pair in enumerate(PAIRS)]
    cases, scores = dpo_cases(rows, policy, reference)
    out = {
        "versions": {name: version(name) for name in ("torch", "transformers", "trl")},
        # of all preferred responses, then of all others
        **{name: values.tolist() for name, values in scores.items()},
        "cases": cases + cpo_cases(scores),
    }
    with open(os.path.join(HERE, "trl_losses.json"), "w") as f:
        json.dump(out, f)


if __name__ == "__main__":
    main()
