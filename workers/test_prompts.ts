// The prompts that a front by rewards is measured on: those of the test data, each once.
import type { RunConfig } from "../core/config.ts";
import { InputError } from "../core/errors.ts";
import { Random } from "../core/random.ts";
import type { Message } from "../core/text/example.ts";
import { builtinWorld } from "../data/builtin/mod.ts";
import { promptMessages } from "../data/builtin/world.ts";
import { loadDataset } from "../data/datasets/mod.ts";
import type { EvaluationData } from "./front_settings.ts";
import { loadHeldOut } from "./run_data.ts";

/** Data sets that bring their own test prompts, by the dataset option. */
const ownPrompts: Record<string, (dimensions: string[]) => Message[][]> = {
  builtin: (dimensions) => builtinWorld(dimensions).test.map(promptMessages),
};

/**
 * The test prompts in the order of the data, at most `limit`, which are drawn by the seed. Throws
 * InputError where there are none.
 */
export async function testPrompts(
  data: EvaluationData,
  { run, dimensions, limit, seed }: {
    run: RunConfig | null;
    dimensions: string[];
    limit: number | null;
    seed: number;
  },
): Promise<Message[][]> {
  const all = ownPrompts[data.dataset]?.(dimensions) ??
    eachOnce((await loadRows(data, { run, dimensions })).examples.map(({ prompt }) => prompt));
  if (all.length === 0) {
    throw new InputError(
      `Cannot measure rewards: expected test prompts in ${data.dataset}, got none`,
    );
  }
  if (limit === null || all.length <= limit) return all;
  const kept = new Random(seed).fork("test prompts").shuffle(all.length).slice(0, limit).sort();
  return [...kept].flatMap((n) => [all[n] ?? []]);
}

function loadRows(
  { dataset, heldOut, columns }: EvaluationData,
  { run, dimensions }: { run: RunConfig | null; dimensions: string[] },
) {
  return heldOut && run ? loadHeldOut(run) : loadDataset(dataset, { dimensions, columns });
}

function eachOnce(prompts: Message[][]): Message[][] {
  return [...new Map(prompts.map((prompt) => [JSON.stringify(prompt), prompt])).values()];
}
