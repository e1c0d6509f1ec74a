// The pairs of a reward model's run: those it learns from, and those its quality is measured on.
import type { RunConfig } from "../core/config.ts";
import type { PreferenceDataset } from "../core/text/example.ts";
import { builtinWorld } from "../data/builtin/mod.ts";
import { builtinPreferences } from "../data/builtin/preferences.ts";
import { loadDataset } from "../data/datasets/mod.ts";
import { type EvaluationData, evaluationData } from "./front_settings.ts";
import { loadTraining, split } from "./run_data.ts";

/** Rows of a run, before any model has seen them. */
export interface RewardRows {
  train: PreferenceDataset;
  test: PreferenceDataset;
  testData: EvaluationData;
}

/** Data sets that bring their own test pairs, by dataset option. */
const ownTests: Record<string, (dimensions: string[]) => PreferenceDataset> = {
  // Labels are the shares of labellers as in training: only they tell whether a model that is sure
  // to 70 % is right about that.
  builtin: (dimensions) =>
    builtinPreferences(builtinWorld(dimensions), { split: "test", labels: "shares" }),
};

/** Reads the rows that a configuration names; a test set must label the same dimensions. */
export async function loadRewardRows(config: RunConfig): Promise<RewardRows> {
  const all = await loadTraining(config);
  const { dimensions } = all;
  const testData = await evaluationData({ adapter: config.output_dir }, {
    run: config,
    dimensions,
  });
  if (testData.heldOut) return { ...split(all, config), testData };
  const own = Object.hasOwn(ownTests, testData.dataset) ? ownTests[testData.dataset] : undefined;
  const test = own?.(dimensions) ??
    await loadDataset(testData.dataset, { dimensions, columns: testData.columns });
  return { train: all, test, testData };
}
