// How the exact solver makes the losses of the dimensions one number: smooth convex functions F of
// (L_1 … L_M) with two derivatives. LS (eq. 14) is linear; the maximum of Tche (eq. 16) is approached
// through soft maxima, whose weights are also the multipliers that certify how close they came.
// tabular_dpo.ts minimises them one after another.
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
export const tabularAggregations: Record<string, (preference: number[]) => Scalarisation[]> = {
  ls: (preference) => [linear(preference)],
  tche: smoothedMaxima,
};

/** F(L) = Σ λ_i L_i. */
function linear(preference: number[]): Scalarisation {
  return {
    value: (losses) => dot(preference, losses),
    gradient: () => preference,
    curvature: () => preference.map(() => preference.map(() => 0)),
    gap: () => 0,
  };
}

/** F(L) = τ·log Σ exp(λ_i L_i / τ), closer and closer to max λ_i L_i: within τ·log M. */
function smoothedMaxima(preference: number[]): Scalarisation[] {
  const temperatures = Array.from({ length: 16 }, (_, stage) => 0.05 * 0.4 ** stage);
  return temperatures.map((tau): Scalarisation => {
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
  });
}

function softmax(values: number[]): number[] {
  const top = Math.max(...values);
  const exponentials = values.map((value) => Math.exp(value - top));
  const total = exponentials.reduce((sum, value) => sum + value, 0);
  return exponentials.map((value) => value / total);
}
