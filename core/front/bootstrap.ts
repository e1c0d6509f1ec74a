// Percentile bootstrap over prompts: how far the mean outcome of each front point would move with
// other test prompts. Used by core/front/report for the intervals of the points and by
// core/front/controllability for the difference between the two ends of a dimension.
// Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
import { quantileSorted } from "simple-statistics";
import type { Random } from "../random.ts";

/**
 * What one dimension's test items gave at every front point: 0 or 1 for an accuracy, any number
 * for a reward. `prompts` numbers each item's prompt where several items share one; without it
 * every item is a prompt of its own. All items of a prompt are resampled together.
 */
export interface Outcomes {
  values: ArrayLike<number>[]; // (N) rows of (items)
  prompts?: ArrayLike<number>; // (items)
}

/** How many resamples, at which confidence level, from which stream. */
export interface BootstrapOptions {
  random: Random;
  resamples?: number;
  level?: number;
}

/** An interval of the percentile bootstrap. */
export interface Interval {
  low: number;
  high: number;
}

/**
 * The mean outcome of each front point: (N). Throws RangeError where there are no items or one is
 * not finite, TypeError where the rows differ in length.
 */
export function meanOutcomes(outcomes: Outcomes): number[] {
  const { sums, counts } = sumByPrompt(outcomes);
  const items = total(counts);
  return sums.map((row) => total(row) / items);
}

/**
 * Percentile intervals of linear `contrasts` (C, N) of the points' means: for each contrast c, of
 * Σ_n c_n · mean_n. Every point sees the same resampled prompts, so that differences between
 * points are paired. With 0 resamples both ends are the value itself. The result is (C) long.
 */
export function bootstrapContrasts(
  outcomes: Outcomes,
  contrasts: number[][],
  { random, resamples = 1000, level = 0.95 }: BootstrapOptions,
): Interval[] {
  if (!Number.isInteger(resamples) || resamples < 0 || !(level > 0 && level < 1)) {
    throw new RangeError(
      `Cannot bootstrap: expected resamples ≥ 0 and a level in (0, 1), got ${resamples} and ${level}`,
    );
  }
  const { sums, counts } = sumByPrompt(outcomes);
  // A contrast is linear, so it can be taken prompt by prompt, before any resampling.
  const combined = contrasts.map((contrast) => combine(sums, contrast));
  if (resamples === 0) {
    const items = total(counts);
    return combined.map((row) => ({ low: total(row) / items, high: total(row) / items }));
  }
  const contrasted = combined.map((row) => ({ row, means: new Float64Array(resamples) }));
  const drawn = new Int32Array(counts.length);
  for (let b = 0; b < resamples; b++) {
    let items = 0;
    for (let k = 0; k < drawn.length; k++) {
      const prompt = random.integer(counts.length);
      drawn[k] = prompt;
      items += counts[prompt] ?? 0;
    }
    for (const { row, means } of contrasted) {
      let sum = 0;
      for (const prompt of drawn) sum += row[prompt] ?? 0;
      means[b] = sum / items;
    }
  }
  const tail = (1 - level) / 2;
  return contrasted.map(({ means }) => {
    const sorted = Array.from(means.sort());
    return { low: quantileSorted(sorted, tail), high: quantileSorted(sorted, 1 - tail) };
  });
}

/** Percentile intervals of the mean outcome of each front point: (N). */
export function bootstrapMeans(outcomes: Outcomes, options: BootstrapOptions): Interval[] {
  const n = outcomes.values.length;
  const each = Array.from(
    { length: n },
    (_, i) => Array.from({ length: n }, (_, j) => (i === j ? 1 : 0)),
  );
  return bootstrapContrasts(outcomes, each, options);
}

/** The number of distinct prompts among the items. */
export function countPrompts({ values, prompts }: Outcomes): number {
  return prompts ? new Set(Array.from(prompts)).size : values[0]?.length ?? 0;
}

/** Sums (N, P) and numbers (P) of the items of each of P prompts. */
function sumByPrompt({ values, prompts }: Outcomes): {
  sums: Float64Array[];
  counts: Float64Array;
} {
  const items = values[0]?.length ?? 0;
  if (items === 0) throw new RangeError("Cannot average outcomes: expected at least 1 item, got 0");
  if (values.some((row) => row.length !== items) || (prompts && prompts.length !== items)) {
    throw new TypeError(
      `Cannot average outcomes: expected ${items} items in every row, ` +
        `got ${values.map((row) => row.length).join(", ")}` +
        (prompts ? ` and ${prompts.length} prompts` : ""),
    );
  }
  const slots = new Map<number, number>();
  const slotOf = Int32Array.from({ length: items }, (_, item) => {
    const prompt = prompts?.[item] ?? item;
    const slot = slots.get(prompt) ?? slots.size;
    slots.set(prompt, slot);
    return slot;
  });
  const counts = new Float64Array(slots.size);
  for (const slot of slotOf) counts[slot] = (counts[slot] ?? 0) + 1;
  const sums = values.map((row) => {
    const sum = new Float64Array(slots.size);
    for (const [item, slot] of slotOf.entries()) {
      const value = row[item] ?? NaN;
      if (!Number.isFinite(value)) {
        throw new RangeError(`Cannot average outcomes: expected finite numbers, got ${value}`);
      }
      sum[slot] = (sum[slot] ?? 0) + value;
    }
    return sum;
  });
  return { sums, counts };
}

/** Σ_n contrast_n · sums_n, prompt by prompt: (P). */
function combine(sums: Float64Array[], contrast: number[]): Float64Array {
  const combined = new Float64Array(sums[0]?.length ?? 0);
  for (const [n, row] of sums.entries()) {
    const weight = contrast[n] ?? 0;
    if (weight === 0) continue;
    for (const [p, value] of row.entries()) combined[p] = (combined[p] ?? 0) + weight * value;
  }
  return combined;
}

function total(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}
