// Where a preference vector lies on a measured front, and which vector belongs to a place on it.
// The measured λ form a lattice on the simplex; between them values are interpolated linearly in
// the lattice's Kuhn triangulation (Kuhn 1960), which for two dimensions is piecewise linear.
import type { FrontReport } from "../../../core/front/report.ts";

/** Values and interval ends (M each) at a λ. */
export interface FrontPlace {
  preference: number[];
  values: number[];
  low: number[];
  high: number[];
  /** Whether λ was measured itself. */
  measured: boolean;
}

type Points = FrontReport["points"];

/** The front at `preference` (M); null where the measured λ form no lattice that covers it. */
export function frontAt(points: Points, preference: number[]): FrontPlace | null {
  const corners = latticeCorners(points, preference);
  if (corners === null) return null;
  const mix = (column: "values" | "low" | "high") =>
    preference.map((_, i) =>
      corners.reduce((sum, { point, weight }) => sum + weight * (point[column][i] ?? NaN), 0)
    );
  return {
    preference,
    values: mix("values"),
    low: mix("low"),
    high: mix("high"),
    measured: corners.length === 1,
  };
}

/** A place in pixels. */
export interface Spot {
  x: number;
  y: number;
}

/**
 * The λ whose drawn place is nearest to `spot` on the line through `stops`: between two stops the
 * vectors are interpolated as the places are. Stops follow λ; null where there is none.
 */
export function nearestOnLine(
  stops: (Spot & { preference: number[] })[],
  spot: Spot,
): number[] | null {
  let best = { distance: Infinity, preference: stops[0]?.preference ?? null };
  for (const [i, from] of stops.entries()) {
    const to = stops[i + 1] ?? from;
    const [dx, dy] = [to.x - from.x, to.y - from.y];
    const length = dx * dx + dy * dy;
    const along = length === 0 ? 0 : ((spot.x - from.x) * dx + (spot.y - from.y) * dy) / length;
    const t = Math.min(1, Math.max(0, along));
    const distance = Math.hypot(from.x + t * dx - spot.x, from.y + t * dy - spot.y);
    if (distance >= best.distance) continue;
    best = {
      distance,
      preference: from.preference.map((weight, j) =>
        weight + t * ((to.preference[j] ?? weight) - weight)
      ),
    };
  }
  return best.preference;
}

interface Corner {
  point: Points[number];
  weight: number;
}

/** The measured points around λ with their weights, which sum to 1; points of weight 0 left out. */
function latticeCorners(points: Points, preference: number[]): Corner[] | null {
  const m = preference.length;
  const steps = latticeSteps(points, m);
  if (steps === null) return null;
  const found = new Map(points.map((point) => [keyOf(point.preference, steps), point]));
  const sums = partialSums(preference.map((weight) => weight * steps));
  const floors = sums.map((sum) => Math.floor(sum + 1e-9));
  const rests = sums.map((sum, i) => Math.max(0, sum - (floors[i] ?? 0)));
  // Larger rests first; of equal rests the later sum, or a corner would leave the simplex.
  const order = rests.map((rest, i) => ({ rest, i })).sort((a, b) => b.rest - a.rest || b.i - a.i);
  const corners: Corner[] = [];
  let before = 1;
  for (let k = 0; k <= order.length; k++) {
    const rest = order[k]?.rest ?? 0;
    const weight = before - rest;
    before = rest;
    if (weight > 1e-6) {
      const point = found.get(differences(floors, steps).join());
      if (point === undefined) return null;
      corners.push({ point, weight });
    }
    const next = order[k]?.i;
    if (next !== undefined) floors[next] = (floors[next] ?? 0) + 1;
  }
  return corners;
}

/** Steps per edge of the whole lattice with this many points; null where there is none. */
function latticeSteps(points: Points, m: number): number | null {
  if (m === 1) return points.length === 1 ? 1 : null;
  for (let steps = 1, size = m; size <= points.length; steps++) {
    if (size === points.length) return steps;
    size = Math.round((size * (steps + m)) / (steps + 1));
  }
  return null;
}

function keyOf(preference: number[], steps: number): string {
  return preference.map((weight) => Math.round(weight * steps)).join();
}

/** The sums of the first 1, 2 … M−1 entries. */
function partialSums(values: number[]): number[] {
  let sum = 0;
  return values.slice(0, -1).map((value) => sum += value);
}

function differences(sums: number[], total: number): number[] {
  return [...sums, total].map((sum, i) => sum - (i === 0 ? 0 : sums[i - 1] ?? 0));
}
