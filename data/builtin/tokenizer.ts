// The tokenizer of the built-in world: byte-level BPE learnt from the world's own texts and written
// as the files of any Hugging Face model folder, so that it is loaded by the same path. Byte level
// means that any text of a user can be encoded and decoded, words the world never saw included.
// BPE: Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword units"
// (ACL 2016); bytes as in GPT-2's encoder.
import { createWorld, type World } from "./world.ts";

/** Contents of tokenizer.json and tokenizer_config.json, ready for JSON.stringify. */
export interface TokenizerFiles {
  tokenizer: Record<string, unknown>;
  tokenizerConfig: Record<string, unknown>;
  vocabSize: number;
}

/** Special tokens by role; their ids are their positions. */
export const specialTokens = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"];

/** The token that ends every turn and with it a response. */
export const END_TOKEN = "<|end|>";

/** Every turn is its role's token, its text and the end token: three tokens around a prompt. */
export const CHAT_TEMPLATE = "{% for message in messages %}" +
  "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

/** Most tokens of a vocabulary; every word of the world is one token before it is reached. */
const VOCABULARY_LIMIT = 1024;

/** Learns the tokenizer of a world; the same world gives the same files. */
export function builtinTokenizer(world: World = createWorld()): TokenizerFiles {
  const symbols = byteSymbols();
  const tokens = [...specialTokens, ...symbols];
  const merges = learnMerges(wordCounts(world, symbols), VOCABULARY_LIMIT - tokens.length);
  for (const [left, right] of merges) tokens.push(left + right);
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
  const addedTokens = specialTokens.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  return {
    vocabSize: tokens.length,
    tokenizer: {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: addedTokens,
      normalizer: null,
      pre_tokenizer: { ...byteLevel, use_regex: true },
      post_processor: null,
      decoder: { ...byteLevel, use_regex: true },
      model: {
        type: "BPE",
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab,
        merges: merges.map((pair) => pair.join(" ")),
      },
    },
    tokenizerConfig: {
      tokenizer_class: "PreTrainedTokenizerFast",
      bos_token: null,
      eos_token: END_TOKEN,
      pad_token: "<|pad|>",
      unk_token: null,
      add_bos_token: false,
      add_eos_token: false,
      clean_up_tokenization_spaces: false,
      model_max_length: 128,
      chat_template: CHAT_TEMPLATE,
    },
  };
}

/** GPT-2's 256 printable stand-ins for bytes, by byte. */
function byteSymbols(): string[] {
  let spare = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
    return String.fromCodePoint(printable ? byte : spare++);
  });
}

/** How often each word, in byte symbols, occurs in the texts a model of the world reads. */
function wordCounts(world: World, symbols: string[]): Map<string, number> {
  const counts = new Map<string, number>();
  const bytes = new TextEncoder();
  for (const prompt of [...world.train, ...world.spare]) {
    for (const text of [prompt.text, ...prompt.answers.map((answer) => answer.text)]) {
      // GPT-2's split: contractions, words and numbers with the space before them, the rest.
      const words = text.matchAll(
        /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+/gu,
      );
      for (const [word] of words) {
        const key = Array.from(bytes.encode(word), (byte) => symbols[byte]).join("");
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
  }
  return counts;
}

/** Joins the most frequent pair of neighbours, again and again; ties go to the first in code order. */
function learnMerges(counts: Map<string, number>, limit: number): [string, string][] {
  let words = Array.from(counts, ([word, count]) => ({ parts: Array.from(word), count }));
  const merges: [string, string][] = [];
  while (merges.length < limit) {
    const pairs = new Map<string, number>();
    for (const { parts, count } of words) {
      for (let i = 0; i + 1 < parts.length; i++) {
        const key = `${parts[i]} ${parts[i + 1]}`;
        pairs.set(key, (pairs.get(key) ?? 0) + count);
      }
    }
    let best = "";
    let most = 0;
    for (const [key, count] of pairs) {
      if (count > most || (count === most && key < best)) [best, most] = [key, count];
    }
    if (most === 0) break; // every word is one token
    const [left = "", right = ""] = best.split(" ");
    merges.push([left, right]);
    words = words.map(({ parts, count }) => ({ parts: joined(parts, left, right), count }));
  }
  return merges;
}

function joined(parts: string[], left: string, right: string): string[] {
  const result: string[] = [];
  for (const part of parts) {
    if (part === right && result.at(-1) === left) result[result.length - 1] = left + right;
    else result.push(part);
  }
  return result;
}
