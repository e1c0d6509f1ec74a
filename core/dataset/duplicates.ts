// Rows that say the same more than once, pairs that are labelled both ways, and what of the test rows
// stands among the training rows already.
import { createHash } from "node:crypto";
import type { InstructionExample, Message, PreferenceExample } from "../text/example.ts";
import { preferredIndex } from "./labels.ts";
import { type Proportion, proportion } from "./proportion.ts";

/** What is repeated in a data set. */
export interface Repetition {
  prompts: number; // different ones
  /** Most rows that one prompt has. */
  mostRows: number;
  /** Rows that are whole, with their labels, the same as an earlier one. */
  copies: number;
}

/** Pairs that some dimension labels both ways. */
export interface Contradictions {
  pairs: number; // different ones
  rows: number;
  /** Different pairs, by the dimension that labels them both ways. */
  dimensions: Record<string, number>;
}

/** What test rows share with training rows, letter case and spacing ignored. */
export interface Leakage {
  /** Different test prompts that training has too. */
  prompts: Proportion;
  /** Test rows with such a prompt. */
  rows: Proportion;
  /** Test rows whose responses are those of a training row of the same prompt, in either order. */
  same: Proportion;
  /** Training rows with a test prompt: what to leave out. */
  trainRows: number;
}

/** A row as it is compared: its prompt, and all of it but its labels. */
export interface RowKeys {
  prompt: string;
  content: string;
}

/** Keys of a pair; the order of its responses makes no difference. */
export function pairKeys({ prompt, responses }: PreferenceExample, fold = exact): RowKeys {
  const turns = turnsOf(prompt, fold);
  return {
    prompt: keyOf(turns),
    content: keyOf([turns, responses.map(fold).sort()]),
  };
}

/** Keys of a dialogue to imitate. */
export function instructionKeys(
  { prompt, completion }: InstructionExample,
  fold = exact,
): RowKeys {
  const turns = turnsOf(prompt, fold);
  return { prompt: keyOf(turns), content: keyOf([turns, turnsOf(completion, fold)]) };
}

/** Repetition among rows; `labels` gives the text of a row's labels, where it has some. */
export function repetition(
  keys: RowKeys[],
  labels: (row: number) => string = () => "",
): Repetition {
  const prompts = countsOf(keys.map(({ prompt }) => prompt));
  const rows = new Set(keys.map(({ content }, row) => `${content} ${labels(row)}`));
  return {
    prompts: prompts.size,
    mostRows: [...prompts.values()].reduce((most, count) => Math.max(most, count), 0),
    copies: keys.length - rows.size,
  };
}

/** Labels of a pair as text, seen from the response that comes first in the alphabet. */
export function labelText({ responses, better }: PreferenceExample): string {
  return JSON.stringify(better.map((label) => label === null ? null : turned(label, responses)));
}

/** Pairs of the same prompt and responses whose labels contradict each other. */
export function contradictions(
  dimensions: string[],
  examples: PreferenceExample[],
  keys: RowKeys[],
): Contradictions {
  const rows = new Map<string, PreferenceExample[]>();
  for (const [p, example] of examples.entries()) {
    const key = keys[p]?.content ?? "";
    const group = rows.get(key);
    if (group) group.push(example);
    else rows.set(key, [example]);
  }
  const found: Contradictions = {
    pairs: 0,
    rows: 0,
    dimensions: Object.fromEntries(dimensions.map((name) => [name, 0])),
  };
  for (const group of rows.values()) {
    const contradicted = dimensions.filter((_, i) => {
      const preferred = group.map(({ better, responses }) => {
        const label = better[i] ?? null;
        return label === null ? null : preferredIndex(turned(label, responses));
      });
      return preferred.includes(0) && preferred.includes(1);
    });
    if (contradicted.length === 0) continue;
    found.pairs++;
    found.rows += group.length;
    for (const name of contradicted) found.dimensions[name] = (found.dimensions[name] ?? 0) + 1;
  }
  return found;
}

/** What test rows share with training rows, by keys that are folded. */
export function leakage(train: RowKeys[], test: RowKeys[]): Leakage {
  const trained = {
    prompts: new Set(train.map(({ prompt }) => prompt)),
    contents: new Set(train.map(({ content }) => content)),
  };
  const tested = [...new Set(test.map(({ prompt }) => prompt))];
  const testPrompts = new Set(tested);
  const count = (rows: RowKeys[], isShared: (row: RowKeys) => boolean) =>
    rows.filter(isShared).length;
  return {
    prompts: proportion(
      tested.filter((prompt) => trained.prompts.has(prompt)).length,
      tested.length,
    ),
    rows: proportion(count(test, ({ prompt }) => trained.prompts.has(prompt)), test.length),
    same: proportion(count(test, ({ content }) => trained.contents.has(content)), test.length),
    trainRows: count(train, ({ prompt }) => testPrompts.has(prompt)),
  };
}

/** A text without what a copy may differ in: letter case and spacing. */
export function folded(text: string): string {
  return text.normalize("NFC").toLowerCase().split(/\s+/u).filter((word) => word !== "").join(" ");
}

function exact(text: string): string {
  return text;
}

/** A label seen from the response that comes first in the alphabet. */
function turned(label: number, [first, second]: [string, string]): number {
  return first <= second ? label : 1 - label;
}

function turnsOf(messages: Message[], fold: (text: string) => string): string[][] {
  return messages.map(({ role, content }) => [role, fold(content)]);
}

/** Short however long the texts are: there is one for every row. */
function keyOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("base64");
}

function countsOf(keys: string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}
