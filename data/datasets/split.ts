// Sets rows of a data set aside for testing, by prompt: a prompt seen in training would make the
// accuracy on the test rows look better than it is.
import { Random } from "../../core/random.ts";
import type { PreferenceDataset, PreferenceExample } from "../../core/text/example.ts";
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
  dataset: PreferenceDataset,
  options: { share: number; seed: number },
): { train: PreferenceDataset; test: PreferenceDataset } {
  const { share, seed } = options;
  if (!(share >= 0 && share <= 1)) {
    throw new RangeError(`Cannot split a data set: expected a share of 0 … 1, got ${share}`);
  }
  const rows = groupBy(dataset.examples, promptKey);
  const prompts = [...rows.keys()];
  const shuffled = Array.from(
    new Random(seed).fork("split").shuffle(prompts.length),
    (i) => prompts[i] ?? "",
  );
  const held = new Set<string>();
  for (const group of groupBy(shuffled, (key) => labelledIn(rows.get(key) ?? [])).values()) {
    const quota = Math.round(share * group.length);
    const count = share > 0 && group.length > 1 ? Math.max(1, quota) : quota;
    for (const prompt of group.slice(0, count)) held.add(prompt);
  }
  return {
    train: subset(dataset, (example) => !held.has(promptKey(example))),
    test: subset(dataset, (example) => held.has(promptKey(example))),
  };
}

function promptKey({ prompt }: PreferenceExample): string {
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

function subset(
  { dimensions, examples }: PreferenceDataset,
  keep: (example: PreferenceExample) => boolean,
): PreferenceDataset {
  const kept = examples.filter(keep);
  return { dimensions, examples: kept, fingerprint: fingerprintOf(dimensions, kept) };
}
