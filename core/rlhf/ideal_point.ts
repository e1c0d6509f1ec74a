// The ideal point z of Tchebycheff (eq. 7 and 13) and its relatives with rewards: a bound from above
// on the reward of every dimension. Nobody knows a reward model's maximum, so it is tracked: what was
// seen so far, and a margin. A bound that lies below a reward would turn the objective round, so that
// the dimension with the smallest weight would drive it; a given one that does is refused.
import { z } from "zod";
import { InputError } from "../errors.ts";

/** The rewards seen so far by dimension. */
export const RewardRange = z.strictObject({
  lowest: z.array(z.number()), // (M)
  highest: z.array(z.number()), // (M)
});
export type RewardRange = z.infer<typeof RewardRange>;

/** How far above the highest reward z lies, as a share of the range seen. */
const MARGIN = 0.05;

/** `range` (null: nothing seen yet) with further rewards (N, M) in it. */
export function widenRange(range: RewardRange | null, rewards: number[][]): RewardRange {
  const rows = range === null ? rewards : [range.lowest, range.highest, ...rewards];
  const extreme = (pick: (...values: number[]) => number) =>
    (rows[0] ?? []).map((_, i) =>
      rows.reduce((best, row) => pick(best, row[i] ?? NaN), rows[0]?.[i] ?? NaN)
    );
  return { lowest: extreme(Math.min), highest: extreme(Math.max) };
}

/**
 * z (M): `given` where there is one, otherwise the highest rewards seen and a margin above them.
 * Throws InputError, naming the dimension, for a given one that a reward seen lies above.
 */
export function idealPoint(
  { lowest, highest }: RewardRange,
  { given, dimensions }: { given?: number[]; dimensions: string[] },
): number[] {
  if (given === undefined) {
    return highest.map((high, i) => high + MARGIN * (high - (lowest[i] ?? high)));
  }
  const below = given.findIndex((bound, i) => bound < (highest[i] ?? -Infinity));
  if (below < 0) return given;
  throw new InputError(
    `Cannot use the ideal point: expected a bound on every reward of ${dimensions[below]}, ` +
      `got ${given[below]} below a reward of ${highest[below]}`,
  );
}

/** The option ideal_point, `helpful=1,harmless=1`, as bounds (M); throws InputError. */
export function parseIdealPoint(text: string, dimensions: string[]): number[] {
  const bounds = new Map<string, number>();
  for (const part of text.split(",")) {
    const at = part.lastIndexOf("=");
    const name = part.slice(0, Math.max(at, 0)).trim();
    const value = Number(part.slice(at + 1).trim() || NaN);
    if (dimensions.includes(name) && Number.isFinite(value) && !bounds.has(name)) {
      bounds.set(name, value);
      continue;
    }
    throw new InputError(
      `Cannot read ideal_point: expected name=bound once for each of ${dimensions.join(", ")}, ` +
        `got ${JSON.stringify(part.trim())}`,
    );
  }
  return dimensions.map((name) => {
    const bound = bounds.get(name);
    if (bound !== undefined) return bound;
    throw new InputError(
      `Cannot read ideal_point: expected a bound for ${name}, got ${JSON.stringify(text)}`,
    );
  });
}
