// Preference vectors λ on the simplex: checked where a user gives them, drawn for training
// (Dirichlet, paper section 4), laid out as a grid for the front. λ has one weight per dimension,
// in the order of the dimensions, and enters the model through core/adapters.
import type { RunConfig } from "./config.ts";
import { InputError } from "./errors.ts";
import type { Random } from "./random.ts";

const SUM_TOLERANCE = 1e-3;
const MOST_GRID_POINTS = 100_000;

/**
 * The preference vector with its sum made exactly 1.
 * `values` (M) must be finite and ≥ 0 and sum to 1 within 1e-3; throws InputError naming the
 * dimension at fault otherwise.
 */
export function validatePreference(values: number[], dimensions: string[]): number[] {
  const wanted = `${dimensions.length} weights (${dimensions.join(", ")})`;
  if (values.length !== dimensions.length) {
    throw new InputError(
      `Cannot use preference: expected ${wanted}, got ${values.length} ` +
        `(${values.slice(0, 8).join(", ")}${values.length > 8 ? " …" : ""})`,
    );
  }
  for (const [i, value] of values.entries()) {
    if (!(value >= 0 && value < Infinity)) {
      throw new InputError(
        `Cannot use preference: expected a finite weight ≥ 0 for ${dimensions[i]}, got ${value}`,
      );
    }
  }
  const sum = values.reduce((total, value) => total + value, 0);
  if (Math.abs(sum - 1) > SUM_TOLERANCE) {
    throw new InputError(
      `Cannot use preference: expected ${wanted} summing to 1, ` +
        `got [${values.join(", ")}] (sum ${Number(sum.toPrecision(6))})`,
    );
  }
  return values.map((value) => value / sum);
}

/**
 * The preference vector written as `helpful=0.7,harmless=0.3` (any order, every dimension once)
 * or `0.7,0.3` (in the order of the dimensions); throws InputError where it is neither.
 */
export function parsePreference(text: string, dimensions: string[]): number[] {
  const parts = text.split(",").map((part) => part.trim());
  if (!text.includes("=")) {
    return validatePreference(
      parts.map((part, i) => parseWeight(part, dimensions[i] ?? `position ${i + 1}`)),
      dimensions,
    );
  }
  const weights = new Map<string, number>();
  for (const part of parts) {
    const at = part.lastIndexOf("=");
    const name = part.slice(0, Math.max(at, 0)).trim();
    if (at < 0 || !dimensions.includes(name)) {
      throw new InputError(
        `Cannot read preference: expected name=weight with a name among ${
          dimensions.join(", ")
        }, got ${JSON.stringify(part)}`,
      );
    }
    if (weights.has(name)) {
      throw new InputError(`Cannot read preference: expected ${name} once, got it twice`);
    }
    weights.set(name, parseWeight(part.slice(at + 1).trim(), name));
  }
  return preferenceByName(weights, { dimensions, given: text });
}

/**
 * The preference vector that a program gives: weights in the order of the dimensions, or by name
 * (every dimension once), or null for equal weights. Throws InputError where it is none.
 */
export function toPreference(
  given: number[] | Record<string, number> | null,
  dimensions: string[],
): number[] {
  if (given === null) return dimensions.map(() => 1 / dimensions.length);
  if (Array.isArray(given)) return validatePreference(given, dimensions);
  const unknown = Object.keys(given).find((name) => !dimensions.includes(name));
  if (unknown !== undefined) {
    throw new InputError(
      `Cannot read preference: expected names among ${dimensions.join(", ")}, got ${
        JSON.stringify(unknown.slice(0, 40))
      }`,
    );
  }
  return preferenceByName(new Map(Object.entries(given)), {
    dimensions,
    given: JSON.stringify(given),
  });
}

/**
 * A preference vector (M) from Dirichlet(alpha, …, alpha); with probability `vertexShare` it is a
 * corner of the simplex instead. Throws RangeError unless m is an integer ≥ 1, alpha > 0 and
 * vertexShare in [0, 1].
 */
export function samplePreference(
  random: Random,
  m: number,
  { alpha = 1, vertexShare = 0 }: { alpha?: number; vertexShare?: number } = {},
): number[] {
  checkDimensionCount(m);
  if (!(vertexShare >= 0 && vertexShare <= 1)) {
    throw new RangeError(
      `Cannot draw a preference: expected a share of corners in [0, 1], got ${vertexShare}`,
    );
  }
  if (vertexShare > 0 && random.uniform() < vertexShare) return corner(random.integer(m), m);
  const weights = Array.from({ length: m }, () => random.gamma(alpha));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  // For a tiny alpha every gamma variable can underflow; the distribution's limit is a corner.
  if (sum === 0) return corner(random.integer(m), m);
  return weights.map((weight) => weight / sum);
}

/**
 * `count` preference vectors for one step: each is distributed as samplePreference's, but for
 * alpha 1 they spread evenly over the simplex instead of falling independently, so that a step
 * sees all of it. A randomly shifted Kronecker sequence in the cube (Roberts 2018, R_d), carried
 * to the simplex by the inverse of Dirichlet(1)'s conditional distributions.
 */
export function samplePreferences(
  random: Random,
  m: number,
  { count, alpha = 1, vertexShare = 0 }: { count: number; alpha?: number; vertexShare?: number },
): number[][] {
  const independent = () => samplePreference(random, m, { alpha, vertexShare });
  if (alpha !== 1 || m === 1) return Array.from({ length: count }, independent);
  const steps = kroneckerSteps(m - 1);
  const shifts = steps.map(() => random.uniform());
  return Array.from({ length: count }, (_, i) => {
    if (vertexShare > 0 && random.uniform() < vertexShare) return corner(random.integer(m), m);
    return simplexPoint(steps.map((step, d) => ((shifts[d] ?? 0) + i * step) % 1));
  });
}

/** Preference vectors for `count` groups of a step (count, M). */
export type DrawPreferences = (random: Random, count: number) => number[][];

/**
 * How a run draws its preferences: samplePreferences with its settings, or always the fixed one,
 * which draws nothing. Throws InputError where the fixed preference is none over `dimensions`.
 */
export function preferenceDraw(
  config: Pick<RunConfig, "dirichlet_alpha" | "vertex_share"> & { fixed_preference?: string },
  dimensions: string[],
): DrawPreferences {
  if (config.fixed_preference !== undefined) {
    const preference = parsePreference(config.fixed_preference, dimensions);
    return (_random, count) => Array.from({ length: count }, () => preference);
  }
  const settings = { alpha: config.dirichlet_alpha, vertexShare: config.vertex_share };
  return (random, count) => samplePreferences(random, dimensions.length, { count, ...settings });
}

/** u (M−1) uniform in the cube → λ (M) uniform on the simplex. */
function simplexPoint(u: number[]): number[] {
  let rest = 1;
  const weights = u.map((value, i) => {
    const weight = rest * (1 - (1 - value) ** (1 / (u.length - i)));
    rest -= weight;
    return weight;
  });
  return [...weights, Math.max(0, rest)];
}

/** Step sizes of the R_d sequence: powers of 1/φ_d, where φ_d is the root of x^(d+1) = x + 1. */
function kroneckerSteps(dimensions: number): number[] {
  let root = 2;
  for (let i = 0; i < 64; i++) root = (1 + root) ** (1 / (dimensions + 1));
  return Array.from({ length: dimensions }, (_, d) => root ** -(d + 1));
}

/**
 * Every preference vector whose weights are multiples of 1/(pointsPerEdge − 1), in rising order of
 * λ_1, then λ_2 …: (N, M) with N = C(pointsPerEdge + m − 2, m − 1). For m = 2 this runs from (0, 1)
 * to (1, 0); for m = 1 it is [[1]]. Throws RangeError unless m ≥ 1 and pointsPerEdge ≥ 2 are
 * integers, InputError above 100,000 points.
 */
export function latticeGrid(m: number, pointsPerEdge: number): number[][] {
  checkDimensionCount(m);
  if (!Number.isInteger(pointsPerEdge) || pointsPerEdge < 2) {
    throw new RangeError(
      `Cannot lay out the preference grid: expected at least 2 points per edge, got ${pointsPerEdge}`,
    );
  }
  const steps = pointsPerEdge - 1;
  const size = latticeSize(m, steps);
  if (size > MOST_GRID_POINTS) {
    throw new InputError(
      `Cannot lay out the preference grid: expected at most ${MOST_GRID_POINTS} points, ` +
        `got ${size} for ${m} dimensions and ${pointsPerEdge} points per edge`,
    );
  }
  return compositions(m, steps).map((parts) => parts.map((part) => part / steps));
}

/** Weights by name in the order of the dimensions; `given` is for messages. */
function preferenceByName(
  weights: Map<string, number>,
  { dimensions, given }: { dimensions: string[]; given: string },
): number[] {
  const ordered = dimensions.map((name) => {
    const weight = weights.get(name);
    if (weight === undefined) {
      throw new InputError(
        `Cannot read preference: expected a weight for ${name}, got ${JSON.stringify(given)}`,
      );
    }
    return weight;
  });
  return validatePreference(ordered, dimensions);
}

function checkDimensionCount(m: number): void {
  if (!Number.isInteger(m) || m < 1) {
    throw new RangeError(`Cannot make a preference: expected at least 1 dimension, got ${m}`);
  }
}

function corner(i: number, m: number): number[] {
  return Array.from({ length: m }, (_, j) => (j === i ? 1 : 0));
}

function parseWeight(text: string, name: string): number {
  const value = text === "" ? NaN : Number(text);
  if (Number.isNaN(value)) {
    throw new InputError(
      `Cannot read preference: expected a number for ${name}, got ${JSON.stringify(text)}`,
    );
  }
  return value;
}

/** The number of ways to write `steps` as an ordered sum of m integers ≥ 0. */
function latticeSize(m: number, steps: number): number {
  let size = 1;
  for (let i = 1; i < m; i++) size = (size * (steps + i)) / i;
  return Math.round(size);
}

function compositions(m: number, steps: number): number[][] {
  if (m === 1) return [[steps]];
  return Array.from(
    { length: steps + 1 },
    (_, first) => compositions(m - 1, steps - first).map((rest) => [first, ...rest]),
  ).flat();
}
