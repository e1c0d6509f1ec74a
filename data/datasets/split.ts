// Sets rows of a data set aside for testing, by prompt: a prompt seen in training would make the
// accuracy on the test rows look better than it is.
import { Random } from "../../core/random.ts";
import type {
  InstructionDataset,
  Message,
  PreferenceDataset,
  PreferenceExample,
} from "../../core/text/example.ts";
import { instructionDataset } from "./instructions/mod.ts";
import { fingerprintOf } from "./mod.ts";

/** Share of the training rows that is held out where no test files are given. */
export const HELD_OUT = 0.1;

/**
 * Two data sets without a common prompt, which together hold every example; each keeps the order.
 * The test set gets the share (0 … 1) of the prompts, rounded, of every group of prompts that are
 * labelled in the same dimensions, and at least one prompt of a group of two or more (with
 * share > 0), so that no dimension of some size is without test pairs. Throws RangeError for another
 * share.
 */
export function splitByPrompt(
  { dimensions, examples }: PreferenceDataset,
  options: { share: number; seed: number },
): { train: PreferenceDataset; test: PreferenceDataset } {
  const { train, test } = splitExamples(examples, { ...options, groupOf: labelledIn });
  const dataset = (kept: PreferenceExample[]) => ({
    dimensions,
    examples: kept,
    fingerprint: fingerprintOf(dimensions, kept),
  });
  return { train: dataset(train), test: dataset(test) };
}

/** The same for instruction data: prompts are what stands before the first answer to learn. */
export function splitInstructions(
  { examples }: InstructionDataset,
  options: { share: number; seed: number },
): { train: InstructionDataset; test: InstructionDataset } {
  const { train, test } = splitExamples(examples, { ...options, groupOf: () => "" });
  return { train: instructionDataset(train), test: instructionDataset(test) };
}

/** Deals prompts out; `groupOf` says of the examples of a prompt which prompts it is drawn among. */
function splitExamples<Example extends { prompt: Message[] }>(
  examples: Example[],
  { share, seed, groupOf }: {
    share: number;
    seed: number;
    groupOf: (examples: Example[]) => string;
  },
): { train: Example[]; test: Example[] } {
  if (!(share >= 0 && share <= 1)) {
    throw new RangeError(`Cannot split a data set: expected a share of 0 … 1, got ${share}`);
  }
  const rows = groupBy(examples, promptKey);
  const prompts = [...rows.keys()];
  const shuffled = Array.from(
    new Random(seed).fork("split").shuffle(prompts.length),
    (i) => prompts[i] ?? "",
  );
  const held = new Set<string>();
  for (const group of groupBy(shuffled, (key) => groupOf(rows.get(key) ?? [])).values()) {
    const quota = Math.round(share * group.length);
    const count = share > 0 && group.length > 1 ? Math.max(1, quota) : quota;
    for (const prompt of group.slice(0, count)) held.add(prompt);
  }
  return {
    train: examples.filter((example) => !held.has(promptKey(example))),
    test: examples.filter((example) => held.has(promptKey(example))),
  };
}

function promptKey({ prompt }: { prompt: Message[] }): string {
  return JSON.stringify(prompt.map(({ role, content }) => [role, content]));
}

/** Which dimensions the examples of one prompt are labelled in. */
function labelledIn(examples: PreferenceExample[]): string {
  const dimensions = examples[0]?.better.map((_, i) =>
    examples.some(({ better }) => better[i] !== null)
  );
  return String(dimensions);
}

function groupBy<T>(items: T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}
