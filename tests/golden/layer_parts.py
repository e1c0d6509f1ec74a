"""Golden values of core/models/{norm,gates,softmax_attention}.ts and their gradients, by PyTorch's
autograd in float64. Run:  python layer_parts.py > layer_parts.json"""
import json
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def waves(*shape, phase):
    n = 1
    for side in shape:
        n *= side
    return torch.sin(0.37 * torch.arange(n) + phase).reshape(shape).clone().requires_grad_()


def case(inputs, value):
    out = value(*inputs)
    (out * waves(*out.shape, phase=9).detach()).sum().backward()
    step = max(1, out.numel() // 50)
    return {
        "value": out.detach().flatten()[::step].tolist(),
        "gradients": [x.grad.flatten()[:: max(1, x.numel() // 50)].tolist() for x in inputs],
    }


def rms_norm(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * weight


def attention(cap):
    def run(q, k, v):  # (B, K, G, T, d), (B, K, T, d)
        scores = torch.einsum("bkgtd,bksd->bkgts", q, k)
        if cap is not None:
            scores = cap * torch.tanh(scores / cap)
        length = q.shape[3]
        # Two sequences in a row: one of 50 tokens, and the rest.
        at = torch.arange(length)
        seen = (at[None, :] <= at[:, None]) & ((at[None, :] < 50) == (at[:, None] < 50))
        weights = scores.masked_fill(~seen, float("-inf")).softmax(-1)
        return torch.einsum("bkgts,bksd->bkgtd", weights, v)

    return run


def heads(length):
    return [
        waves(2, 2, 3, length, 4, phase=0),
        waves(2, 2, length, 4, phase=1),
        waves(2, 2, length, 4, phase=2),
    ]


print(json.dumps({
    "versions": {"torch": torch.__version__},
    "rmsNorm": case([waves(5, 8, phase=0), waves(8, phase=1)], rms_norm),
    "silu": case([waves(5, 8, phase=0), waves(5, 8, phase=1)], lambda g, u: F.silu(g) * u),
    "gelu_tanh": case(
        [waves(5, 8, phase=0), waves(5, 8, phase=1)],
        lambda g, u: F.gelu(g, approximate="tanh") * u,
    ),
    "attention": {
        str(length): {
            str(cap): case(heads(length), attention(cap)) for cap in (None, 0.8)
        } for length in (60, 150, 270)
    },
}))
