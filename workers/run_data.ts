// The data of a run: training pairs as tokens, and how its front is measured.
import type { RunConfig } from "../core/config.ts";
import type { PreferenceDataset, TokenizedPair } from "../core/text/example.ts";
import { tokenizePairs } from "../core/text/pairs.ts";
import { loadDataset } from "../data/datasets/mod.ts";
import { splitByPrompt } from "../data/datasets/split.ts";
import {
  type Evaluation,
  type EvaluationContext,
  pairEvaluation,
  worldEvaluation,
} from "./evaluation.ts";
import type { Base } from "./machine.ts";
import type { SessionOptions } from "./protocol.ts";

/** Share of the training rows that is held out where no test files are given. */
const HELD_OUT = 0.1;

/** Rows of a run, before any model has seen them. */
export interface RunRows {
  train: PreferenceDataset;
  evaluate(context: EvaluationContext): Evaluation;
}

/** Data sets that bring their own way of being evaluated, by the dataset option. */
const ownEvaluations: Record<string, (context: EvaluationContext) => Evaluation> = {
  builtin: worldEvaluation,
};

/** Reads the rows that a configuration names; a test set must label the same dimensions. */
export async function loadRows(config: RunConfig): Promise<RunRows> {
  const wanted = config.dimensions?.split(",").map((name) => name.trim());
  const all = await loadDataset(config.dataset, wanted && { dimensions: wanted });
  if (config.eval_dataset !== undefined) {
    const evaluate = await evaluationOf(config.eval_dataset, all.dimensions);
    return { train: all, evaluate };
  }
  const own = ownEvaluations[config.dataset];
  if (own !== undefined) return { train: all, evaluate: own };
  const { train, test } = splitByPrompt(all, { share: HELD_OUT, seed: config.seed });
  return { train, evaluate: (context) => pairEvaluation(test, context) };
}

/** The evaluation that a dataset option stands for, for given dimensions. */
export async function evaluationOf(
  spec: string,
  dimensions: string[],
): Promise<(context: EvaluationContext) => Evaluation> {
  const own = ownEvaluations[spec];
  if (own !== undefined) return own;
  const test = await loadDataset(spec, { dimensions });
  return (context) => pairEvaluation(test, context);
}

/** Training pairs as tokens, with a notice of what was left out. */
export function tokenizeTraining(
  rows: RunRows,
  { base, config, options }: { base: Base; config: RunConfig; options: SessionOptions },
): TokenizedPair[] {
  const { pairs, dropped } = tokenizePairs(base.tokenizer, rows.train, {
    maxLength: config.max_length,
    overlong: config.overlong,
  });
  if (dropped > 0) {
    options.onEvent({
      type: "notice",
      message: `Left out ${dropped} of ${dropped + pairs.length} training pairs: longer than ` +
        `max_length ${config.max_length} or without a difference`,
    });
  }
  return pairs;
}
