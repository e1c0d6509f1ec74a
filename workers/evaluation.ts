// What a front measures, by data set: implicit-reward accuracy on test pairs, or, in the built-in
// world, the expected reward, which is known exactly and compared with the best possible front.
import type { AggregationSettings } from "../core/aggregation/aggregation.ts";
import type { RunConfig } from "../core/config.ts";
import type { Outcomes } from "../core/front/bootstrap.ts";
import { implicitAccuracies, pairSequences, scoreSequences } from "../core/front/evaluate.ts";
import type { FrontMeasurement } from "../core/front/report.ts";
import { type PairwiseLoss, pairwiseLosses } from "../core/objectives/pairwise_losses.ts";
import type { Scorer } from "../core/policy.ts";
import { latticeGrid } from "../core/preference.ts";
import { Random } from "../core/random.ts";
import type { PreferenceDataset, TokenizedPair } from "../core/text/example.ts";
import { rowLengthFor, type Sequence } from "../core/text/pack.ts";
import { tokenizePairs } from "../core/text/pairs.ts";
import {
  exactFront,
  type ExactOptions,
  expectedRewards,
  knowsExactDpo,
} from "../data/builtin/exact.ts";
import { builtinWorld } from "../data/builtin/mod.ts";
import { promptMessages, type WorldPrompt } from "../data/builtin/world.ts";
import type { Base } from "./machine.ts";
import type { SampleAnswers, SessionOptions } from "./protocol.ts";
import { type ReferencePolicy, referenceScores } from "./scores.ts";
import { runLengths } from "./run_lengths.ts";

/** What an evaluation works with. */
export interface EvaluationContext extends ReferencePolicy {
  dimensions: string[];
  config: Pick<
    RunConfig,
    | "beta"
    | "loss_type"
    | "label_smoothing"
    | "rpo_alpha"
    | "kl_coef"
    | "reward_scale"
    | "objective"
    | "aggregation"
    | keyof AggregationSettings
    | "max_length"
    | "overlong"
    | "max_tokens_per_pass"
    | "seed"
  >;
  limit: number | undefined; // most test pairs per dimension
  options: SessionOptions;
}

/** What a grid of preferences gave, before it is summarised. */
export type Measured = Omit<
  FrontMeasurement,
  "adapter" | "dimensions" | "preferences" | "settings"
>;

/** Measures a policy over a grid. The reference is scored once, at the first call. */
export interface Evaluation {
  measure(policy: Scorer, grid: number[][]): Promise<Measured>;
  /** The answers that a few preferences like best; none where answers cannot be listed. */
  samples(policy: Scorer): Promise<SampleAnswers[]>;
}

/** Evaluation on test pairs. */
export function pairEvaluation(test: PreferenceDataset, context: EvaluationContext): Evaluation {
  const { base, config, dimensions, options } = context;
  const tokenized = tokenizePairs(base.tokenizer, test, runLengths(config, base)).pairs;
  const pairs = limitPairs(tokenized, { limit: context.limit, seed: config.seed, dimensions });
  const sequences = pairSequences(pairs);
  const maxTokens = config.max_tokens_per_pass;
  const loss: PairwiseLoss = pairwiseLosses[config.loss_type];
  let reference: Promise<Float32Array> | undefined;
  return {
    async measure(policy, grid) {
      reference ??= loss.needs.reference
        ? referenceScores(context, {
          sequences,
          maxTokens,
          what: "Reference on test pairs",
          options,
        })
        : Promise.resolve(new Float32Array(sequences.length));
      const known = await reference;
      const scores = await score(policy, sequences, { grid, maxTokens, options });
      return {
        metric: "implicit_accuracy",
        outcomes: implicitAccuracies(pairs, scores, {
          loss,
          reference: known,
          dimensions: dimensions.length,
        }),
        referencePoint: dimensions.map(() => 0),
      };
    },
    samples: () => Promise.resolve([]),
  };
}

/** Evaluation on the built-in world's test prompts, with its exact front. */
export function worldEvaluation(context: EvaluationContext): Evaluation {
  const { base, config, dimensions, options } = context;
  const { test } = builtinWorld(dimensions);
  const maxTokens = config.max_tokens_per_pass;
  let reference: Promise<Float32Array> | undefined;
  return {
    async measure(policy, grid) {
      const sequences = test.flatMap((prompt) => answerSequences(base, prompt));
      reference ??= referenceScores(context, {
        sequences,
        maxTokens,
        what: "Reference on test prompts",
        options,
      });
      const untrained = byPrompt(await reference, test);
      const scores = await score(policy, sequences, { grid, maxTokens, options });
      const tables = scores.map((row) => byPrompt(row, test));
      const outcomes: Outcomes[] = dimensions.map((_, i) => ({
        values: tables.map((table) =>
          test.map((prompt, p) => expectedRewards([table[p] ?? []], [prompt])[i] ?? NaN)
        ),
      }));
      const lengths = test.map((prompt) =>
        answerSequences(base, prompt).map(({ response }) => response.length)
      );
      const optimum = optima[config.objective]?.(config, lengths) ?? null;
      const { aggregation } = config;
      const exact = optimum &&
        exactFront(test, {
          ...optimum,
          aggregation,
          aggregationSettings: config,
          grid,
          reference: untrained,
        });
      return {
        metric: "expected_reward",
        outcomes,
        referencePoint: expectedRewards(untrained, test),
        ...exact && { exact: exact.map(({ preference, values }) => ({ preference, values })) },
      };
    },

    async samples(policy) {
      const grid = samplePreferences(dimensions.length);
      const prompts = [...test].sort((a, b) => b.severity - a.severity).slice(0, 2);
      const sequences = prompts.flatMap((prompt) => answerSequences(base, prompt));
      const scores = await score(policy, sequences, { grid, maxTokens, options });
      const tables = scores.map((row) => byPrompt(row, prompts));
      return prompts.map((prompt, p) => ({
        prompt: prompt.text,
        answers: grid.map((preference, n) => ({
          preference,
          answer: prompt.answers[indexOfLargest(tables[n]?.[p] ?? [])]?.text ?? "",
        })),
      }));
    },
  };
}

/**
 * What the built-in world's optimum of an objective depends on, null where settings leave none;
 * `lengths` (P, A) are tokens of answers. Objectives that are not here have no front of their own.
 */
const optima: Partial<
  Record<
    RunConfig["objective"],
    (
      config: EvaluationContext["config"],
      lengths: number[][],
    ) => { objective: string; beta: number; rpo?: ExactOptions["rpo"] } | null
  >
> = {
  // Of DPO's own loss alone: the others end elsewhere.
  dpo: ({ beta, rpo_alpha, loss_type, label_smoothing, aggregation }, lengths) =>
    loss_type === "sigmoid" && label_smoothing === 0 && knowsExactDpo(aggregation)
      ? { objective: "dpo", beta, rpo: { alpha: rpo_alpha, lengths } }
      : null,
  // The world's own rewards are the ones that are maximised only where none is scaled.
  ppo: ({ kl_coef, reward_scale }) =>
    kl_coef > 0 && reward_scale === undefined ? { objective: "rlhf", beta: kl_coef } : null,
};

function score(
  policy: Scorer,
  sequences: Sequence[],
  { grid, maxTokens, options }: { grid: number[][]; maxTokens: number; options: SessionOptions },
): Promise<Float32Array[]> {
  return scoreSequences(policy, sequences, grid, {
    rowLength: rowLengthFor(sequences, maxTokens),
    maxTokens,
    signal: options.signal,
    onProgress: (done, total) =>
      options.onEvent({ type: "progress", what: "Measuring the front", done, total }),
  });
}

/** At most `limit` pairs per dimension, drawn by the seed, in the order of the data. */
export function limitPairs(
  pairs: TokenizedPair[],
  { limit = Infinity, seed, dimensions }: {
    limit?: number;
    seed: number;
    dimensions: string[];
  },
): TokenizedPair[] {
  const room = dimensions.map(() => limit);
  const kept = [...new Random(seed).fork("test pairs").shuffle(pairs.length)].filter((p) => {
    const labelled = (pairs[p]?.better ?? []).flatMap((label, i) => label === null ? [] : [i]);
    if (!labelled.some((i) => (room[i] ?? 0) > 0)) return false;
    for (const i of labelled) room[i] = (room[i] ?? 0) - 1;
    return true;
  });
  return kept.sort((a, b) => a - b).flatMap((p) => pairs[p] ?? []);
}

function answerSequences(base: Base, prompt: WorldPrompt): Sequence[] {
  return prompt.answers.map(({ text }) => {
    const ids = base.tokenizer.encodeExchange(promptMessages(prompt), text);
    return { prompt: Int32Array.from(ids.prompt), response: Int32Array.from(ids.response) };
  });
}

/** Flat scores (P·A) as rows of each prompt's answers. */
function byPrompt(scores: Float32Array, prompts: WorldPrompt[]): number[][] {
  let start = 0;
  return prompts.map(({ answers }) => [...scores.subarray(start, start += answers.length)]);
}

/** Five preferences to show: evenly spaced for two dimensions, else corners and the middle. */
function samplePreferences(dimensions: number): number[][] {
  if (dimensions <= 2) return latticeGrid(dimensions, 5);
  return [...latticeGrid(dimensions, 2), new Array<number>(dimensions).fill(1 / dimensions)];
}

function indexOfLargest(values: number[]): number {
  return values.indexOf(Math.max(...values));
}
