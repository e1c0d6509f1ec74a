"""DPO loss of Hugging Face TRL's own trainer, for a policy that differs from its reference.

    python trl_dpo.py            writes trl_dpo.json beside this script

Reference: the checkpoint llama_tied. Policy: the same with the adapter of policy.py folded into its
weights for the preference (1, 0). The pairs are those of policy.py that dimension 0 labels, as text
of a word-level tokenizer whose word <17> is the id 17, so that TRL's own preparation runs on them.
"""
import json
import os
import tempfile
from importlib.metadata import version

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

from policy import ALPHA, BETA, HERE, MAPS, OBJECTIVES, PAIRS, RANK, parameter_values

PREFERENCE = [1.0, 0.0]


def load():
    return AutoModelForCausalLM.from_pretrained(
        os.path.join(HERE, "llama_tied"), dtype=torch.float32, attn_implementation="eager")


def fold(model):
    ordinal = 0
    for block in model.model.layers:
        for name in MAPS:
            linear = block.get_submodule(name)
            total = RANK + OBJECTIVES
            shapes = [[linear.in_features, total], [total, linear.out_features], [RANK], [1]]
            V, U, sigma, s = [parameter_values(ordinal + i, shape).detach()
                              for i, shape in enumerate(shapes)]
            ordinal += 4
            d = torch.cat([sigma, s * torch.tensor(PREFERENCE, dtype=torch.float64)])
            linear.weight.data += (ALPHA / total * (V * d) @ U).T.to(torch.float32)


def main():
    policy, reference = load(), load()
    fold(policy)
    words = Tokenizer(models.WordLevel({f"<{i}>": i for i in range(64)}, unk_token="<0>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<2>", pad_token="<0>")

    def text(ids):
        return "".join(f" <{i}>" for i in ids)

    used = [pair for pair in PAIRS if pair["better"][0] is not None]
    rows = [{"prompt": text(pair["prompt"]).strip(),
             "chosen": text(pair["responses"][pair["better"][0]]),
             "rejected": text(pair["responses"][1 - pair["better"][0]])} for pair in used]
    with tempfile.TemporaryDirectory() as folder:
        trainer = DPOTrainer(
            model=policy, ref_model=reference, processing_class=tokenizer,
            train_dataset=Dataset.from_list(rows),
            args=DPOConfig(output_dir=folder, beta=BETA, per_device_train_batch_size=len(rows),
                           report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False,
                           disable_dropout=True))
        batch = trainer.data_collator(list(trainer.train_dataset))
        policy.eval()
        with torch.no_grad():
            loss = trainer.compute_loss(policy, batch)
        metrics = {name: values[-1] for name, values in trainer._metrics["eval"].items()}
    out = {
        "versions": {name: version(name) for name in ("torch", "transformers", "trl")},
        "preference": PREFERENCE,
        "loss": loss.item(),
        "metrics": {name: float(value) for name, value in metrics.items()},
    }
    with open(os.path.join(HERE, "trl_dpo.json"), "w") as f:
        json.dump(out, f)


if __name__ == "__main__":
    main()
