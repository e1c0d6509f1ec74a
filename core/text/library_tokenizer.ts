// Hugging Face's tokenizers library behind two functions. Byte-level tokenizers are encoded word by
// word and each word's ids remembered: a data set repeats its words, and spelling and merging them
// anew takes nine tenths of the library's time.
import { SplitPreTokenizer, Tokenizer } from "@huggingface/tokenizers";
import { InputError } from "../errors.ts";
import { isObject, spellOutPreTokenizer, type TokenizerJson } from "./tokenizer_parts.ts";

/** A tokenizer without a chat template. */
export interface PlainTokenizer {
  /** Ids of a text; special tokens are not added, but recognised. */
  encode(text: string): number[];
  /** The text of ids, special tokens included. */
  decode(ids: ArrayLike<number>): string;
}

/** Makes a tokenizer of a tokenizer.json; throws InputError where a part of it is not known. */
export function buildTokenizer(json: TokenizerJson): PlainTokenizer {
  const preTokenizer = spellOutPreTokenizer(json.pre_tokenizer);
  const words = findWordSplit(json, preTokenizer);
  const library = attempt(() =>
    new Tokenizer({ ...json, pre_tokenizer: words ? words.spell : preTokenizer }, {})
  );
  const encodePart = (text: string) => library.encode(text, { add_special_tokens: false }).ids;
  return {
    encode: words ? wordByWord(encodePart, { json, pattern: words.pattern }) : encodePart,
    // The library refuses an empty list.
    decode: (ids) =>
      ids.length === 0
        ? ""
        : library.decode(Array.from(ids), { clean_up_tokenization_spaces: false }),
  };
}

/** How a byte-level tokenizer cuts text into words that are encoded each on its own. */
interface WordSplit {
  pattern: string;
  /** The pre-tokenizer that is left for a single word. */
  spell: unknown;
}

/** The word split of GPT-2, SmolLM2, Llama 3 …; null where a word's ids depend on its neighbours. */
function findWordSplit(json: TokenizerJson, preTokenizer: unknown): WordSplit | null {
  const isPlain = json.added_tokens.every((token) =>
    token.normalized === false && !token.lstrip && !token.rstrip && !token.single_word
  );
  if (!isPlain || json.normalizer !== null || !isObject(preTokenizer)) return null;
  const steps = preTokenizer.type === "Sequence" ? preTokenizer.pretokenizers : null;
  if (!Array.isArray(steps) || steps.length !== 2) return null;
  const [split, spell] = steps;
  const pattern = split.type === "Split" && split.behavior === "Isolated" && !split.invert
    ? split.pattern?.Regex
    : undefined;
  const spells = spell.type === "ByteLevel" && spell.use_regex === false && !spell.add_prefix_space;
  return typeof pattern === "string" && spells ? { pattern, spell } : null;
}

const maxWords = 200_000; // some 30 MB

function wordByWord(
  encodeWord: (word: string) => number[],
  { json, pattern }: { json: TokenizerJson; pattern: string },
): (text: string) => number[] {
  const splitter = attempt(() =>
    new SplitPreTokenizer({
      type: "Split",
      pattern: { Regex: pattern },
      behavior: "Isolated",
      invert: false,
    })
  );
  const addedIds = new Map(json.added_tokens.map(({ content, id }) => [content, id]));
  const added = anyOf([...addedIds.keys()]);
  const known = new Map<string, number[]>();

  function idsOf(word: string): number[] {
    const found = known.get(word);
    if (found) return found;
    if (known.size >= maxWords) known.clear();
    const ids = encodeWord(word);
    known.set(word, ids);
    return ids;
  }

  return (text) => {
    const ids: number[] = [];
    for (const part of text.split(added)) {
      const id = addedIds.get(part);
      if (id !== undefined) ids.push(id);
      else if (part) {
        for (const word of splitter.pre_tokenize_text(part)) ids.push(...idsOf(word));
      }
    }
    return ids;
  };
}

/** Matches, and keeps when splitting, the longest of some texts; nothing where there are none. */
function anyOf(texts: string[]): RegExp {
  if (texts.length === 0) return /(?!)/;
  const longestFirst = texts.sort((a, b) => b.length - a.length).map((text) =>
    text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")
  );
  return new RegExp(`(${longestFirst.join("|")})`);
}

function attempt<T>(build: () => T): T {
  try {
    return build();
  } catch (error) {
    throw new InputError(
      `Cannot build the tokenizer: expected parts that are known, got "${
        error instanceof Error ? error.message : error
      }"`,
      { cause: error },
    );
  }
}
