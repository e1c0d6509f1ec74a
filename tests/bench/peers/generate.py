# Greedy decoding with transformers, a peer of ours/generate.ts: a Llama of SmolLM2-135M's shape with
# random weights, so that it needs no file. Prints one JSON line of seconds per iteration:
#   token  median over the generated tokens of the time from one to the next (all rows together)
#   mean   the same as a mean
#   first  the prompt, up to the first token
# The first iteration warms up and is for the reader to leave out.
import argparse
import json
import statistics
import time

import torch
from shape import random_smollm2
from transformers import StoppingCriteria

arguments = argparse.ArgumentParser()
arguments.add_argument("--batch", type=int, required=True)
arguments.add_argument("--dtype", choices=["float32", "bfloat16"], required=True)
arguments.add_argument("--prompt", type=int, required=True, help="tokens of the prompt")
arguments.add_argument("--tokens", type=int, required=True, help="tokens to generate")
arguments.add_argument("--iterations", type=int, required=True)
arguments.add_argument("--threads", type=int, required=True)


class Clock(StoppingCriteria):
    """Asked after every token; never stops, only looks at the time."""

    def __init__(self):
        self.times = []

    def __call__(self, input_ids, scores, **kwargs):
        self.times.append(time.perf_counter())
        return torch.zeros(len(input_ids), dtype=torch.bool)


def main(args):
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    model = random_smollm2(args.dtype).eval()
    for _ in range(args.iterations):
        ids = torch.randint(0, model.config.vocab_size, (args.batch, args.prompt))
        clock = Clock()
        start = time.perf_counter()
        model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=args.tokens,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
            stopping_criteria=[clock],
        )
        times = clock.times
        gaps = [after - before for before, after in zip(times, times[1:])]
        figures = {
            "token": statistics.median(gaps),
            "mean": statistics.mean(gaps),
            "first": times[0] - start,
        }
        print(json.dumps(figures), flush=True)


main(arguments.parse_args())
