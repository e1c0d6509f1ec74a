// How good a reward model is, from its scores of test pairs, per dimension: how often it ranks a pair
// as its label does, whether its probabilities are what they claim to be, and how the rewards of
// chosen and rejected responses are spread. The schema of reports/rewards.json; drawn by
// core/rewards/render.ts.
// Source: calibration error as Guo et al. 2017, eq. 3, on the confidence of the preferred response.
import { z } from "zod";
import { bootstrapMeans, type Outcomes } from "../front/bootstrap.ts";
import { DimensionDistributions, distributionsOf } from "../front/distributions.ts";
import { prefers } from "../objectives/bradley_terry.ts";
import { scoreMargin } from "../objectives/reward.ts";
import { Random } from "../random.ts";
import type { TokenizedPair } from "../text/example.ts";

/** Bins of confidence between 0.5, where it stops preferring, and 1. */
const BINS = 10;

const share = z.number().min(0).max(1);
const pairCount = z.number().int().nonnegative();

/** Pairs of similar confidence. */
export const CalibrationBin = z.strictObject({
  low: share.describe("confidences from here on"),
  high: share.describe("and below here; the last bin holds 1 too"),
  pairs: pairCount,
  confidence: share.describe("mean probability that the model gives the response it prefers"),
  accuracy: share.describe("mean share of labels that agree with it"),
});
export type CalibrationBin = z.infer<typeof CalibrationBin>;

/** One dimension of a reward model on test pairs. */
export const RewardQuality = z.strictObject({
  name: z.string(),
  pairs: pairCount.describe("labelled pairs, those as many labels prefer either way left out"),
  accuracy: share.describe("pairs ranked as most labels do; a tie is wrong"),
  low: share.describe("lower end of its 95 % interval, over prompts"),
  high: share.describe("upper end"),
  log_loss: z.number().nonnegative().describe("mean Bradley–Terry loss, in nats"),
  calibration_error: share.describe("mean distance of confidence and accuracy over the bins"),
  bins: z.array(CalibrationBin).describe("those that hold pairs, by rising confidence"),
  chosen: z.strictObject({ mean: z.number(), sd: z.number() }).describe("preferred responses"),
  rejected: z.strictObject({ mean: z.number(), sd: z.number() }).describe("the others"),
  distributions: DimensionDistributions.describe("two points: chosen, rejected"),
});
export type RewardQuality = z.infer<typeof RewardQuality>;

/** The one schema of reports/rewards.json. */
export const RewardReport = z.strictObject({
  format: z.literal("panacea-reward-report"),
  version: z.literal(1),
  model: z.string().describe("folder of the reward model"),
  step: z.number().int().nonnegative(),
  dataset: z.string().describe(
    "dataset option of the test pairs, or of the rows they are a share of",
  ),
  dataset_fingerprint: z.string(),
  dimensions: z.array(RewardQuality),
});
export type RewardReport = z.infer<typeof RewardReport>;

/**
 * The quality of every dimension from scores (2P, M) of pairs, in the order of their sequences; a
 * dimension that no pair labels is left out. Intervals are bootstrapped over the pairs' prompts.
 * Throws RangeError on a score that is not finite.
 */
export function rewardQualities(
  scores: Float32Array,
  pairs: Pick<TokenizedPair, "prompt" | "better">[],
  { dimensions, seed, resamples }: { dimensions: string[]; seed: number; resamples: number },
): RewardQuality[] {
  const prompts = promptNumbers(pairs);
  const M = dimensions.length;
  return dimensions.flatMap((name, i) => {
    const judged = pairs.flatMap(({ better }, p): JudgedPair[] => {
      const label = better[i] ?? null;
      if (label === null || label === 0.5) return [];
      const of = (s: number) => scores[(2 * p + s) * M + i] ?? NaN;
      const [chosen, rejected] = label < 0.5 ? [of(0), of(1)] : [of(1), of(0)];
      const margin = scoreMargin(scores, { p, i, M });
      return [{ margin, label, chosen, rejected, prompt: prompts[p] ?? 0 }];
    });
    if (judged.length === 0) return [];
    return [{ name, ...qualityOf(judged, { random: new Random(seed).fork(name), resamples }) }];
  });
}

/** A labelled pair as the model sees it. */
interface JudgedPair {
  margin: number; // of response 0 over response 1
  label: number; // share of labels for response 1
  chosen: number; // reward of what most labels prefer
  rejected: number;
  prompt: number;
}

function qualityOf(
  judged: JudgedPair[],
  options: { random: Random; resamples: number },
): Omit<RewardQuality, "name"> {
  const right: Outcomes = {
    values: [judged.map(({ margin, label }) => Number(prefers(margin, label)))],
    prompts: judged.map(({ prompt }) => prompt),
  };
  const chosen = judged.map((pair) => pair.chosen);
  const rejected = judged.map((pair) => pair.rejected);
  const distributions = distributionsOf({ values: [chosen, rejected] });
  const [interval = { low: NaN, high: NaN }] = bootstrapMeans(right, options);
  const bins = calibrationBins(judged);
  return {
    pairs: judged.length,
    accuracy: mean(right.values[0] ?? []),
    ...interval,
    log_loss: mean(judged.map(logLoss)),
    calibration_error: bins.reduce(
      (sum, { pairs, confidence, accuracy }) =>
        sum + pairs / judged.length * Math.abs(confidence - accuracy),
      0,
    ),
    bins,
    chosen: spread(chosen),
    rejected: spread(rejected),
    distributions,
  };
}

function calibrationBins(judged: JudgedPair[]): CalibrationBin[] {
  const members = Array.from({ length: BINS }, (): { sure: number; agreed: number }[] => []);
  for (const { margin, label } of judged) {
    const sure = 1 / (1 + Math.exp(-Math.abs(margin)));
    const agreed = margin === 0 ? 0.5 : margin > 0 ? 1 - label : label;
    const bin = Math.min(BINS - 1, Math.floor((sure - 0.5) * 2 * BINS));
    members[bin]?.push({ sure, agreed });
  }
  return members.flatMap((pairs, k) =>
    pairs.length === 0 ? [] : [{
      low: 0.5 + k / (2 * BINS),
      high: 0.5 + (k + 1) / (2 * BINS),
      pairs: pairs.length,
      confidence: mean(pairs.map(({ sure }) => sure)),
      accuracy: mean(pairs.map(({ agreed }) => agreed)),
    }]
  );
}

/** −log σ of the margin, mean over the labellers. */
function logLoss({ margin, label }: JudgedPair): number {
  return Math.max(0, -margin) + Math.log1p(Math.exp(-Math.abs(margin))) + label * margin;
}

function spread(values: number[]): { mean: number; sd: number } {
  const centre = mean(values);
  return { mean: centre, sd: Math.sqrt(mean(values.map((value) => (value - centre) ** 2))) };
}

function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}

/** Equal prompts get equal numbers, so that the bootstrap resamples their pairs together. */
function promptNumbers(pairs: Pick<TokenizedPair, "prompt">[]): number[] {
  const known = new Map<string, number>();
  return pairs.map(({ prompt }) => {
    const key = prompt.join(",");
    const number = known.get(key) ?? known.size;
    known.set(key, number);
    return number;
  });
}
