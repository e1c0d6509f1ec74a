// The second term of DPO with rpo_alpha (Pang et al. 2024), on finite answer sets: of every pair,
// −log π(preferred) per token, mean over the labellers. Here π is the softmax of
// log π_ref + v/β over the answers of a prompt, v being tabular DPO's table of implicit rewards.
// Added to every dimension's loss by tabular_dpo.ts; convex in v like the rest.
import type { PairPopulation } from "./tabular_dpo.ts";

/** What the term needs besides the pairs; answers are numbered across all prompts. */
export interface Likelihood {
  rpoAlpha: number;
  beta: number;
  /** log π_ref of every answer, up to a constant per prompt. */
  reference: number[];
  /** Tokens of every answer. */
  lengths: number[];
}

/** The term for one population. */
export interface LikelihoodTerm {
  /** Adds the term to losses (M) and gradients (M, answers) at v. */
  addTo(values: Float64Array, state: { losses: number[]; gradients: Float64Array[] }): void;
  /** Adds Σ_i weights_i · Hessian_i at v to the blocks (answers × answers) of the prompts. */
  addCurvature(values: Float64Array, options: { weights: number[]; blocks: number[][][] }): void;
}

/** The term, or null where the population has none. */
export function likelihoodTerm(population: PairPopulation): LikelihoodTerm | null {
  const { likelihood } = population;
  if (likelihood === undefined || likelihood.rpoAlpha === 0) return null;
  const { beta, reference } = likelihood;
  const wanted = wantedAnswers(population, likelihood);
  const offsets = offsetsOf(population);

  function logPolicy(values: Float64Array, prompt: number): number[] {
    const from = offsets[prompt] ?? 0;
    const logits = Array.from(
      { length: population.answersPerPrompt[prompt] ?? 0 },
      (_, a) => (reference[from + a] ?? 0) + (values[from + a] ?? 0) / beta,
    );
    const top = Math.max(...logits);
    const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0));
    return logits.map((logit) => logit - top - total);
  }

  return {
    addTo(values, { losses, gradients }) {
      population.answersPerPrompt.forEach((_, prompt) => {
        const from = offsets[prompt] ?? 0;
        const logPi = logPolicy(values, prompt);
        wanted.forEach((weights, i) => {
          const mass = logPi.reduce((sum, _, a) => sum + (weights[from + a] ?? 0), 0);
          logPi.forEach((logProb, a) => {
            const weight = weights[from + a] ?? 0;
            losses[i] = (losses[i] ?? 0) - weight * logProb;
            const gradient = gradients[i];
            if (gradient === undefined) return;
            gradient[from + a] = (gradient[from + a] ?? 0) -
              (weight - mass * Math.exp(logProb)) / beta;
          });
        });
      });
    },

    addCurvature(values, { weights, blocks }) {
      blocks.forEach((block, prompt) => {
        const from = offsets[prompt] ?? 0;
        const policy = logPolicy(values, prompt).map(Math.exp);
        const mass = wanted.reduce(
          (sum, row, i) =>
            sum + (weights[i] ?? 0) * policy.reduce((own, _, a) => own + (row[from + a] ?? 0), 0),
          0,
        ) / beta ** 2;
        block.forEach((line, a) =>
          line.forEach((value, b) => {
            const pi = policy[a] ?? 0;
            line[b] = value + mass * ((a === b ? pi : 0) - pi * (policy[b] ?? 0));
          })
        );
      });
    },
  };
}

/** How strongly each answer's log π is wanted, by dimension (M, answers): constant in v. */
function wantedAnswers(
  { pairs, answersPerPrompt }: PairPopulation,
  { rpoAlpha, lengths }: Likelihood,
): Float64Array[] {
  const answers = answersPerPrompt.reduce((sum, count) => sum + count, 0);
  const m = pairs[0]?.probabilities.length ?? 0;
  const wanted = Array.from({ length: m }, () => new Float64Array(answers));
  for (const { first, second, probabilities } of pairs) {
    probabilities.forEach((p, i) => {
      const row = wanted[i];
      if (row === undefined) return;
      const share = rpoAlpha / pairs.length;
      row[first] = (row[first] ?? 0) + share * p / (lengths[first] ?? NaN);
      row[second] = (row[second] ?? 0) + share * (1 - p) / (lengths[second] ?? NaN);
    });
  }
  return wanted;
}

function offsetsOf({ answersPerPrompt }: PairPopulation): number[] {
  let next = 0;
  return answersPerPrompt.map((count) => (next += count) - count);
}
