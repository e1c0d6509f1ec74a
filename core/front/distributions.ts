// How the values behind each point of a front are spread: a histogram and a few quantiles for every
// λ and dimension, with common bins, beside those of the model without adapter (figure 3 of the
// paper). Part of core/front/report where a point is a mean of rewards; drawn by
// core/front/distribution_panels.
// Quantiles are Hyndman and Fan's type 7 (The American Statistician 50, 1996), NumPy's default.
import { z } from "zod";
import type { Outcomes } from "./bootstrap.ts";

/** The shares of values below the quantiles that are kept; the third is the median. */
export const QUANTILE_LEVELS = [0.05, 0.25, 0.5, 0.75, 0.95];

/** About as many bins as this over the range of all values of a dimension. */
const BINS = 24;
const SMALLEST = 1e-90; // beyond it powers of ten lose their digits
const ROUNDING = 1e-9; // 0.3 / 0.1 falls short of 3

/** How a set of values is spread. */
export const Distribution = z.strictObject({
  counts: z.array(z.number()).describe("values in each bin"),
  quantiles: z.array(z.number()).describe(`at ${QUANTILE_LEVELS.join(", ")}`),
});
export type Distribution = z.infer<typeof Distribution>;

/** The distributions of one dimension. */
export const DimensionDistributions = z.strictObject({
  edges: z.array(z.number()).describe(
    "of the bins, one more than there are bins; a value on an edge lies in the bin above it",
  ),
  initial: Distribution.optional().describe("of the model without adapter"),
  points: z.array(Distribution).describe("in the order of the points"),
});
export type DimensionDistributions = z.infer<typeof DimensionDistributions>;

/**
 * The distributions of one dimension's outcomes at every point, and of `initial`. The bins are
 * common to all of them; their edges are multiples of 1, 2 or 5 times a power of ten. Throws
 * RangeError where there are no values or one is not finite.
 */
export function distributionsOf(
  { values }: Outcomes,
  initial?: ArrayLike<number>,
): DimensionDistributions {
  const rows = [...(initial === undefined ? [] : [initial]), ...values].map((row) =>
    Float64Array.from(row).sort()
  );
  const least = rows.reduce((least, row) => Math.min(least, row[0] ?? NaN), Infinity);
  const most = rows.reduce((most, row) => Math.max(most, row.at(-1) ?? NaN), -Infinity);
  if (!Number.isFinite(least) || !Number.isFinite(most)) {
    throw new RangeError(
      `Cannot count values: expected finite numbers, got values from ${least} to ${most}`,
    );
  }
  const edges = roundEdges(least, most);
  const all = rows.map((sorted): Distribution => ({
    counts: countBins(sorted, edges),
    quantiles: QUANTILE_LEVELS.map((level) => quantile(sorted, level)),
  }));
  const [first, ...others] = all;
  return initial === undefined || first === undefined
    ? { edges, points: all }
    : { edges, initial: first, points: others };
}

/** The quantile of sorted values (at least one) at a level in [0, 1], interpolated linearly. */
export function quantile(sorted: ArrayLike<number>, level: number): number {
  const place = (sorted.length - 1) * level;
  const below = sorted[Math.floor(place)] ?? NaN;
  const above = sorted[Math.ceil(place)] ?? NaN;
  return below + (place - Math.floor(place)) * (above - below);
}

/** Edges at round numbers, the first at or below `least`, the last above `most`. */
function roundEdges(least: number, most: number): number[] {
  // Values that differ by rounding alone share a bin.
  const size = Math.max(Math.abs(least), Math.abs(most), SMALLEST);
  const extent = most - least > 1e-9 * size ? most - least : size > SMALLEST ? size : 1;
  const rough = extent / BINS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const share = rough / power; // to the nearest of 1, 2, 5 and 10 in ratio
  const step = power *
    (share < Math.sqrt(2) ? 1 : share < Math.sqrt(10) ? 2 : share < Math.sqrt(50) ? 5 : 10);
  // Edges are multiples of 10^digits, so that 0.3 does not become 0.30000000000000004.
  const digits = Math.max(0, Math.ceil(-Math.log10(power)));
  const first = Math.floor(least / step + ROUNDING);
  const count = Math.floor(most / step + ROUNDING) - first + 1;
  return Array.from({ length: count + 1 }, (_, k) => {
    const edge = (first + k) * step;
    return digits <= 100 ? Number(edge.toFixed(digits)) : edge;
  });
}

function countBins(sorted: Float64Array, edges: number[]): number[] {
  const counts = new Array<number>(edges.length - 1).fill(0);
  let bin = 0;
  for (const value of sorted) {
    while (bin < counts.length - 1 && value >= (edges[bin + 1] ?? Infinity)) bin++;
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts;
}
