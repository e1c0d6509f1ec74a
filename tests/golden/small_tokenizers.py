"""Small tokenizers and their ids by transformers, for tests/core/text/*_test.ts.

Usage: python small_tokenizers.py > small_tokenizers.json
Two vocabularies are trained on the texts below: a sentencepiece-like one (as Llama 2) and a
byte-level one (as Llama 3, SmolLM2). Each is written as a folder and as the metadata of a GGUF file,
loaded with AutoTokenizer, and asked for ids.
"""

import json
import os
import re
import tempfile

import gguf
import numpy
import tokenizers
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

TRAINING = [
    "The river runs north, and the bridge over the river is older than the town.",
    "How do I boil an egg? Put the egg in boiling water for 7 minutes, then cool it.",
    "Write a short letter to the mayor about the bridge. Dear mayor, the bridge is old.",
    "In 1999 there were 12 boats; in 2024 there are 340 boats on the river.",
    "[INST] How old is the town? [/INST] The town is 800 years old.",
    "user assistant system Question Answer Hello there, how are you today?",
]
TEXTS = [
    "Hello there, how old is the bridge?",
    " leading blank and  two blanks",
    "line\n\n12 boats\n 340 boats\n",
    "<s>[INST] How old? [/INST] 800 years </s>",
    "<s>[INST] a [/INST] b</s><s>[INST] c [/INST]",
    "<|user|>\nHow?</s>\n<|assistant|>\nSo</s>\n",
    "caf\u00e9 \u2014 \U0001f389 \u0085 \ufeff.",
    "<think>plain</think>",
    "",
]
SPECIAL = ["<unk>", "<s>", "</s>"]


def sentencepiece():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=SPECIAL + ["<0x%02X>" % byte for byte in range(256)],
        show_progress=False,
    )
    tokenizer.train_from_iterator(TRAINING, trainer)
    tokenizer.pre_tokenizer = None
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return described(tokenizer)


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TRAINING, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    return described(tokenizer)


def described(tokenizer):
    value = json.loads(tokenizer.to_str())
    value["added_tokens"] = [
        {"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False}
        | {"normalized": False, "special": True}
        for i, text in enumerate(SPECIAL)
    ]
    return value


def config(tokenizer_class, **settings):
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return {"tokenizer_class": tokenizer_class, **names, **settings}


def ids(tokenizer):
    return [tokenizer(text, add_special_tokens=False).input_ids for text in TEXTS]


def folder_case(name, base, tokenizer_config, changes=None):
    with tempfile.TemporaryDirectory() as folder:
        for file, value in [
            ("tokenizer.json", {**bases[base], **(changes or {})}),
            ("tokenizer_config.json", tokenizer_config),
            ("config.json", {"model_type": "llama"}),
        ]:
            with open(os.path.join(folder, file), "w") as f:
                json.dump(value, f)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        return {
            "name": name,
            "base": base,
            "changes": changes or {},
            "config": tokenizer_config,
            "ids": ids(tokenizer),
        }


def gguf_case(name, base, **fields):
    """Metadata with the vocabulary of `base`; the two that transformers derives are left out."""
    vocab = sorted(bases[base]["model"]["vocab"].items(), key=lambda item: item[1])
    tokens = [token for token, _ in vocab] + fields.get("more", []) + ["<think>"]
    types = [3 if token in SPECIAL else 1 for token in tokens[:-1]] + [4]
    types = [4 if token in fields.get("more", []) else k for token, k in zip(tokens, types)]
    types = [6 if re.match(r"<0x..>$", t) else k for t, k in zip(tokens, types)]
    metadata = {
        "tokenizer.ggml.model": fields["model"],
        "tokenizer.ggml.pre": fields.get("pre", "default"),
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
    }
    arch = fields.get("arch", "llama")
    if arch != "llama":
        metadata["general.architecture"] = arch  # which the writer writes by itself
    if fields["model"] == "llama":
        metadata["tokenizer.ggml.scores"] = [0.0 if i < 259 else -float(i) for i in range(len(tokens))]
    else:
        metadata["tokenizer.ggml.merges"] = [" ".join(m) for m in bases[base]["model"]["merges"]]
    with tempfile.TemporaryDirectory() as folder:
        writer = gguf.GGUFWriter(os.path.join(folder, "tiny.gguf"), arch)
        writer.add_block_count(1)
        writer.add_context_length(64)
        writer.add_embedding_length(8)
        writer.add_feed_forward_length(8)
        writer.add_head_count(1)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_vocab_size(len(tokens))
        for key, value in metadata.items():
            if key == "general.architecture":
                continue
            if isinstance(value, list):
                writer.add_array(key, value)
            elif isinstance(value, str):
                writer.add_string(key, value)
            else:
                writer.add_uint32(key, value)
        writer.add_tensor("token_embd.weight", numpy.zeros((len(tokens), 8), numpy.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, gguf_file="tiny.gguf")
    return {"name": name, "metadata": metadata, "ids": ids(tokenizer)}


TEMPLATES = {
    "ChatML": "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are helpful<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "Llama 2": "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "Llama 3": "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
    "Zephyr": "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}",
}
DIALOGUES = [
    [["user", "How old is the town?"]],
    [["user", " How old? "], ["assistant", "800 years\n"], ["user", "And the bridge?"]],
    [["system", "Be short."], ["user", "Hello"], ["assistant", "Hello there"]],
]


def template_case(name, template):
    """The texts that a template writes, through transformers' apply_chat_template."""
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(bases["byte_level"])),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        chat_template=template,
    )
    dialogues = []
    for turns in DIALOGUES:
        messages = [{"role": role, "content": content} for role, content in turns]
        generate = turns[-1][0] == "user"
        text = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=generate
        )
        dialogues.append({"messages": messages, "addGenerationPrompt": generate, "text": text})
    return {"name": name, "template": template, "dialogues": dialogues}


def compact(value, indent="\n"):
    """JSON with one list of numbers, texts or pairs a line."""
    inner = indent + " "
    if isinstance(value, dict) and value and any(isinstance(v, (dict, list)) for v in value.values()):
        items = [f"{json.dumps(k)}: {compact(v, inner)}" for k, v in value.items()]
        return "{" + inner + ("," + inner).join(items) + indent + "}"
    if isinstance(value, list) and any(isinstance(v, dict) or len(str(v)) > 100 for v in value):
        return "[" + inner + ("," + inner).join(compact(v, inner) for v in value) + indent + "]"
    return json.dumps(value)


bases = {"sentencepiece": sentencepiece(), "byte_level": byte_level()}
metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": True}
llama3 = GGUF_PRE_TOKENIZER_SPLITS["llama-bpe"]
split = pre_tokenizers.Sequence(
    [
        pre_tokenizers.Split(Regex(llama3), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
)
split = json.loads(split.__getstate__())
result = {
    "versions": {
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
        "gguf": __import__("importlib.metadata").metadata.version("gguf"),
    },
    "texts": TEXTS,
    "bases": bases,
    "templates": [template_case(name, template) for name, template in TEMPLATES.items()],
    "folders": [
        folder_case("Llama 2", "sentencepiece", config("LlamaTokenizer", legacy=False)),
        folder_case("Llama 2, legacy", "sentencepiece", config("LlamaTokenizerFast", legacy=True)),
        folder_case(
            "no blank first", "sentencepiece", config("LlamaTokenizer", add_prefix_space=False)
        ),
        folder_case("plain class", "sentencepiece", config("PreTrainedTokenizerFast")),
        folder_case(
            "Metaspace that splits",
            "sentencepiece",
            config("PreTrainedTokenizerFast"),
            {"normalizer": None, "pre_tokenizer": metaspace},
        ),
        folder_case("SmolLM2", "byte_level", config("GPT2Tokenizer")),
        folder_case("single digits", "byte_level", config("PreTrainedTokenizerFast")),
        folder_case(
            "Llama 3", "byte_level", config("PreTrainedTokenizerFast"), {"pre_tokenizer": split}
        ),
        folder_case(
            "Llama 3 that calls itself Llama",
            "byte_level",
            config("LlamaTokenizerFast"),
            {"pre_tokenizer": split},
        ),
    ],
    "ggufs": [
        gguf_case("sentencepiece", "sentencepiece", model="llama"),
        gguf_case("gemma", "sentencepiece", model="llama", arch="gemma2", more=["  ", "   "]),
        gguf_case("phi3", "sentencepiece", model="llama", arch="phi3"),
        gguf_case("smollm", "byte_level", model="gpt2", pre="smollm"),
        gguf_case("llama-bpe", "byte_level", model="gpt2", pre="llama-bpe"),
        gguf_case("qwen2", "byte_level", model="gpt2", pre="qwen2"),
        gguf_case("tekken", "byte_level", model="gpt2", pre="tekken"),
    ],
}
print(compact(result))
