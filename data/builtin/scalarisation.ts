// How the exact solver makes the losses of the dimensions one number: smooth convex functions F of
// (L_1 … L_M) with two derivatives. LS (eq. 14) is linear; the maximum of Tche (eq. 16) is approached
// through soft maxima, whose weights are also the multipliers that certify how close they came; smooth
// Tche is one of these itself. Penalty boundary intersection is not convex and has none.
// tabular_dpo.ts minimises them one after another.
import type { AggregationSettings } from "../../core/aggregation/aggregation.ts";
import { dot } from "./dense.ts";

/** A smooth convex increasing function of the losses. */
export interface Scalarisation {
  value(losses: number[]): number;
  gradient(losses: number[]): number[]; // (M)
  curvature(losses: number[]): number[][]; // (M, M)
  /** Bound of (aggregated loss − its minimum) where the gradient over the policy is 0. */
  gap(losses: number[]): number;
}

/** Exact aggregations by name: the scalarisations to minimise in turn, for one preference (M). */
export const tabularAggregations: Record<
  string,
  (preference: number[], settings: AggregationSettings) => Scalarisation[]
> = {
  ls: (preference) => [linear(preference)],
  tche: (preference) => temperatures.map((tau) => softMaximum(preference, tau)),
  smooth_tche: (preference, { smooth_tche_mu: mu }) => [
    ...temperatures.filter((tau) => tau > mu).map((tau) => softMaximum(preference, tau)),
    { ...softMaximum(preference, mu), gap: () => 0 },
  ],
  augmented_tche: (preference, { augmented_tche_rho: rho }) => {
    const rest = linear(preference.map((weight) => rho * weight));
    return temperatures.map((tau) => sum(softMaximum(preference, tau), rest));
  },
};

/** Of the soft maxima that lead to the maximum, from the softest on. */
const temperatures = Array.from({ length: 16 }, (_, stage) => 0.05 * 0.4 ** stage);

/** F(L) = Σ λ_i L_i. */
function linear(preference: number[]): Scalarisation {
  return {
    value: (losses) => dot(preference, losses),
    gradient: () => preference,
    curvature: () => preference.map(() => preference.map(() => 0)),
    gap: () => 0,
  };
}

/** F(L) = τ·log Σ exp(λ_i L_i / τ), within τ·log M of max λ_i L_i, to which `gap` compares it. */
function softMaximum(preference: number[], tau: number): Scalarisation {
  const scaled = (losses: number[]) => losses.map((loss, i) => loss * (preference[i] ?? 0));
  const weights = (losses: number[]) => softmax(scaled(losses).map((value) => value / tau));
  return {
    value: (losses) => {
      const values = scaled(losses);
      const top = Math.max(...values);
      return top + tau * Math.log(values.reduce((s, v) => s + Math.exp((v - top) / tau), 0));
    },
    gradient: (losses) => weights(losses).map((weight, i) => weight * (preference[i] ?? 0)),
    curvature: (losses) => {
      const w = weights(losses);
      return w.map((wi, i) =>
        w.map((wj, j) =>
          ((i === j ? wi : 0) - wi * wj) * (preference[i] ?? 0) * (preference[j] ?? 0) / tau
        )
      );
    },
    gap: (losses) => Math.max(...scaled(losses)) - dot(weights(losses), scaled(losses)),
  };
}

/** F(L) + G(L). */
function sum(f: Scalarisation, g: Scalarisation): Scalarisation {
  return {
    value: (losses) => f.value(losses) + g.value(losses),
    gradient: (losses) => {
      const other = g.gradient(losses);
      return f.gradient(losses).map((slope, i) => slope + (other[i] ?? 0));
    },
    curvature: (losses) => {
      const other = g.curvature(losses);
      return f.curvature(losses).map((row, i) =>
        row.map((value, j) => value + (other[i]?.[j] ?? 0))
      );
    },
    gap: (losses) => f.gap(losses) + g.gap(losses),
  };
}

function softmax(values: number[]): number[] {
  const top = Math.max(...values);
  const exponentials = values.map((value) => Math.exp(value - top));
  const total = exponentials.reduce((sum, value) => sum + value, 0);
  return exponentials.map((value) => value / total);
}
