// Controllability: does moving λ_i move J_i? Spearman's ρ over the preference grid, the steps of
// the grid on which J_i falls although λ_i rises, and the effective range from λ_i = 0 to λ_i = 1
// with its bootstrap interval, closed by a verdict in plain words. Part of core/front/report.
import { sampleCorrelation } from "simple-statistics";
import { bootstrapContrasts, type BootstrapOptions, type Outcomes } from "./bootstrap.ts";

/** Below this ρ a dimension that does move is said to move unevenly. */
const EVEN_RHO = 0.7;

/** How one dimension follows its weight. */
export interface DimensionControl {
  /** Spearman's ρ between λ_i and J_i over the grid, ties averaged; 0 where either is constant. */
  rho: number;
  /** Steps of the grid on which λ_i rises and J_i falls. */
  violations: number;
  /** Steps of the grid on which λ_i rises. */
  comparisons: number;
  /** Mean J_i where λ_i = 1 less mean J_i where λ_i = 0; negative where control is inverted. */
  range: number;
  /** Bootstrap interval of `range`, paired over prompts. */
  low: number;
  high: number;
}

/**
 * How dimension `dimension` follows its weight: `values` (N) are its means at `preferences` (N, M),
 * `outcomes` what they are means of. A grid without both λ_i = 0 and λ_i = 1 takes the points
 * with the smallest and the largest λ_i as ends.
 */
export function dimensionControl(
  grid: { dimension: number; preferences: number[][]; values: number[]; outcomes: Outcomes },
  options: BootstrapOptions,
): DimensionControl {
  const weights = grid.preferences.map((preference) => preference[grid.dimension] ?? NaN);
  const contrast = endContrast(weights);
  const [interval] = bootstrapContrasts(grid.outcomes, [contrast], options);
  return {
    rho: spearman(weights, grid.values),
    ...monotonicity(grid.preferences, grid.values, grid.dimension),
    range: contrast.reduce((sum, weight, n) => sum + weight * (grid.values[n] ?? NaN), 0),
    low: interval?.low ?? 0,
    high: interval?.high ?? 0,
  };
}

/** Spearman's rank correlation with ties averaged; 0 where it is undefined (a constant side). */
export function spearman(x: number[], y: number[]): number {
  const rx = averageRanks(x);
  const ry = averageRanks(y);
  const constant = (ranks: number[]) => ranks.every((rank) => rank === ranks[0]);
  if (constant(rx) || constant(ry)) return 0;
  return Math.max(-1, Math.min(1, sampleCorrelation(rx, ry))); // rounding may pass 1
}

/** The rank of each value, from 1; equal values share the mean of their ranks. */
export function averageRanks(values: number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  const ranks = new Array<number>(values.length).fill(0);
  for (let start = 0; start < order.length;) {
    let end = start + 1;
    while (end < order.length && values[order[end] ?? 0] === values[order[start] ?? 0]) end++;
    for (const i of order.slice(start, end)) ranks[i] = (start + 1 + end) / 2;
    start = end;
  }
  return ranks;
}

/**
 * Steps on which J_i falls although λ_i rises, among all steps between neighbours on the grid's
 * lines towards corner i: on such a line the other weights keep their proportions. For M = 2 that
 * is the whole grid in the order of λ_i.
 */
export function monotonicity(
  preferences: number[][],
  values: number[],
  dimension: number,
): { violations: number; comparisons: number } {
  const lines = new Map<string, { weight: number; value: number }[]>();
  const corners: { weight: number; value: number }[] = [];
  for (const [n, preference] of preferences.entries()) {
    const step = { weight: preference[dimension] ?? NaN, value: values[n] ?? NaN };
    const others = preference.filter((_, i) => i !== dimension);
    const rest = others.reduce((sum, weight) => sum + weight, 0);
    if (rest < 1e-9) {
      corners.push(step); // the corner lies on every line
      continue;
    }
    const key = others.map((weight) => (weight / rest).toFixed(6)).join(" ");
    lines.set(key, [...(lines.get(key) ?? []), step]);
  }
  let violations = 0;
  let comparisons = 0;
  for (const line of lines.values()) {
    const steps = [...line, ...corners].sort((a, b) => a.weight - b.weight);
    for (const [k, step] of steps.entries()) {
      const before = steps[k - 1];
      if (before === undefined || step.weight === before.weight) continue;
      comparisons++;
      if (step.value < before.value) violations++;
    }
  }
  return { violations, comparisons };
}

/**
 * The verdict in one clause per finding: "λ steers helpful (ρ 0.98) and harmless (ρ 0.95)", "λ has
 * no measurable effect", or a mixture. A dimension counts as moved only where the interval between
 * its two ends leaves out 0. A `caution` says what the intervals cannot be trusted for.
 */
export function controlVerdict(
  controls: Record<string, DimensionControl>,
  { caution = "" }: { caution?: string } = {},
): string {
  const names = Object.keys(controls);
  if (names.length < 2) return "λ has nothing to steer: there is only one dimension";
  const findings = { steers: [], moves: [], inverts: [], nothing: [] } as Record<Kind, string[]>;
  for (const [name, control] of Object.entries(controls)) {
    findings[kindOf(control)].push(`${name} (ρ ${control.rho.toFixed(2)})`);
  }
  const ending = caution === "" ? "" : `; ${caution}`;
  if (findings.nothing.length === names.length) return `λ has no measurable effect${ending}`;
  const clauses: string[] = [];
  if (findings.steers.length > 0) clauses.push(`steers ${listed(findings.steers)}`);
  if (findings.moves.length > 0) clauses.push(`moves ${listed(findings.moves)} unevenly`);
  if (findings.inverts.length > 0) clauses.push(`moves ${listed(findings.inverts)} backwards`);
  if (findings.nothing.length > 0) {
    clauses.push(`has no measurable effect on ${listed(findings.nothing)}`);
  }
  return `λ ${joined(clauses)}${ending}`;
}

type Kind = "steers" | "moves" | "inverts" | "nothing";

function kindOf({ rho, low, high }: DimensionControl): Kind {
  if (high < 0) return "inverts";
  if (!(low > 0)) return "nothing";
  return rho >= EVEN_RHO ? "steers" : "moves";
}

/** Weights (N) of the points whose combination is the effective range. */
function endContrast(weights: number[]): number[] {
  const top = Math.max(...weights);
  const bottom = Math.min(...weights);
  if (top === bottom) return weights.map(() => 0);
  const tops = weights.filter((weight) => weight === top).length;
  const bottoms = weights.filter((weight) => weight === bottom).length;
  return weights.map((weight) => weight === top ? 1 / tops : weight === bottom ? -1 / bottoms : 0);
}

function listed(names: string[]): string {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

function joined(clauses: string[]): string {
  if (clauses.length < 2) return clauses.join("");
  return `${clauses.slice(0, -1).join(", ")} but ${clauses.at(-1)}`;
}
