// What there is to tell of an iteration of PPO: the columns of the metric rows, and the vitals that
// health.ts looks at. After experience.ts, which the numbers are taken from.
import type { Experience } from "./experience.ts";
import { explainedVariance } from "../objectives/advantages.ts";
import { valueLoss } from "../objectives/ppo.ts";
import type { Vitals } from "./health.ts";

/**
 * Columns by name. `kl` and `length` are means over responses, `kl/<dimension>` the same weighted by
 * each response's λ for that dimension: what responses are like that the dimension matters to.
 */
export function experienceMetrics(
  experience: Experience,
  { clipped, dimensions }: { clipped: Float32Array; dimensions: string[] },
): Record<string, number> {
  const { rewards, scores, preferences, ended, values, returns } = experience;
  const metrics: Record<string, number> = {
    reward: mean(scores),
    ended: mean(ended.map(Number)),
    entropy: tokenEntropy(experience.logProbs),
    decoder_gap: decoderGap(experience),
    ...columns("reward", dimensions.map((_, i) => mean(rewards.map((row) => row[i] ?? NaN)))),
  };
  const each = {
    kl: klOfEach(experience),
    length: experience.sequences.map(({ response }) => response.length),
    clip_fraction: [...clipped],
  };
  const shares = dimensions.map((_, i) => preferences.map((row) => row[i] ?? 0));
  for (const [name, numbers] of Object.entries(each)) {
    metrics[name] = mean(numbers);
    Object.assign(metrics, columns(name, shares.map((share) => mean(numbers, share))));
  }
  metrics.explained_variance = explainedVariance(values, returns);
  const explained = shares.map((share) => explainedVariance(values, returns, share));
  return { ...metrics, ...columns("explained_variance", explained) };

  function columns(name: string, byDimension: number[]): Record<string, number> {
    return Object.fromEntries(
      dimensions.map((dim, i) => [`${name}/${dim}`, byDimension[i] ?? NaN]),
    );
  }
}

/** What says whether the run is well. */
export function vitalsOf(
  experience: Experience,
  { vocabSize }: { vocabSize: number }, // V
): Vitals {
  const { ended, responses, values, returns } = experience;
  const kl = klOfEach(experience);
  const average = mean(kl);
  const variance = mean(kl.map((value) => (value - average) ** 2));
  const squares = returns.map((list) => list.map((value) => value ** 2 / 2));
  return {
    kl: average,
    klError: Math.sqrt(variance / kl.length),
    entropy: tokenEntropy(experience.logProbs),
    surprise: tokenEntropy(experience.referenceLogProbs),
    chance: Math.log(vocabSize),
    empty: mean(responses.map(({ response }) => Number(response.trim() === ""))),
    ended: mean(ended.map(Number)),
    valueLoss: valueLoss(values, { oldValues: values, returns, cliprangeValue: 1 }).loss,
    returnSquares: mean(squares.flatMap((list) => [...list])),
    decoderGap: decoderGap(experience),
  };
}

/** Mean |difference| of log π between decoder and engine, over the tokens where both gave it. */
function decoderGap({ decoderLogProbs, logProbs }: Experience): number {
  const gaps = decoderLogProbs.flatMap((list, s) =>
    Array.from(list ?? [], (value, t) => Math.abs(value - (logProbs[s]?.[t] ?? NaN)))
  );
  return gaps.length === 0 ? 0 : mean(gaps);
}

/** log π − log π_ref of each response. */
function klOfEach({ logProbs, referenceLogProbs }: Experience): number[] {
  return logProbs.map((list, s) => sum(list) - sum(referenceLogProbs[s] ?? new Float32Array()));
}

/** Mean −log π of all tokens: what they carry, as the model that gave `logProbs` sees it. */
function tokenEntropy(logProbs: Float32Array[]): number {
  const count = logProbs.reduce((total, { length }) => total + length, 0);
  return -logProbs.reduce((total, list) => total + sum(list), 0) / count;
}

function sum(list: Float32Array): number {
  let total = 0;
  for (const value of list) total += value;
  return total;
}

/** The weighted mean; NaN where all weights are 0. */
function mean(numbers: number[], weights: number[] = numbers.map(() => 1)): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return numbers.reduce((sum, value, i) => sum + value * (weights[i] ?? 0), 0) / total;
}
