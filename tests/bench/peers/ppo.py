# One iteration of PPO with transformers' generate and PEFT, the peer of ../ours/ppo_iteration.ts: a
# Llama of SmolLM2-135M's shape with random weights, frozen, under two LoRA adapters of rank 10 on every
# linear map: the policy, and the critic with its value head. The reference is the base without
# adapter; its pass also feeds two reward heads, one a dimension. Prompts are sampled to their full
# length; one update over all of them. Prints one JSON line per iteration, seconds but for `tokens`:
#   rollout  the responses, with --merged from weights that the policy was merged into
#   scoring  log-probabilities of policy and reference, values and rewards, without gradients
#   update   policy and critic: losses, gradients and AdamW
#   total    all of it, shaped rewards and advantages included
#   tokens   tokens that were sampled
# The first iteration warms up and is for the reader to leave out.
import argparse
import json
import time

import torch
from peft import LoraConfig, get_peft_model
from shape import random_smollm2
from torch.nn.functional import log_softmax

KL_COEF, CLIP_RANGE, CLIP_RANGE_VALUE, REWARD_CLIP = 0.02, 0.2, 5, 50
GAMMA, LAMBDA = 1, 0.95
PREFERENCE = torch.tensor([0.5, 0.5])
MAPS = "q_proj k_proj v_proj o_proj gate_proj up_proj down_proj".split()

arguments = argparse.ArgumentParser()
arguments.add_argument("--batch", type=int, required=True, help="prompts")
arguments.add_argument("--dtype", choices=["float32", "bfloat16"], required=True)
arguments.add_argument("--prompt", type=int, required=True, help="tokens of a prompt")
arguments.add_argument("--tokens", type=int, required=True, help="tokens to generate")
arguments.add_argument("--iterations", type=int, required=True)
arguments.add_argument("--threads", type=int, required=True)
arguments.add_argument("--merged", action="store_true")


def main(args):
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    base = random_smollm2(args.dtype)
    lora = LoraConfig(r=10, target_modules=MAPS, task_type="CAUSAL_LM")
    model = get_peft_model(base, lora, adapter_name="policy")
    model.add_adapter("critic", lora)
    heads = {
        "value": torch.nn.Linear(model.config.hidden_size, 1),
        "reward": torch.nn.Linear(model.config.hidden_size, len(PREFERENCE)).requires_grad_(False),
    }
    trained = {
        "policy": [p for name, p in model.named_parameters() if ".policy." in name],
        "critic": [p for name, p in model.named_parameters() if ".critic." in name],
    }
    optimizers = [
        torch.optim.AdamW(trained["policy"], lr=1e-4),
        torch.optim.AdamW([*trained["critic"], *heads["value"].parameters()], lr=1e-4),
    ]
    for _ in range(args.iterations):
        prompts = torch.randint(0, model.config.vocab_size, (args.batch, args.prompt))
        start = time.perf_counter()
        ids = roll_out(model, prompts, args)
        rolled_out = time.perf_counter()
        batch = score(model, heads, ids, args.tokens)
        scored = time.perf_counter()
        advantages, returns = estimate(batch)
        prepared = time.perf_counter()
        update(model, heads["value"], ids, {**batch, "advantages": advantages, "returns": returns})
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        end = time.perf_counter()
        figures = {
            "total": end - start,
            "rollout": rolled_out - start,
            "scoring": scored - rolled_out,
            "update": end - prepared,
            "tokens": args.batch * (ids.shape[1] - args.prompt),
        }
        print(json.dumps(figures), flush=True)


def roll_out(model, prompts, args):
    """Prompts and their responses (B, T)."""
    model.set_adapter("policy")
    model.eval()
    if args.merged:
        model.merge_adapter(["policy"])
    ids = model.generate(
        input_ids=prompts,
        attention_mask=torch.ones_like(prompts),
        max_new_tokens=args.tokens,
        do_sample=True,
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        eos_token_id=None,
        pad_token_id=0,
    )
    if args.merged:
        model.unmerge_adapter()
    model.train()
    return ids


@torch.no_grad()
def score(model, heads, ids, count):
    with model.disable_adapter():
        hidden = states(model, ids)
        reference = log_probs(model, hidden, ids, count)
        rewards = heads["reward"](hidden[:, -1].float())  # (B, M)
    model.set_adapter("policy")
    old = log_probs(model, states(model, ids), ids, count)
    model.set_adapter("critic")
    values = state_values(heads["value"], states(model, ids), count)
    return {"reference": reference, "old": old, "values": values, "rewards": rewards}


def estimate(batch):
    """Advantages, whitened, and returns (B, count) of rewards shaped by the KL."""
    rewards = -KL_COEF * (batch["old"] - batch["reference"])
    rewards[:, -1] += (batch["rewards"] @ PREFERENCE).clamp(-REWARD_CLIP, REWARD_CLIP)
    values = batch["values"]
    advantages = torch.zeros_like(values)
    following, advantage = torch.zeros(len(values)), torch.zeros(len(values))
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + GAMMA * following - values[:, t]
        advantage = delta + GAMMA * LAMBDA * advantage
        advantages[:, t] = advantage
        following = values[:, t]
    returns = advantages + values
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8), returns


def update(model, value_head, ids, batch):
    """Gradients of the clipped losses into policy and critic."""
    old, values, returns = batch["old"], batch["values"], batch["returns"]
    count = old.shape[1]
    model.set_adapter("policy")
    ratio = (log_probs(model, states(model, ids), ids, count) - old).exp()
    clipped = ratio.clamp(1 - CLIP_RANGE, 1 + CLIP_RANGE)
    (-torch.minimum(ratio * batch["advantages"], clipped * batch["advantages"])).mean().backward()
    model.set_adapter("critic")
    new = state_values(value_head, states(model, ids), count)
    bounded = values + (new - values).clamp(-CLIP_RANGE_VALUE, CLIP_RANGE_VALUE)
    (0.5 * torch.maximum((new - returns) ** 2, (bounded - returns) ** 2)).mean().backward()


def states(model, ids):
    """Hidden states after the last norm (B, T, D)."""
    return model.get_base_model().model(input_ids=ids, use_cache=False).last_hidden_state


def log_probs(model, hidden, ids, count):
    """Log-probabilities of the last `count` tokens (B, count)."""
    logits = model.get_base_model().lm_head(hidden[:, -count - 1 : -1])
    chosen = ids[:, -count:, None]
    return log_softmax(logits.float(), -1).gather(2, chosen).squeeze(-1)


def state_values(head, hidden, count):
    """Values before each of the last `count` tokens (B, count)."""
    return head(hidden[:, -count - 1 : -1].float()).squeeze(-1)


main(arguments.parse_args())
