// The tokenizer of a GGUF file as the files of a Hugging Face folder: tokenizer.json and
// tokenizer_config.json, so that a model trained from a GGUF file opens everywhere. Ids are the same
// (tests/core/text/tokenizer_files_test.ts).
import { ggufParts } from "./gguf_tokenizer.ts";

/**
 * tokenizer.json and tokenizer_config.json of a GGUF file's metadata, as text. Throws InputError
 * where it cannot be understood.
 */
export function ggufTextFiles(metadata: Record<string, unknown>): Record<string, string> {
  const { tokenizer, specialTokens, chatTemplate } = ggufParts(metadata);
  const { added_tokens, model, ...parts } = tokenizer;
  const json = {
    version: "1.0",
    truncation: null,
    padding: null,
    // the library that wrote this format asks for every field of it
    added_tokens: added_tokens.map((token) => ({
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: false,
      ...token,
    })),
    ...parts,
    model: {
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ...model,
    },
  };
  const config = {
    tokenizer_class: "PreTrainedTokenizerFast",
    ...specialTokens,
    clean_up_tokenization_spaces: false,
    ...chatTemplate !== null && { chat_template: chatTemplate },
  };
  return {
    "tokenizer.json": JSON.stringify(json) + "\n",
    "tokenizer_config.json": JSON.stringify(config, null, 2) + "\n",
  };
}
