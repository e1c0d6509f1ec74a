// Preference examples as token ids, no longer than the model is to see. Second stop of the flow:
// data/datasets gives the examples, core/text/pack puts the pairs into batches.
import { InputError } from "../errors.ts";
import type { PreferenceDataset, PreferenceExample, TokenizedPair } from "./example.ts";
import type { ChatTokenizer } from "./tokenizer.ts";

/** How long pairs may be. */
export interface PairOptions {
  /** Most tokens of prompt plus response, end token included. */
  maxLength: number;
  /** A pair longer than that is left out, or the beginning of its prompt is cut. */
  overlong: "drop" | "truncate";
}

/**
 * Token ids of every pair of a data set, in its order, and the number of pairs left out: too long
 * (with `truncate`: those whose response leaves no room for one prompt token), equal once the
 * template has trimmed the responses, or refused by the chat template.
 * Throws InputError when no pair of a dimension is left, and the template's own when it refused all.
 */
export function tokenizePairs(
  tokenizer: ChatTokenizer,
  dataset: PreferenceDataset,
  options: PairOptions,
): { pairs: TokenizedPair[]; dropped: number } {
  const pairs: TokenizedPair[] = [];
  let refusal: InputError | undefined;
  let refused = 0;
  for (const example of dataset.examples) {
    try {
      const pair = tokenizePair(tokenizer, example, options);
      if (pair) pairs.push(pair);
    } catch (error) {
      // One dialogue of an unusual form (two answers in a row) must not end a run over thousands.
      if (!(error instanceof InputError)) throw error;
      refusal ??= error;
      refused++;
    }
  }
  if (refusal && refused === dataset.examples.length) throw refusal;
  for (const [i, dimension] of dataset.dimensions.entries()) {
    if (pairs.some(({ better }) => better[i] !== null)) continue;
    throw new InputError(
      `Cannot tokenize the data set: expected pairs of at most ${options.maxLength} tokens in the ` +
        `dimension ${dimension}, got none`,
    );
  }
  return { pairs, dropped: dataset.examples.length - pairs.length };
}

/** One pair; null where it is left out. Throws InputError where the template refuses it. */
export function tokenizePair(
  tokenizer: ChatTokenizer,
  example: PreferenceExample,
  { maxLength, overlong }: PairOptions,
): TokenizedPair | null {
  const first = tokenizer.encodeExchange(example.prompt, example.responses[0]);
  const second = tokenizer.encodeExchange(example.prompt, example.responses[1]);
  if (isEqual(first.response, second.response)) return null;
  const room = maxLength - Math.max(first.response.length, second.response.length);
  if (room < 1 || (overlong === "drop" && first.prompt.length > room)) return null;
  return {
    prompt: Int32Array.from(first.prompt.slice(-room)),
    responses: [Int32Array.from(first.response), Int32Array.from(second.response)],
    better: example.better,
  };
}

function isEqual(a: number[], b: number[]): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}
