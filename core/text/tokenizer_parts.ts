// The common form that every kind of model file is brought to before a tokenizer is made of it:
// the object that a tokenizer.json holds, the chat template and the named special tokens.
// Stands between the readers (huggingface_tokenizer, gguf_tokenizer) and tokenizer.ts.
import { z } from "zod";
import { InputError } from "../errors.ts";

const AddedToken = z.looseObject({
  id: z.number().int().nonnegative(),
  content: z.string().min(1),
  special: z.boolean().optional(),
  normalized: z.boolean().optional(),
});
export type AddedToken = z.infer<typeof AddedToken>;

/** What this project needs to find in a tokenizer.json; the rest is passed on as it stands. */
export const TokenizerJson = z.looseObject({
  added_tokens: z.array(AddedToken).default([]),
  normalizer: z.unknown().default(null),
  pre_tokenizer: z.unknown().default(null),
  post_processor: z.unknown().default(null),
  decoder: z.unknown().default(null),
  model: z.looseObject({
    type: z.enum(["BPE", "Unigram"]),
    vocab: z.custom<object>(isObject, "expected a vocabulary"),
  }),
});
export type TokenizerJson = z.infer<typeof TokenizerJson>;

/** A model's text files in the common form. */
export interface TokenizerParts {
  tokenizer: TokenizerJson;
  /** Jinja source; null where the model has none. */
  chatTemplate: string | null;
  /** Texts of the named special tokens, as templates read them: bos_token, eos_token … */
  specialTokens: Record<string, string>;
}

/** A node of tokenizer.json: `{type: "ByteLevel", …}`. */
export type Node = Record<string, unknown>;

/** Whether a value is an object, arrays included. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** GPT-2's split into words, numbers, signs and white space. */
export const gpt2Split =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** The pre-tokenizer that splits by a regular expression and then spells the bytes. */
export function byteLevelSplit(pattern: string): Node {
  return {
    type: "Sequence",
    pretokenizers: [
      { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false },
      { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
    ],
  };
}

/** Reads the object of a tokenizer.json; throws InputError naming the field that is wrong. */
export function parseTokenizerJson(value: unknown): TokenizerJson {
  if (value === null || value === undefined) {
    throw new InputError("Cannot open the tokenizer: expected a tokenizer.json, got none");
  }
  const parsed = TokenizerJson.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new InputError(
    `Cannot read tokenizer.json: expected its field ${
      issue?.path.join(".") || "model"
    } to be right, ` +
      `got "${issue?.message}"`,
  );
}

/**
 * Spells out what the JavaScript library reads in another way than the Rust one, which wrote the
 * file: `\s` in the ByteLevel pattern (U+0085, U+FEFF) and the split of Metaspace.
 */
export function spellOutPreTokenizer(node: unknown): unknown {
  if (!isObject(node)) return node;
  if (node.type === "Sequence" && Array.isArray(node.pretokenizers)) {
    return { ...node, pretokenizers: node.pretokenizers.map(spellOutPreTokenizer) };
  }
  if (node.type === "ByteLevel" && node.use_regex !== false && node.add_prefix_space !== true) {
    return byteLevelSplit(gpt2Split);
  }
  if (node.type === "Metaspace" && node.split !== false) {
    const mark = typeof node.replacement === "string" ? node.replacement : "▁";
    const word = { Regex: `${mark}?[^${mark}]+|${mark}` };
    const split = { type: "Split", pattern: word, behavior: "Isolated", invert: false };
    return { type: "Sequence", pretokenizers: [{ ...node, split: false }, split] };
  }
  return node;
}
