// The data of a run: training pairs as tokens, and how its front is measured.
import type { RunConfig } from "../core/config.ts";
import type { PreferenceDataset, TokenizedPair } from "../core/text/example.ts";
import { tokenizePairs } from "../core/text/pairs.ts";
import type { Metric } from "../core/front/report.ts";
import { builtinPreferences } from "../data/builtin/preferences.ts";
import { builtinWorld } from "../data/builtin/mod.ts";
import { loadDataset } from "../data/datasets/mod.ts";
import { HELD_OUT, splitByPrompt } from "../data/datasets/split.ts";
import { dataNotices } from "./data_notices.ts";
import {
  type Evaluation,
  type EvaluationContext,
  pairEvaluation,
  worldEvaluation,
} from "./evaluation.ts";
import { chooseMetric, type EvaluationData, evaluationData } from "./front_settings.ts";
import type { Base } from "./machine.ts";
import type { SessionOptions } from "./protocol.ts";
import { runLengths } from "./run_lengths.ts";

/** Rows of a run, before any model has seen them. */
export interface RunRows {
  train: PreferenceDataset;
  /** What the front is measured on, as it was when the rows were read. */
  evaluationData: EvaluationData;
  evaluate(context: EvaluationContext): Evaluation;
}

type Evaluate = (context: EvaluationContext) => Evaluation;

/** Data sets that bring their own way of being evaluated: by dataset option, by metric. */
const ownEvaluations: Record<string, Partial<Record<Metric, Evaluate>>> = {
  builtin: {
    expected_reward: worldEvaluation,
    implicit_accuracy: (context) => {
      const world = builtinWorld(context.dimensions);
      return pairEvaluation(builtinPreferences(world, { split: "test" }), context);
    },
  },
};

/** Reads the rows that a configuration names; a test set must label the same dimensions. */
export async function loadRows(config: RunConfig): Promise<RunRows> {
  const all = await loadTraining(config);
  const { dimensions } = all;
  const data = await evaluationData({ adapter: config.output_dir }, { run: config, dimensions });
  const { train, test } = data.heldOut ? split(all, config) : { train: all, test: undefined };
  const evaluate = await evaluationOf(data, { dimensions, test });
  return { train, evaluationData: data, evaluate };
}

/** The rows that a run with this configuration does not train on. */
export async function loadHeldOut(config: RunConfig): Promise<PreferenceDataset> {
  return split(await loadTraining(config), config).test;
}

/** The evaluation by `metric` (default: the data's own), on `test` where the rows are read already. */
export async function evaluationOf(
  { dataset, columns }: EvaluationData,
  { dimensions, metric, test }: {
    dimensions: string[];
    metric?: Metric;
    test?: PreferenceDataset;
  },
): Promise<Evaluate> {
  const own = ownEvaluations[dataset]?.[chooseMetric(dataset, metric)];
  if (own !== undefined) return own;
  const pairs = test ?? await loadDataset(dataset, { dimensions, columns });
  return (context) => pairEvaluation(pairs, context);
}

/** All rows that a configuration names, those that it holds out among them. */
export function loadTraining(config: RunConfig): Promise<PreferenceDataset> {
  const { dataset, columns } = config;
  return loadDataset(dataset, { dimensions: wantedDimensions(config), columns });
}

/** The dimensions that a configuration asks for by name; undefined for all. */
export function wantedDimensions({ dimensions }: Pick<RunConfig, "dimensions">) {
  return dimensions?.split(",").map((name) => name.trim());
}

/** Rows to train on and rows held out, by prompt. */
export function split(all: PreferenceDataset, { seed }: RunConfig) {
  return splitByPrompt(all, { share: HELD_OUT, seed });
}

/** Training pairs as tokens, with notices of what there is to know about them. */
export function tokenizeTraining(
  rows: Pick<RunRows, "train">,
  { base, config, options }: { base: Base; config: RunConfig; options: SessionOptions },
): TokenizedPair[] {
  const lengths = runLengths(config, base);
  const { pairs, dropped } = tokenizePairs(base.tokenizer, rows.train, lengths);
  const { dimensions } = rows.train;
  for (const message of dataNotices(pairs, { dropped, dimensions, config, lengths })) {
    options.onEvent({ type: "notice", message });
  }
  return pairs;
}
