// Goals over a front: the λ with at least so much of some dimensions and then the most of another.
// Between the measured points the front is interpolated linearly in each cell of the grid, so the
// best λ is the solution of a small linear programme per cell. Asked over HTTP by GET /front.
import { z } from "zod";
import { InputError } from "../errors.ts";
import { gridCells } from "./cells.ts";
import { solveLinearProgramme } from "./linear_programme.ts";
import type { FrontReport } from "./report.ts";

const numbers = () => z.array(z.number());

/** What is asked of a front: at least so much of some dimensions, and then the most of one. */
export const Goal = z.strictObject({
  atLeast: z.record(z.string(), z.number()).default({}).describe("least value by dimension"),
  maximize: z.string().describe("dimension to have the most of"),
});
export type Goal = z.infer<typeof Goal>;

/** A place on the interpolated front; the order of numbers is the order of `dimensions`. */
export const GoalPoint = z.strictObject({
  preference: numbers().describe("λ"),
  values: numbers().describe("interpolated between measured points"),
  low: numbers().describe("ends of the intervals, interpolated likewise"),
  high: numbers(),
});
export type GoalPoint = z.infer<typeof GoalPoint>;

/** The λ that meets a goal, or what comes nearest. */
export const GoalAnswer = z.discriminatedUnion("met", [
  z.strictObject({
    met: z.literal(true),
    dimensions: z.array(z.string()),
    point: GoalPoint,
  }),
  z.strictObject({
    met: z.literal(false),
    dimensions: z.array(z.string()),
    nearest: GoalPoint.describe(
      "where the largest shortfall is smallest, and then most of `maximize`",
    ),
    shortfall: z.record(z.string(), z.number()).describe("by dimension that falls short"),
  }),
]);
export type GoalAnswer = z.infer<typeof GoalAnswer>;

/** Values within this share of the front's extent count as equal. */
const TOLERANCE = 1e-9;
const ROUNDING = 1e-12;

/**
 * The λ on the interpolated front that meets `goal`; where none does, the one that falls short
 * least. Never worse than a measured point.
 *
 * @throws {InputError} a dimension that the front does not have, or points on no grid
 */
export function reachGoal(report: FrontReport, goal: Goal): GoalAnswer {
  const { dimensions, points } = report;
  const indexOf = (name: string) => {
    const i = dimensions.indexOf(name);
    if (i >= 0) return i;
    throw new InputError(
      `Cannot look for this goal: expected dimensions among ${dimensions.join(", ")}, got ` +
        JSON.stringify(name.slice(0, 60)),
    );
  };
  const maximized = indexOf(goal.maximize);
  const wanted = Object.entries(goal.atLeast).map(([name, least]) => ({ i: indexOf(name), least }));
  const search = searchOf(points.map(({ values }) => values), { maximized, wanted });
  const cells = [...gridCells(points.map(({ preference }) => preference))];
  const shortfall = leastShortfall(search, cells);
  const met = shortfall <= TOLERANCE;
  // Rounding must not shut out the one place that falls short least.
  const place = best(search, cells, shortfall + ROUNDING);
  const point = interpolate(points, place);
  if (met) return { met, dimensions, point };
  const missing = wanted.map(({ i, least }): [string, number] => [
    dimensions[i] ?? "",
    least - (point.values[i] ?? NaN),
  ]).filter(([, gap]) => gap > TOLERANCE * search.extent);
  return { met, dimensions, nearest: point, shortfall: Object.fromEntries(missing) };
}

/** The question in numbers of the order of 1. */
interface Search {
  /** What is maximised, at each point. */
  gains: number[]; // (N)
  /** Per wanted dimension, by how much each point falls short; negative where it does not. */
  gaps: number[][]; // (K, N)
  /** The front's extent, by which gains and gaps were divided. */
  extent: number;
}

/** Corners of a cell with their shares of a place in it. */
interface Place {
  corners: number[];
  shares: number[];
}

function searchOf(
  values: number[][],
  { maximized, wanted }: { maximized: number; wanted: { i: number; least: number }[] },
): Search {
  const column = (i: number) => values.map((row) => row[i] ?? NaN);
  const columns = values[0]?.map((_, i) => column(i)) ?? [];
  const extent = Math.max(...columns.map((v) => largest(v) - smallest(v))) || 1;
  const start = smallest(column(maximized));
  return {
    gains: column(maximized).map((value) => (value - start) / extent),
    gaps: wanted.map(({ i, least }) => column(i).map((value) => (least - value) / extent)),
    extent,
  };
}

/** The smallest largest gap anywhere on the front; 0 where the goal is met. */
function leastShortfall({ gains, gaps }: Search, cells: number[][]): number {
  const worst = (n: number) => Math.max(0, ...gaps.map((gap) => gap[n] ?? NaN));
  let least = smallest(gains.map((_, n) => worst(n)));
  for (const corners of cells) {
    if (least === 0) break;
    // No place in the cell falls less short of one wish than its best corner does.
    const bound = Math.max(
      ...gaps.map((gap) => Math.min(...corners.map((n) => gap[n] ?? NaN))),
    );
    if (bound >= least - TOLERANCE) continue;
    const [first = 0, ...others] = corners;
    const x = solveLinearProgramme({
      c: [...others.map(() => 0), -1],
      A: [
        [...others.map(() => 1), 0],
        ...gaps.map((gap) => [...others.map((n) => (gap[n] ?? 0) - (gap[first] ?? 0)), -1]),
      ],
      b: [1, ...gaps.map((gap) => -(gap[first] ?? 0))],
    });
    const shortfall = x?.at(-1) ?? Infinity;
    if (shortfall < least) least = shortfall;
  }
  return least;
}

/** The place with the largest gain among those that fall short by no more than `allowed`. */
function best({ gains, gaps }: Search, cells: number[][], allowed: number): Place {
  let found: Place = { corners: [0], shares: [1] };
  let most = -Infinity;
  for (const [n, gain] of gains.entries()) {
    if (gain <= most || gaps.some((gap) => (gap[n] ?? NaN) > allowed)) continue;
    most = gain;
    found = { corners: [n], shares: [1] };
  }
  for (const corners of cells) {
    if (Math.max(...corners.map((n) => gains[n] ?? NaN)) <= most + TOLERANCE) continue;
    if (gaps.some((gap) => corners.every((n) => (gap[n] ?? NaN) > allowed))) continue;
    const [first = 0, ...others] = corners;
    const x = solveLinearProgramme({
      c: others.map((n) => (gains[n] ?? 0) - (gains[first] ?? 0)),
      A: [
        others.map(() => 1),
        ...gaps.map((gap) => others.map((n) => (gap[n] ?? 0) - (gap[first] ?? 0))),
      ],
      b: [1, ...gaps.map((gap) => allowed - (gap[first] ?? 0))],
    });
    if (x === null) continue;
    const shares = [1 - x.reduce((sum, share) => sum + share, 0), ...x];
    const gain = corners.reduce((sum, n, k) => sum + (shares[k] ?? 0) * (gains[n] ?? 0), 0);
    if (gain <= most + TOLERANCE) continue;
    most = gain;
    found = { corners, shares };
  }
  return found;
}

function interpolate(points: FrontReport["points"], { corners, shares }: Place): GoalPoint {
  const clean = shares.map((share) => (share < TOLERANCE ? 0 : share));
  const sum = clean.reduce((total, share) => total + share, 0);
  const mix = (key: keyof GoalPoint) =>
    points[corners[0] ?? 0]?.[key].map((_, i) =>
      corners.reduce((total, n, k) => {
        const share = (clean[k] ?? 0) / sum;
        return share === 0 ? total : total + share * (points[n]?.[key][i] ?? NaN);
      }, 0)
    ) ?? [];
  return {
    preference: mix("preference"),
    values: mix("values"),
    low: mix("low"),
    high: mix("high"),
  };
}

// A grid has up to 100 000 points, more than a call takes arguments.
function smallest(values: number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Infinity);
}

function largest(values: number[]): number {
  return values.reduce((a, b) => Math.max(a, b), -Infinity);
}
