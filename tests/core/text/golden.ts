// The golden files of the text tests, typed, and tokenizers made of them.
import type { Message } from "../../../core/text/example.ts";
import type { AddedToken, TokenizerJson } from "../../../core/text/tokenizer_parts.ts";
import {
  type ChatTokenizer,
  createTokenizer,
  type TextFiles,
} from "../../../core/text/tokenizer.ts";

interface Dialogue {
  messages: Message[];
  text: string;
  ids: number[];
}

interface Golden {
  texts: string[];
  bases: Record<string, TokenizerJson>;
  templates: {
    name: string;
    template: string;
    dialogues: { messages: Message[]; addGenerationPrompt: boolean; text: string }[];
  }[];
  folders: {
    name: string;
    base: string;
    changes: Partial<TokenizerJson>;
    config: Record<string, unknown>;
    ids: number[][];
  }[];
  ggufs: { name: string; metadata: Record<string, unknown>; ids: number[][] }[];
}

interface GoldenSmolLm2 {
  block: number;
  blocks: Record<string, string[]>;
  maxLength: number;
  pairs: Record<string, { count: number; sha256: string }>;
  texts: { text: string; ids: number[] }[];
  dialogues: Dialogue[];
}

/** Small tokenizers and templates with what transformers makes of them (small_tokenizers.py). */
export const golden: Golden = read("small_tokenizers.json");

/** Ids of SmolLM2-135M-Instruct by transformers (smollm2_ids.py). */
export const goldenSmolLm2: GoldenSmolLm2 = read("smollm2_ids.json");

interface SmallOptions {
  template?: string;
  base?: "sentencepiece" | "byte_level";
  specials?: string[];
  config?: Record<string, unknown>;
  changes?: Partial<TokenizerJson>;
}

/** The text files of a small model: a tokenizer of the golden file, a chat template, special tokens. */
export function smallTextFiles(options: SmallOptions): TextFiles {
  const base = golden.bases[options.base ?? "byte_level"];
  if (!base) throw new TypeError("Cannot find the golden tokenizer");
  const size = Object.keys(base.model.vocab).length;
  const added = (options.specials ?? []).map((content, i): AddedToken => ({
    id: size + i,
    content,
    special: true,
    normalized: false,
  }));
  return {
    kind: "huggingface",
    tokenizer: { ...base, added_tokens: [...base.added_tokens, ...added], ...options.changes },
    tokenizerConfig: {
      tokenizer_class: options.base === "sentencepiece" ? "LlamaTokenizer" : "GPT2Tokenizer",
      bos_token: "<s>",
      eos_token: { content: "</s>" },
      chat_template: options.template,
      ...options.config,
    },
  };
}

/** The tokenizer of such files. */
export function smallTokenizer(
  options: SmallOptions & { eosTokenIds?: number[]; vocabSize?: number },
): ChatTokenizer {
  return createTokenizer(smallTextFiles(options), {
    vocabSize: options.vocabSize ?? 1000,
    eosTokenIds: options.eosTokenIds ?? [2],
  });
}

/** A template of the golden file. */
export function template(name: string): string {
  const found = golden.templates.find((entry) => entry.name === name);
  if (!found) throw new RangeError(`Cannot find the template ${name}`);
  return found.template;
}

function read<T>(file: string): T {
  return JSON.parse(Deno.readTextFileSync(new URL(`../../golden/${file}`, import.meta.url)));
}
