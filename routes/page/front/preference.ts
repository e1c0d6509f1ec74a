// The preference vector as the page's controls move it: weights in hundredths that sum to exactly 1.

const STEPS = 100; // a control moves in hundredths

/** Equal weights over `m` dimensions, in hundredths. */
export function equalPreference(m: number): number[] {
  return roundPreference(Array.from({ length: m }, () => 1 / m));
}

/** All weight on dimension `i` of `m`. */
export function cornerPreference(i: number, m: number): number[] {
  return Array.from({ length: m }, (_, j) => (i === j ? 1 : 0));
}

/**
 * The nearest vector in hundredths that sums to 1: what is left after rounding down goes to the
 * weights that lost most. `weights` (M) need not sum to 1; null unless they are finite, ≥ 0 and
 * not all 0.
 */
export function readPreference(weights: number[], m: number): number[] | null {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const right = weights.length === m && weights.every((weight) => weight >= 0) && sum > 0;
  return right && Number.isFinite(sum) ? roundPreference(weights.map((w) => w / sum)) : null;
}

/** A vector on the simplex (M) in hundredths that sum to exactly 1. */
export function roundPreference(preference: number[]): number[] {
  const parts = preference.map((weight) => Math.floor(weight * STEPS + 1e-9));
  let left = STEPS - parts.reduce((total, part) => total + part, 0);
  const order = parts.map((part, i) => ({ i, lost: (preference[i] ?? 0) * STEPS - part }))
    .sort((a, b) => b.lost - a.lost || a.i - b.i);
  for (const { i } of order) {
    if (left <= 0) break;
    parts[i] = (parts[i] ?? 0) + 1;
    left--;
  }
  return parts.map((part) => part / STEPS);
}

/**
 * Dimension `i` gets `weight` (0 … 1); the others share the rest in their old proportions, equally
 * where they had nothing.
 */
export function withWeight(preference: number[], i: number, weight: number): number[] {
  const kept = Math.min(1, Math.max(0, weight));
  const others = 1 - (preference[i] ?? 0);
  const m = preference.length;
  if (m === 1) return [1];
  return roundPreference(preference.map((old, j) => {
    if (j === i) return kept;
    return others > 1e-9 ? (old / others) * (1 - kept) : (1 - kept) / (m - 1);
  }));
}

/** λ for people: "helpful 0.70, harmless 0.30". */
export function describePreference(preference: number[], dimensions: string[]): string {
  return preference.map((weight, i) => `${dimensions[i] ?? i + 1} ${weight.toFixed(2)}`).join(", ");
}

/** λ for an address or a command: "0.7,0.3". */
export function formatPreference(preference: number[]): string {
  return preference.map((weight) => Number(weight.toFixed(4))).join(",");
}

/** Whether two vectors are the same to the hundredth. */
export function samePreference(a: number[], b: number[]): boolean {
  return a.length === b.length && a.every((weight, i) => Math.abs(weight - (b[i] ?? 0)) < 5e-3);
}
