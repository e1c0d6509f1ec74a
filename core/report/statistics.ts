// What a few seeds tell about a method: mean and confidence interval of one indicator, and of the
// difference between two methods that were run with the same seeds. Used by core/report/summary.
// Source: Student, "The probable error of a mean", Biometrika 6 (1908); the distribution's finite
// series for whole degrees of freedom is 26.7.3 and 26.7.4 of Abramowitz and Stegun (1964).
import { z } from "zod";

/** Mean over seeds; `low` and `high` are null where fewer than two seeds leave no interval. */
export const SeedInterval = z.strictObject({
  mean: z.number(),
  low: z.number().nullable(),
  high: z.number().nullable(),
  seeds: z.number().int().positive(),
});
export type SeedInterval = z.infer<typeof SeedInterval>;

/**
 * Mean of `values` (one per seed) with Student's interval of confidence `level`, which takes the
 * values for independent and normal. Throws RangeError without values or where one is not finite.
 */
export function seedInterval(values: number[], { level = 0.95 } = {}): SeedInterval {
  const seeds = values.length;
  if (seeds === 0 || !values.every(Number.isFinite)) {
    throw new RangeError(
      `Cannot average over seeds: expected finite numbers, got [${values.join(", ")}]`,
    );
  }
  const mean = values.reduce((sum, value) => sum + value, 0) / seeds;
  if (seeds === 1) return { mean, low: null, high: null, seeds };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (seeds - 1);
  const reach = studentQuantile(level, seeds - 1) * Math.sqrt(variance / seeds);
  return { mean, low: mean - reach, high: mean + reach, seeds };
}

/**
 * The interval of a − b over the seeds that both have, matched by seed: what the seeds share (test
 * prompts, order of the data) falls out. Null where they share none.
 */
export function pairedInterval(
  a: Map<number, number>,
  b: Map<number, number>,
  { level = 0.95 } = {},
): SeedInterval | null {
  const differences = [...a].flatMap(([seed, value]) => {
    const other = b.get(seed);
    return other === undefined ? [] : [value - other];
  });
  return differences.length === 0 ? null : seedInterval(differences, { level });
}

/** t with P(|T| < t) = `level` for Student's T with whole `degrees` of freedom ≥ 1. */
export function studentQuantile(level: number, degrees: number): number {
  if (!(level > 0 && level < 1) || !Number.isInteger(degrees) || degrees < 1) {
    throw new RangeError(
      `Cannot find Student's quantile: expected a level in (0, 1) and whole degrees of freedom, ` +
        `got ${level} and ${degrees}`,
    );
  }
  // Bisection in the angle θ = atan(t/√ν), in which the probability rises smoothly from 0 to 1.
  let [low, high] = [0, Math.PI / 2];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (within(middle, degrees) < level) low = middle;
    else high = middle;
  }
  return Math.sqrt(degrees) * Math.tan((low + high) / 2);
}

/** P(|T| < √ν·tan θ). */
function within(theta: number, degrees: number): number {
  const [sine, cosine] = [Math.sin(theta), Math.cos(theta)];
  const odd = degrees % 2 === 1;
  let term = odd ? cosine : 1; // of the series in powers of cos θ
  let sum = 0;
  for (let power = odd ? 1 : 0; power <= degrees - 2; power += 2) {
    sum += term;
    term *= cosine ** 2 * (power + 1) / (power + 2);
  }
  return odd ? 2 / Math.PI * (theta + sine * sum) : sine * sum;
}
