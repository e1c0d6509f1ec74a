"""llama_gguf/llama_cpp.gguf: the checkpoint llama_tied as llama.cpp loads one, for the tests of exports.

    python -P llama_cpp_base.py        writes llama_gguf/llama_cpp.gguf beside this script

The weights are those of llama_tied bit for bit (F32). llama_gguf/tied.gguf holds them too, but a
tokenizer without merges, which llama.cpp refuses. Made with gguf 0.19.0, torch 2.15.0, transformers
5.23.0.
"""
import os

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM

from logits import HERE, permute

model = AutoModelForCausalLM.from_pretrained(os.path.join(HERE, "llama_tied"), dtype=torch.float32)
config = model.config
writer = gguf.GGUFWriter(os.path.join(HERE, "llama_gguf", "llama_cpp.gguf"), "llama")
writer.add_name("golden")
writer.add_file_type(gguf.LlamaFileType.ALL_F32)
writer.add_context_length(config.max_position_embeddings)
writer.add_embedding_length(config.hidden_size)
writer.add_block_count(config.num_hidden_layers)
writer.add_feed_forward_length(config.intermediate_size)
writer.add_head_count(config.num_attention_heads)
writer.add_head_count_kv(config.num_key_value_heads)
writer.add_key_length(config.head_dim)
writer.add_value_length(config.head_dim)
writer.add_rope_dimension_count(config.head_dim)
writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
writer.add_layer_norm_rms_eps(config.rms_norm_eps)
writer.add_vocab_size(config.vocab_size)
writer.add_tokenizer_model("gpt2")
writer.add_tokenizer_pre("gpt-2")
writer.add_token_list([f"t{i}" for i in range(config.vocab_size)])
writer.add_token_types([gguf.TokenType.NORMAL] * config.vocab_size)
writer.add_token_merges(["t 0"])
writer.add_bos_token_id(1)
writer.add_eos_token_id(2)
names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
for name, tensor in model.state_dict().items():
    if name == "lm_head.weight":
        continue  # tied
    data = tensor.numpy()
    if name.endswith("q_proj.weight"):
        data = permute(data, config.num_attention_heads)
    if name.endswith("k_proj.weight"):
        data = permute(data, config.num_key_value_heads)
    writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), np.ascontiguousarray(data))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
