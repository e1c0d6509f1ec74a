// The tokenizer of a GGUF file, rebuilt from its metadata: byte-level BPE (`gpt2`) and
// sentencepiece BPE (`llama`). Ids equal those of transformers 5 (integrations/gguf/
// gguf_tokenizer_mapping.py, v5.23.0), its simplifications included, because models, peers and
// golden files are compared through it:
// - `pre = smollm` is split as GPT-2. The model was trained on single digits; the two differ where
//   two or more white-space characters stand before a digit ("\n\n1" is \n \n 1 here, \n\n 1 there).
// - `add_space_prefix` and Llama 3's "whole word before merges" are not read.
import { z } from "zod";
import { InputError } from "../errors.ts";
import {
  type AddedToken,
  byteLevelSplit,
  gpt2Split,
  type Node,
  type TokenizerJson,
  type TokenizerParts,
} from "./tokenizer_parts.ts";

const id = z.union([z.number(), z.bigint()]).transform(Number).optional();

const GgufText = z.looseObject({
  "general.architecture": z.string().default("llama"),
  "tokenizer.ggml.model": z.string(),
  "tokenizer.ggml.pre": z.string().default("default"),
  "tokenizer.ggml.tokens": z.array(z.string()).min(1),
  "tokenizer.ggml.token_type": z.array(z.number()).default([]),
  "tokenizer.ggml.scores": z.array(z.number()).optional(),
  "tokenizer.ggml.merges": z.array(z.string()).optional(),
  "tokenizer.ggml.bos_token_id": id,
  "tokenizer.ggml.eos_token_id": id,
  "tokenizer.ggml.unknown_token_id": id,
  "tokenizer.ggml.padding_token_id": id,
  "tokenizer.chat_template": z.string().nullish(),
});
type GgufText = z.infer<typeof GgufText>;

const control = 3; // token types of llama.cpp
const userDefined = 4;

/**
 * The common form of a GGUF file's tokenizer metadata.
 * Throws InputError where a field is missing or malformed, or the kind of tokenizer is not known.
 */
export function ggufParts(metadata: Record<string, unknown>): TokenizerParts {
  const parsed = GgufText.safeParse(metadata);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new InputError(
      `Cannot read the tokenizer of the GGUF file: expected its field ${
        issue?.path[0]?.toString()
      } ` +
        `to be right, got "${issue?.message}"`,
    );
  }
  const text = parsed.data;
  const kind = text["tokenizer.ggml.model"];
  const build = Object.hasOwn(builders, kind) ? builders[kind] : undefined;
  if (!build) {
    throw new InputError(
      `Cannot read the tokenizer of the GGUF file: expected the model ` +
        `${Object.keys(builders).join(" or ")}, got ${kind}`,
    );
  }
  return {
    tokenizer: build(text),
    chatTemplate: text["tokenizer.chat_template"] ?? null,
    specialTokens: namedTokens(text),
  };
}

const builders: Record<string, (text: GgufText) => TokenizerJson> = {
  gpt2: byteLevel,
  llama: sentencePiece,
};

const llama3Split =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const qwen2Split =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const tekkenSplit =
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** How `tokenizer.ggml.pre` splits text: a wrong split costs accuracy without any sign of it. */
const splits: Record<string, string> = {
  ...named(["default", "gpt-2", "phi-2", "olmo", "mpt"], gpt2Split),
  ...named(["smollm", "starcoder", "refact", "command-r", "codeshell"], gpt2Split),
  ...named(["llama3", "llama-v3", "llama-bpe", "falcon3", "dbrx", "smaug-bpe"], llama3Split),
  ...named(["qwen2", "deepseek-r1-qwen"], qwen2Split),
  tekken: tekkenSplit,
};

function named(names: string[], split: string): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, split]));
}

function byteLevel(text: GgufText): TokenizerJson {
  const pre = text["tokenizer.ggml.pre"];
  const split = Object.hasOwn(splits, pre) ? splits[pre] : undefined;
  if (split === undefined) {
    throw new InputError(
      `Cannot read the tokenizer of the GGUF file: expected the pre-tokenizer ` +
        `${Object.keys(splits).join(", ")}, got ${pre}`,
    );
  }
  const spelling = byteSpelling();
  const letters = new Set(spelling);
  const spelled = (token: string) => Array.from(token).every((letter) => letters.has(letter));
  const encoder = new TextEncoder();
  const tokens = text["tokenizer.ggml.tokens"].map((token) =>
    spelled(token)
      ? token
      : Array.from(encoder.encode(token), (byte) => spelling[byte] ?? "").join("")
  );
  return {
    added_tokens: addedTokens(text, tokens),
    normalizer: null,
    pre_tokenizer: byteLevelSplit(split),
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      vocab: vocabulary(tokens),
      merges: (text["tokenizer.ggml.merges"] ??
        mergesFromScores(text["tokenizer.ggml.tokens"], text["tokenizer.ggml.scores"])).map(pair),
    },
  };
}

function sentencePiece(text: GgufText): TokenizerJson {
  const architecture = text["general.architecture"];
  const kind = Object.hasOwn(sentencePieces, architecture)
    ? sentencePieces[architecture]
    : undefined;
  const { prefix, normalizer, pre_tokenizer, ...own } = kind ?? plainPiece;
  const tokens = own.tokens(text["tokenizer.ggml.tokens"]);
  return {
    added_tokens: addedTokens(text, tokens),
    normalizer,
    pre_tokenizer,
    post_processor: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...prefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : [],
      ],
    },
    model: {
      type: "BPE",
      unk_token: tokens[text["tokenizer.ggml.unknown_token_id"] ?? 0],
      fuse_unk: true,
      byte_fallback: true,
      vocab: vocabulary(tokens),
      merges: (text["tokenizer.ggml.merges"] ?? mergesFromScores(tokens, own.order(text))).map(
        pair,
      ),
    },
  };
}

/** What a GGUF file does not tell of a sentencepiece tokenizer, by architecture. */
interface SentencePiece {
  /** Tokens as they are looked up. */
  tokens(stored: string[]): string[];
  /** Scores that tell which merge comes first. */
  order(text: GgufText): number[] | undefined;
  /** Whether texts get a blank in front, which decoding takes away. */
  prefix: boolean;
  normalizer: Node | null;
  pre_tokenizer: Node | null;
}

const blanksAsMarks: Node = { type: "Replace", pattern: { String: " " }, content: "▁" };

const plainPiece: SentencePiece = {
  tokens: (stored) => stored,
  order: (text) => text["tokenizer.ggml.scores"],
  prefix: true,
  normalizer: null,
  pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "first", split: false },
};

/** Gemma: no blank in front, tokens of blanks stored as such, merges in the order of the tokens. */
const gemmaPiece: SentencePiece = {
  tokens: (stored) => stored.map((token) => /^ +$/.test(token) ? "▁".repeat(token.length) : token),
  order: (text) => text["tokenizer.ggml.tokens"].map((_, index) => -index),
  prefix: false,
  normalizer: blanksAsMarks,
  pre_tokenizer: null,
};

const sentencePieces: Record<string, SentencePiece> = {
  gemma2: gemmaPiece,
  gemma3: gemmaPiece,
  phi3: {
    ...plainPiece,
    normalizer: {
      type: "Sequence",
      normalizers: [{ type: "Prepend", prepend: "▁" }, blanksAsMarks],
    },
    pre_tokenizer: null,
  },
};

function pair(merge: string | [string, string]): [string, string] {
  if (typeof merge !== "string") return merge;
  const [left = "", right = ""] = merge.split(" ");
  return [left, right];
}

function vocabulary(tokens: string[]): Record<string, number> {
  return Object.fromEntries(tokens.map((token, index) => [token, index]));
}

/**
 * The tokens that are matched whole in a text: control tokens, user-defined ones and the named
 * special ones. A token whose spelling was changed (a control token outside the byte alphabet) is
 * a mislabel of the converter and stays an ordinary token.
 */
function addedTokens(text: GgufText, spelled: string[]): AddedToken[] {
  const names = new Set(Object.values(namedTokens(text)));
  return text["tokenizer.ggml.tokens"].flatMap((content, index) => {
    const type = text["tokenizer.ggml.token_type"][index];
    const special = type === control || names.has(content);
    if (content === "" || content !== spelled[index] || !(special || type === userDefined)) {
      return [];
    }
    return [{ id: index, content, special, normalized: false }];
  });
}

function namedTokens(text: GgufText): Record<string, string> {
  const ids = {
    bos_token: text["tokenizer.ggml.bos_token_id"],
    eos_token: text["tokenizer.ggml.eos_token_id"],
    unk_token: text["tokenizer.ggml.unknown_token_id"],
    pad_token: text["tokenizer.ggml.padding_token_id"],
  };
  const found: Record<string, string> = {};
  for (const [name, index] of Object.entries(ids)) {
    const token = index === undefined ? undefined : text["tokenizer.ggml.tokens"][index];
    if (token !== undefined) found[name] = token;
  }
  return found;
}

/**
 * The merges that a sentencepiece vocabulary implies: every way to cut a token into two tokens,
 * best score first (transformers' generate_merges; lengths count code points).
 */
function mergesFromScores(tokens: string[], scores: number[] | undefined): [string, string][] {
  if (scores?.length !== tokens.length) {
    throw new InputError(
      `Cannot read the tokenizer of the GGUF file: expected merges or ${tokens.length} scores, got ` +
        `${scores?.length ?? "none"}`,
    );
  }
  const ids = new Map(tokens.map((token, index) => [token, index]));
  const merges: { pair: [string, string]; score: number; left: number; right: number }[] = [];
  for (const [token, index] of ids) {
    const letters = Array.from(token);
    const score = scores[index] ?? 0;
    const cuts: { pair: [string, string]; left: number; order: [number, number] }[] = [];
    for (let left = 1, head = ""; left < letters.length; left++) {
      head += letters[left - 1];
      const tail = token.slice(head.length);
      const order: [number | undefined, number | undefined] = [ids.get(head), ids.get(tail)];
      if (order[0] === undefined || order[1] === undefined) continue;
      cuts.push({ pair: [head, tail], left, order: [order[0], order[1]] });
    }
    cuts.sort((a, b) => a.order[0] - b.order[0] || a.order[1] - b.order[1]);
    for (const { pair, left } of cuts) {
      merges.push({ pair, score, left, right: letters.length - left });
    }
  }
  merges.sort((a, b) => b.score - a.score || b.left - a.left || b.right - a.right);
  return merges.map(({ pair }) => pair);
}

/** GPT-2's letter for each byte: printable bytes as themselves, the others from U+0100 on. */
function byteSpelling(): string[] {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from(
    { length: 256 },
    (_, byte) => String.fromCharCode(printable(byte) ? byte : next++),
  );
}
