// What a data set is like: the report of `deno task data`. Rows come from data/datasets, their lengths
// in tokens from lengths.ts; everything else is counted from the rows as they are.
import type { InstructionExample, Message, PreferenceExample } from "../text/example.ts";
import {
  type Contradictions,
  contradictions,
  folded,
  instructionKeys,
  labelText,
  type Leakage,
  leakage,
  pairKeys,
  type Repetition,
  repetition,
  type RowKeys,
} from "./duplicates.ts";
import {
  type Agreement,
  agreements,
  conflicts,
  labelCounts,
  type LengthBias,
  lengthBias,
} from "./labels.ts";
import { type Lengths, type RowLengths, summarizeLengths } from "./lengths.ts";
import type { Proportion } from "./proportion.ts";

/** What the labels of preference data say. */
export interface LabelReport {
  /** Labelled pairs by dimension. */
  counts: Record<string, number>;
  agreements: Agreement[];
  conflicts: Proportion;
  contradictions: Contradictions;
  lengthBias: LengthBias[];
}

/** What is known of the rows of one dataset option. */
export interface PartReport {
  dataset: string;
  /** Empty for a data set that needs no file. */
  files: string[];
  /** Rows of the files; null where there are none. */
  rows: number | null;
  /** What of them was left out while they were read, by reason. */
  leftOut: Record<string, number>;
  examples: number;
  repetition: Repetition;
  lengths: Lengths;
  /** Examples that the chat template refuses, and what it says of the first. */
  refused: { examples: number; message: string | null };
  /** Preference data only. */
  labels: LabelReport | null;
}

/** The report of a data set, with its test data where some were named. */
export interface DataReport {
  objective: string;
  /** Whose tokens are counted, and whether Alpaca's template stands in for one that it lacks. */
  model: string;
  assumedTemplate: boolean;
  maxLength: number;
  dimensions: string[];
  train: PartReport;
  test: PartReport | null;
  leakage: Leakage | null;
}

/** Rows to look at, whatever they are for. */
export interface Rows {
  /** What a model sees of each: a prompt, and what may follow it. */
  texts: { prompt: Message[]; responses: string[] }[];
  /** Keys of each row by which training and test rows are compared. */
  foldedKeys: RowKeys[];
  repetition: Repetition;
  /** What the labels say, given the lengths of every row; null for those the template refused. */
  labels(lengths: (RowLengths | null)[]): LabelReport | null;
}

/** Preference pairs as rows. */
export function preferenceRows(dimensions: string[], examples: PreferenceExample[]): Rows {
  const keys = examples.map((example) => pairKeys(example));
  return {
    texts: examples,
    foldedKeys: examples.map((example) => pairKeys(example, folded)),
    repetition: repetition(keys, (row) => {
      const example = examples[row];
      return example === undefined ? "" : labelText(example);
    }),
    labels: (lengths) => ({
      counts: labelCounts(dimensions, examples),
      agreements: agreements(dimensions, examples),
      conflicts: conflicts(examples),
      contradictions: contradictions(dimensions, examples, keys),
      lengthBias: dimensions.map((name, index) =>
        lengthBias({ name, index }, examples, lengths.map(pairLengths))
      ),
    }),
  };
}

/** Dialogues to imitate as rows: the last answer follows all that stands before it. */
export function instructionRows(examples: InstructionExample[]): Rows {
  return {
    texts: examples.map(({ prompt, completion }) => ({
      prompt: [...prompt, ...completion.slice(0, -1)],
      responses: [completion.at(-1)?.content ?? ""],
    })),
    foldedKeys: examples.map((example) => instructionKeys(example, folded)),
    repetition: repetition(examples.map((example) => instructionKeys(example))),
    labels: () => null,
  };
}

/** What is counted of rows and their lengths; `lengths` in the order of the rows. */
export function reportRows(
  rows: Rows,
  lengths: (RowLengths | null)[],
  maxLength: number,
): Pick<PartReport, "examples" | "repetition" | "lengths" | "labels"> {
  return {
    examples: rows.texts.length,
    repetition: rows.repetition,
    lengths: summarizeLengths(lengths.filter((row) => row !== null), maxLength),
    labels: rows.labels(lengths),
  };
}

/** What test rows share with training rows. */
export function rowLeakage(train: Rows, test: Rows): Leakage {
  return leakage(train.foldedKeys, test.foldedKeys);
}

function pairLengths(row: RowLengths | null): [number, number] | null {
  const [first, second] = row?.responses ?? [];
  return first === undefined || second === undefined ? null : [first, second];
}
