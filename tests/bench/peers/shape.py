# The shape of SmolLM2-135M with random weights, so that a peer needs no file; ../shape.ts has the same.
import torch
from transformers import LlamaConfig, LlamaForCausalLM


def random_smollm2(dtype):
    """The model in `dtype`, a name such as "bfloat16"; another seed is another model."""
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config).to(getattr(torch, dtype))
