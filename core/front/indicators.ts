// Indicators of a front: how large, how well controlled and how evenly spread a set of points is.
// Larger values are better in every dimension. core/front/report calls each entry of the table on
// the points of the preference grid. The hypervolume is WFG's exclusive-volume recursion (While,
// Bradstreet and Barone, IEEE TEC 16, 2012), sliced along the last dimension.
import { z } from "zod";

/** A set of points with what the indicators refer to. */
export interface FrontPoints {
  points: number[][]; // (N, M)
  preferences: number[][]; // (N, M)
  referencePoint: number[]; // (M), fixed before the points are known
}

/** One indicator: a number, or one number per dimension, with its place in the report's schema. */
export interface Indicator<T extends number | number[]> {
  description: string;
  schema: z.ZodType<T>;
  compute(front: FrontPoints): T;
}

/** Every indicator by its name in the report. */
export const indicators = {
  hypervolume: {
    description: "volume between the points and the reference point",
    schema: z.number(),
    compute: ({ points, referencePoint }) => hypervolume(points, referencePoint),
  } satisfies Indicator<number>,
  innerProduct: {
    description: "mean of Σ λ_i J_i over the grid",
    schema: z.number(),
    compute: ({ points, preferences }) => innerProduct(points, preferences),
  } satisfies Indicator<number>,
  sparsity: {
    description: "mean squared gap between neighbours (Xu et al. 2020, PGMORL)",
    schema: z.number(),
    compute: ({ points }) => sparsity(points),
  } satisfies Indicator<number>,
  spacing: {
    description: "spread of the distances to the nearest neighbour (Schott 1995)",
    schema: z.number(),
    compute: ({ points }) => spacing(points),
  } satisfies Indicator<number>,
  span: {
    description: "largest less smallest value of each dimension",
    schema: z.array(z.number()),
    compute: ({ points, referencePoint }) => span(points, referencePoint.length),
  } satisfies Indicator<number[]>,
  dominatedShare: {
    description: "share of points that another point dominates",
    schema: z.number(),
    compute: ({ points }) => dominatedShare(points),
  } satisfies Indicator<number>,
};

/**
 * The volume of the region that `points` (N, M) dominate and that dominates `referencePoint` (M),
 * exact; 0 for an empty front. Points that do not exceed the reference point in every dimension
 * add nothing. Throws TypeError for points of another length or not finite. The time grows steeply
 * with M: a spherical front of 1001 points takes 0.3 s for M = 5.
 */
export function hypervolume(points: number[][], referencePoint: number[]): number {
  const m = referencePoint.length;
  const above: number[][] = [];
  for (const point of points) {
    if (point.length !== m || !point.every(Number.isFinite)) {
      throw new TypeError(
        `Cannot compute the hypervolume: expected points of ${m} finite numbers, ` +
          `got [${point.join(", ")}]`,
      );
    }
    const shifted = point.map((value, i) => value - at(referencePoint, i));
    if (shifted.every((value) => value > 0)) above.push(shifted);
  }
  return volume(nondominated(above), m);
}

/** The mean over the grid of λ · J, for `points` and `preferences` (N, M); 0 for an empty front. */
export function innerProduct(points: number[][], preferences: number[][]): number {
  if (points.length === 0) return 0;
  const products = points.map((point, n) =>
    point.reduce((sum, value, i) => sum + value * at(preferences[n] ?? [], i), 0)
  );
  return products.reduce((sum, product) => sum + product, 0) / products.length;
}

/**
 * Sparsity of Xu et al. (2020, "Prediction-guided multi-objective reinforcement learning", PGMORL):
 * over the non-dominated points S, 1/(|S|−1) Σ_i Σ_k (J_i(k) − J_i(k+1))² with the values of each
 * dimension sorted. Smaller is denser; 0 with fewer than two distinct non-dominated points.
 */
export function sparsity(points: number[][]): number {
  const front = nondominated(points);
  if (front.length < 2) return 0;
  let total = 0;
  for (let i = 0; i < (front[0]?.length ?? 0); i++) {
    const sorted = front.map((point) => at(point, i)).sort((a, b) => a - b);
    for (let k = 1; k < sorted.length; k++) total += (at(sorted, k) - at(sorted, k - 1)) ** 2;
  }
  return total / (front.length - 1);
}

/**
 * Spacing of Schott (1995): the sample standard deviation, over the non-dominated points, of the
 * city-block distance to the nearest other. 0 is even; 0 with fewer than two such points.
 */
export function spacing(points: number[][]): number {
  const front = nondominated(points);
  if (front.length < 2) return 0;
  const nearest = front.map((point, n) =>
    Math.min(...front.filter((_, k) => k !== n).map((other) => cityBlock(point, other)))
  );
  const mean = nearest.reduce((sum, d) => sum + d, 0) / nearest.length;
  return Math.sqrt(nearest.reduce((sum, d) => sum + (d - mean) ** 2, 0) / (nearest.length - 1));
}

/** The largest less the smallest value of each of `m` dimensions: (M); zeros for an empty front. */
export function span(points: number[][], m: number): number[] {
  return Array.from({ length: m }, (_, i) => {
    const values = points.map((point) => at(point, i));
    return values.length === 0 ? 0 : Math.max(...values) - Math.min(...values);
  });
}

/** The share of points, in [0, 1], that another point dominates; equal points dominate neither. */
export function dominatedShare(points: number[][]): number {
  if (points.length === 0) return 0;
  const dominated = points.filter((point) => points.some((other) => dominates(other, point)));
  return dominated.length / points.length;
}

/** Whether `a` is at least `b` in every dimension and larger in one. */
export function dominates(a: number[], b: number[]): boolean {
  return a.every((value, i) => value >= at(b, i)) && a.some((value, i) => value > at(b, i));
}

/** The points that no other point dominates, each once: (N', M). */
export function nondominated(points: number[][]): number[][] {
  // In falling lexicographic order a point can only be dominated by one that comes before it.
  const sorted = [...points].sort((a, b) => compareFalling(a, b));
  const kept: number[][] = [];
  for (const point of sorted) {
    if (!kept.some((other) => other.every((value, i) => value >= at(point, i)))) kept.push(point);
  }
  return kept;
}

/** Volume above the origin of mutually non-dominated positive points, in their first m numbers. */
function volume(points: number[][], m: number): number {
  if (m === 1) return Math.max(0, ...points.map((point) => at(point, 0)));
  if (m === 2) return area(points);
  // Upper slices first: cut down to the slice of a point, the points above it lose one dimension.
  const sorted = [...points].sort((a, b) => at(b, m - 1) - at(a, m - 1));
  return sorted.reduce((total, point, n) => {
    const base = point.slice(0, m - 1);
    const covered = sorted.slice(0, n).map((other) =>
      base.map((value, i) => Math.min(value, at(other, i)))
    );
    const own = base.reduce((product, value) => product * value, 1);
    return total + at(point, m - 1) * (own - volume(nondominated(covered), m - 1));
  }, 0);
}

function area(points: number[][]): number {
  const sorted = [...points].sort((a, b) => at(b, 0) - at(a, 0));
  let total = 0;
  let height = 0;
  for (const point of sorted) {
    if (at(point, 1) <= height) continue;
    total += at(point, 0) * (at(point, 1) - height);
    height = at(point, 1);
  }
  return total;
}

function compareFalling(a: number[], b: number[]): number {
  for (const [i, value] of a.entries()) {
    if (value !== at(b, i)) return at(b, i) - value;
  }
  return 0;
}

function cityBlock(a: number[], b: number[]): number {
  return a.reduce((sum, value, i) => sum + Math.abs(value - at(b, i)), 0);
}

function at(values: number[], i: number): number {
  return values[i] ?? NaN;
}
