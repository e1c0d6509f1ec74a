// How many tokens the rows of a data set have under a model's tokenizer and chat template, and how
// many of them are longer than a run would let them be.
import type { Message } from "../text/example.ts";
import type { ChatTokenizer } from "../text/tokenizer.ts";
import { type Proportion, proportion } from "./proportion.ts";

/** Tokens of one row: of its prompt, with the template's header, and of each response, with its end. */
export interface RowLengths {
  prompt: number;
  responses: number[];
}

/** Tokens over many rows; the quantiles are the least lengths that so many rows do not exceed. */
export interface LengthSummary {
  least: number;
  median: number;
  mean: number;
  p90: number;
  p99: number;
  most: number;
}

/** Lengths of a data set; summaries are null where no row could be measured. */
export interface Lengths {
  prompt: LengthSummary | null;
  response: LengthSummary | null;
  /** Prompt and the longer response. */
  whole: LengthSummary | null;
  /** Rows longer than max_length. */
  overlong: Proportion;
  /** Rows whose response leaves no room for one token of the prompt: left out even where prompts are cut. */
  noRoom: number;
}

/** Tokens of a prompt and its responses. Throws InputError where the template refuses them. */
export function rowLengths(
  tokenizer: Pick<ChatTokenizer, "encodeExchange">,
  prompt: Message[],
  responses: string[],
): RowLengths {
  const exchanges = responses.map((response) => tokenizer.encodeExchange(prompt, response));
  return {
    prompt: exchanges[0]?.prompt.length ?? 0,
    responses: exchanges.map(({ response }) => response.length),
  };
}

/** Lengths over all rows. */
export function summarizeLengths(rows: RowLengths[], maxLength: number): Lengths {
  const longest = rows.map(({ responses }) => Math.max(...responses));
  const whole = rows.map(({ prompt }, i) => prompt + (longest[i] ?? 0));
  return {
    prompt: summary(rows.map(({ prompt }) => prompt)),
    response: summary(rows.flatMap(({ responses }) => responses)),
    whole: summary(whole),
    overlong: proportion(whole.filter((length) => length > maxLength).length, rows.length),
    noRoom: longest.filter((length) => length >= maxLength).length,
  };
}

function summary(values: number[]): LengthSummary | null {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
  if (sorted.length === 0) return null;
  return {
    least: at(0),
    median: at(0.5),
    mean: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    p90: at(0.9),
    p99: at(0.99),
    most: at(1),
  };
}
