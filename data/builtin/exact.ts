// The truth about the built-in world: on its finite answer sets, the policy that DPO (eq. 14, 16)
// or RLHF (eq. 12, 13) would end at for a preference, had it no limits, and with it the exact
// Pareto front in expected reward. A trained adapter is measured against it, by the same
// expectedRewards(). Everything is plain numbers: no engine, no sampling.
import type { AggregationSettings } from "../../core/aggregation/aggregation.ts";
import { aggregationOf, aggregations } from "../../core/aggregation/mod.ts";
import { RunConfig } from "../../core/config.ts";
import { type Labellers, scalarProbability } from "./labellers.ts";
import { LABEL_SCALE, labelProbability } from "./labels.ts";
import { answerPairs } from "./preferences.ts";
import { tabularAggregations } from "./scalarisation.ts";
import { type PairPopulation, solveTabularDpo } from "./tabular_dpo.ts";
import type { WorldPrompt } from "./world.ts";

/** What an exact solution depends on beside the prompts. */
export interface ExactOptions {
  /** log π_ref of every answer of every prompt, up to a constant per prompt. */
  reference: number[][]; // (P, A)
  beta: number;
  /** Name of the aggregation (default `ls`), and what it depends on (default: a run's defaults). */
  aggregation?: string;
  aggregationSettings?: AggregationSettings;
  /** Weight of −log π per token beside DPO's loss, with the tokens of every answer (P, A). */
  rpo?: { alpha: number; lengths: number[][] };
  /** Log-odds of a label per unit of reward, as the pairs were drawn; DPO only. */
  labelScale?: number;
  /** Who gave every pair one scalar label, in place of one label per dimension; DPO only. */
  labellers?: Labellers;
}

/** The best policy for one preference. */
export interface ExactPoint {
  preference: number[]; // (M)
  /** Expected reward per dimension. */
  values: number[]; // (M)
  /** log π of every answer among the answers of its prompt. */
  logProbs: number[][]; // (P, A)
  /** Largest gradient entry and duality gap of the convex solver; 0 where the form is closed. */
  certificate: { gradientNorm: number; gap: number };
}

/** Best policies by objective: each takes prompts and options and solves for one preference. */
export const exactObjectives: Record<
  string,
  (prompts: WorldPrompt[], options: ExactOptions & { preference: number[] }) => ExactPoint
> = { dpo: exactDpo, rlhf: exactRlhf };

/**
 * The exact front over a grid of preferences (N, M), in the order of the grid.
 * Throws RangeError on an unknown objective or aggregation, TypeError on a reference of another
 * shape than the answers.
 */
export function exactFront(
  prompts: WorldPrompt[],
  { objective, grid, ...options }: ExactOptions & { objective: string; grid: number[][] },
): ExactPoint[] {
  const solve = exactObjectives[objective];
  if (solve === undefined) {
    throw new RangeError(
      `Cannot compute the exact front: expected an objective among ${
        Object.keys(exactObjectives).join(", ")
      }, got ${objective}`,
    );
  }
  return grid.map((preference) => solve(prompts, { ...options, preference }));
}

/**
 * The optimum of aggregated DPO over the population of pairs: every pair of answers of every
 * prompt, labelled with the Bradley–Terry probabilities that builtinPreferences() samples from.
 * DPO fixes log π/π_ref up to a constant per prompt; normalising over the answers fixes that.
 */
export function exactDpo(
  prompts: WorldPrompt[],
  options: ExactOptions & { preference: number[] },
): ExactPoint {
  const { reference, beta, preference, aggregation = "ls", labelScale = LABEL_SCALE } = options;
  const { rpo, labellers, aggregationSettings: settings } = options;
  const population = pairPopulation(prompts, { labelScale, labellers });
  if (rpo) {
    const lengths = rpo.lengths.flat();
    population.likelihood = { rpoAlpha: rpo.alpha, beta, reference: reference.flat(), lengths };
  }
  const solution = solveTabularDpo(population, { preference, aggregation, settings });
  let index = 0;
  const implicit = prompts.map(({ answers }) => answers.map(() => solution.values[index++] ?? 0));
  const logProbs = tiltedPolicy(prompts, { reference, beta, scores: implicit });
  const { gradientNorm, gap } = solution;
  const values = expectedRewards(logProbs, prompts);
  return { preference, values, logProbs, certificate: { gradientNorm, gap } };
}

/** Whether the optimum of DPO is known under an aggregation; that of RLHF always is. */
export function knowsExactDpo(aggregation: string): boolean {
  return Object.hasOwn(tabularAggregations, aggregation);
}

/**
 * The optimum of KL-regularised RLHF: π ∝ π_ref·exp(r/β) with r the aggregated reward, eq. 12 for LS
 * and eq. 13 for Tche; the ideal point is z = 1, which no reward of the world exceeds.
 */
export function exactRlhf(
  prompts: WorldPrompt[],
  options: ExactOptions & { preference: number[] },
): ExactPoint {
  const { reference, beta, preference, aggregation = "ls" } = options;
  if (!isAggregation(aggregation)) {
    throw new RangeError(
      `Cannot solve RLHF: expected an aggregation among ${
        Object.keys(aggregations).join(", ")
      }, got ${aggregation}`,
    );
  }
  const settings = options.aggregationSettings ?? RunConfig.parse({});
  const { reward } = aggregationOf({ ...settings, aggregation });
  const idealPoint = preference.map(() => 1);
  const scores = prompts.map(({ answers }) =>
    answers.map(({ rewards }) => reward(rewards, preference, { idealPoint }))
  );
  const logProbs = tiltedPolicy(prompts, { reference, beta, scores });
  const certificate = { gradientNorm: 0, gap: 0 };
  return { preference, values: expectedRewards(logProbs, prompts), logProbs, certificate };
}

/**
 * Expected reward per dimension (M) of a policy restricted to the answer sets: the mean over
 * prompts of Σ_a π(a)·r(a) with π the softmax of `logProbs` (P, A) over the answers of a prompt.
 * The log-probabilities may be sums over tokens, not normalised over the set.
 * Throws TypeError when the shape is not that of the answers, RangeError on a value that is not finite.
 */
export function expectedRewards(logProbs: number[][], prompts: WorldPrompt[]): number[] {
  checkShape(logProbs, prompts);
  const totals = (prompts[0]?.answers[0]?.rewards ?? []).map(() => 0);
  prompts.forEach(({ answers }, p) => {
    normalise(logProbs[p] ?? []).forEach((logProb, a) =>
      answers[a]?.rewards.forEach((reward, i) =>
        totals[i] = (totals[i] ?? 0) + Math.exp(logProb) * reward / prompts.length
      )
    );
  });
  return totals;
}

/** Every pair of answers of every prompt with its label probabilities; see builtinPreferences(). */
export function pairPopulation(
  prompts: WorldPrompt[],
  { labelScale = LABEL_SCALE, labellers }: { labelScale?: number; labellers?: Labellers } = {},
): PairPopulation {
  const probabilitiesOf = (left: number[], right: number[]) => {
    const scalar = labellers && scalarProbability(labellers, { left, right, labelScale });
    return left.map((reward, i) => scalar ?? labelProbability(reward, right[i] ?? 0, labelScale));
  };
  let offset = 0;
  const pairs = prompts.flatMap((prompt) => {
    const { answers } = prompt;
    const base = offset;
    offset += answers.length;
    return answerPairs(prompt).map(([a, b]) => ({
      first: base + a,
      second: base + b,
      probabilities: probabilitiesOf(answers[a]?.rewards ?? [], answers[b]?.rewards ?? []),
    }));
  });
  return { answersPerPrompt: prompts.map(({ answers }) => answers.length), pairs };
}

/** log π with π ∝ π_ref·exp(score/β) on every answer set. */
function tiltedPolicy(
  prompts: WorldPrompt[],
  { reference, beta, scores }: { reference: number[][]; beta: number; scores: number[][] },
): number[][] {
  if (!(beta > 0 && beta < Infinity)) {
    throw new RangeError(`Cannot solve for the best policy: expected beta > 0, got ${beta}`);
  }
  checkShape(reference, prompts);
  return reference.map((row, p) =>
    normalise(row.map((logProb, a) => logProb + (scores[p]?.[a] ?? 0) / beta))
  );
}

function isAggregation(name: string): name is keyof typeof aggregations {
  return Object.hasOwn(aggregations, name);
}

function normalise(logits: number[]): number[] {
  const top = Math.max(...logits);
  const total = Math.log(logits.reduce((sum, value) => sum + Math.exp(value - top), 0));
  return logits.map((value) => value - top - total);
}

function checkShape(logProbs: number[][], prompts: WorldPrompt[]): void {
  prompts.forEach(({ answers }, p) => {
    const row = logProbs[p] ?? [];
    if (logProbs.length !== prompts.length || row.length !== answers.length) {
      throw new TypeError(
        `Cannot read log-probabilities of answers: expected ${prompts.length} prompts and ` +
          `${answers.length} answers to prompt ${p}, got ${logProbs.length} and ${row.length}`,
      );
    }
    const wrong = row.find((value) => !Number.isFinite(value));
    if (wrong !== undefined) {
      throw new RangeError(
        `Cannot read log-probabilities of answers: expected finite values, got ${wrong} for ` +
          `prompt ${p}`,
      );
    }
  });
}
