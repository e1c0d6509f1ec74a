"""One PPO update of SVD-LoRA policy and critic on the checkpoint llama_tied, from PyTorch.

    python -P ppo.py          writes ppo.json beside this script

Responses of different lengths, each under its own preference, are scored along two dimensions,
aggregated (LS, and Tchebycheff with an ideal point), shaped by the KL penalty, estimated with GAE on
padded tensors with masks, whitened, and lead to the losses of policy (with PTX) and critic, and by
autograd to the gradients of all their parameters. Every sequence runs alone; everything is float64.

The critic: V = Σ_j [1, λ]_j · w_j·norm(h) at the position that predicts the token, h of an adapter
of its own. Parameters follow a formula, so that they need not be stored; those of the update
differ from those that drew the responses.
"""
import json
import os
from importlib.metadata import version

import torch
from transformers import AutoModelForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
RANK, OBJECTIVES, ALPHA = 3, 2, 20
MAPS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
        "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
SETTINGS = dict(klCoef=0.05, cliprange=0.2, cliprangeValue=0.1, rewardClip=2.0, gamma=0.97, lam=0.9,
                ptxCoef=0.7)
IDEAL_POINT = [2.5, 1.5]
ROWS = [
    dict(prompt=[1, 17, 5, 42], response=[63, 8, 11, 9, 2], preference=[0.3, 0.7],
         rewards=[0.5, -1.2]),
    dict(prompt=[7], response=[2], preference=[1.0, 0.0], rewards=[2.4, 0.1]),
    dict(prompt=[9, 9, 31, 60, 12, 3], response=[50, 51, 30], preference=[0.85, 0.15],
         rewards=[-0.4, 1.4]),
    dict(prompt=[33, 14], response=[5, 6, 7, 20, 21, 22, 2], preference=[0.0, 1.0],
         rewards=[1.0, -3.5]),
]
PTX = [dict(prompt=[4, 8, 15], response=[16, 23, 42, 2], preference=[0.3, 0.7]),
       dict(prompt=[40, 41], response=[10, 2], preference=[1.0, 0.0])]


def values_of(ordinal, shape, *, phase, moved):
    """0.3·sin(1 + 0.7·i + 0.9·k + phase), and what an earlier update added: 0.04·sin(2 + 1.1·i)"""
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    value = 0.3 * torch.sin(1 + 0.7 * i + 0.9 * ordinal + phase)
    if moved:
        value = value + 0.04 * torch.sin(2 + 1.1 * i)
    return value.reshape(shape).requires_grad_()


class Adapted(torch.nn.Module):
    def __init__(self, base, values, state):
        super().__init__()
        self.base, self.values, self.state = base, values, state

    def forward(self, x):
        V, U, sigma, s = self.values
        d = torch.cat([sigma, s * self.state["preference"]])
        return self.base(x) + ALPHA / (RANK + OBJECTIVES) * ((x @ V) * d) @ U


class Network:
    """llama_tied with an adapter (phase not None), under the preference that `state` holds."""

    def __init__(self, *, phase, moved=False):
        self.model = AutoModelForCausalLM.from_pretrained(
            os.path.join(HERE, "llama_tied"), dtype=torch.float64, attn_implementation="eager")
        self.model.requires_grad_(False)
        self.state = {"preference": None}
        self.adapted = phase is not None
        self.parameters = {}
        if not self.adapted:
            return
        for layer, block in enumerate(self.model.model.layers):
            for name in MAPS:
                parent, child = name.split(".")
                holder = getattr(block, parent)
                base, total = getattr(holder, child), RANK + OBJECTIVES
                shapes = [[base.in_features, total], [total, base.out_features], [RANK], [1]]
                values = [values_of(len(self.parameters) + i, shape, phase=phase, moved=moved)
                          for i, shape in enumerate(shapes)]
                setattr(holder, child, Adapted(base, values, self.state))
                for suffix, value in zip(["V", "U", "sigma", "s"], values):
                    self.parameters[f"model.layers.{layer}.{name}.{suffix}"] = value

    def _ids(self, row):
        self.state["preference"] = torch.tensor(row["preference"], dtype=torch.float64) \
            if self.adapted else None
        return torch.tensor([row["prompt"] + row["response"]])

    def log_probs(self, row):
        rows = torch.log_softmax(self.model(self._ids(row)).logits[0], -1)
        start = len(row["prompt"]) - 1
        return torch.stack([rows[start + t, token] for t, token in enumerate(row["response"])])

    def values(self, row, weight):
        hidden = self.model.model(self._ids(row)).last_hidden_state[0]  # after the final norm
        start = len(row["prompt"]) - 1
        each = hidden[start:start + len(row["response"])] @ weight.T  # (T, 1 + M)
        return each @ torch.tensor([1.0] + row["preference"], dtype=torch.float64)


def padded(lists):
    return torch.nn.utils.rnn.pad_sequence(lists, batch_first=True)


def masked_mean(x, mask):
    return (x * mask).sum() / mask.sum()


def gae(rewards, values, mask):
    gamma, lam = SETTINGS["gamma"], SETTINGS["lam"]
    advantages = torch.zeros_like(rewards)
    carried = torch.zeros(rewards.shape[0], dtype=torch.float64)
    for t in reversed(range(rewards.shape[1])):
        following = values[:, t + 1] * mask[:, t + 1] if t + 1 < rewards.shape[1] else 0.0
        delta = rewards[:, t] + gamma * following - values[:, t]
        carried = (delta + gamma * lam * carried) * mask[:, t]
        advantages[:, t] = carried
    return advantages, (advantages + values) * mask


def whitened(x, mask):
    mean = masked_mean(x, mask)
    variance = ((x - mean) ** 2 * mask).sum() / (mask.sum() - 1)
    return (x - mean) * torch.rsqrt(variance + 1e-8) * mask


def unpadded(x, mask):
    return [row[m.bool()].tolist() for row, m in zip(x.detach(), mask)]


def gradients_of(total, parameters):
    found = torch.autograd.grad(total, list(parameters.values()), retain_graph=True)
    return {name: {"norm": g.norm().item(),
                   "entries": {str(i): g.reshape(-1)[i].item()
                               for i in sorted({0, g.numel() // 3, g.numel() - 1})}}
            for name, g in zip(parameters, found)}


def main():
    reference = Network(phase=None)
    old_policy, policy = Network(phase=0.0), Network(phase=0.0, moved=True)
    old_critic, critic = Network(phase=0.4), Network(phase=0.4, moved=True)
    D = reference.model.config.hidden_size
    old_head = values_of(0, [1 + OBJECTIVES, D], phase=0.2, moved=False)
    head = values_of(0, [1 + OBJECTIVES, D], phase=0.2, moved=True)

    mask = padded([torch.ones(len(row["response"]), dtype=torch.float64) for row in ROWS])
    with torch.no_grad():
        reference_log_probs = padded([reference.log_probs(row) for row in ROWS])
        old_log_probs = padded([old_policy.log_probs(row) for row in ROWS])
        old_values = padded([old_critic.values(row, old_head) for row in ROWS])
    log_probs = padded([policy.log_probs(row) for row in ROWS])
    values = padded([critic.values(row, head) for row in ROWS])
    ptx_log_probs = [policy.log_probs(row) for row in PTX]

    scores = {
        "ls": [sum(w * r for w, r in zip(row["preference"], row["rewards"])) for row in ROWS],
        "tche": [-max(w * (z - r) for w, z, r in
                      zip(row["preference"], IDEAL_POINT, row["rewards"])) for row in ROWS],
    }
    out = {
        "versions": {name: version(name) for name in ("torch", "transformers")},
        "rank": RANK, "objectives": OBJECTIVES, "alpha": ALPHA, "settings": SETTINGS,
        "idealPoint": IDEAL_POINT, "rows": ROWS, "ptx": PTX,
        "referenceLogProbs": unpadded(reference_log_probs, mask),
        "oldLogProbs": unpadded(old_log_probs, mask), "oldValues": unpadded(old_values, mask),
        "logProbs": unpadded(log_probs, mask), "values": unpadded(values, mask),
        "ptxLogProbs": [x.tolist() for x in ptx_log_probs],
        "updates": {},
    }
    for kind, found in scores.items():
        clip = SETTINGS["rewardClip"]
        score = torch.tensor(found, dtype=torch.float64).clamp(-clip, clip)
        last = mask.sum(1).long() - 1
        rewards = -SETTINGS["klCoef"] * (old_log_probs - reference_log_probs) * mask
        rewards[torch.arange(len(ROWS)), last] += score
        advantages, returns = gae(rewards, old_values, mask)
        white = whitened(advantages, mask)

        ratio = torch.exp(log_probs - old_log_probs)
        eps = SETTINGS["cliprange"]
        surrogate = torch.min(ratio * white, ratio.clamp(1 - eps, 1 + eps) * white)
        policy_loss = -masked_mean(surrogate, mask)
        ptx_loss = -torch.cat(ptx_log_probs).mean()
        cap = SETTINGS["cliprangeValue"]
        bounded = torch.max(torch.min(values, old_values + cap), old_values - cap)
        value_loss = 0.5 * masked_mean(
            torch.max((values - returns) ** 2, (bounded - returns) ** 2), mask)

        policy_slopes = torch.autograd.grad(policy_loss, log_probs, retain_graph=True)[0]
        value_slopes = torch.autograd.grad(value_loss, values, retain_graph=True)[0]
        out["updates"][kind] = {
            "scores": score.tolist(),
            "rewards": unpadded(rewards, mask), "advantages": unpadded(advantages, mask),
            "returns": unpadded(returns, mask), "whitened": unpadded(white, mask),
            "policyLoss": policy_loss.item(), "ptxLoss": ptx_loss.item(),
            "valueLoss": value_loss.item(),
            "policySlopes": unpadded(policy_slopes, mask),
            "valueSlopes": unpadded(value_slopes, mask),
            "clippedRatios": int(((ratio - 1).abs() > eps).mul(mask).sum().item()),
            "clippedValues": int(((values - old_values).abs() > cap).mul(mask).sum().item()),
            "policyGradients": gradients_of(
                policy_loss + SETTINGS["ptxCoef"] * ptx_loss, policy.parameters),
            "criticGradients": gradients_of(value_loss, {
                **critic.parameters, "value_head.weight": head}),
        }
    with open(os.path.join(HERE, "ppo.json"), "w") as f:
        json.dump(out, f)


if __name__ == "__main__":
    main()
