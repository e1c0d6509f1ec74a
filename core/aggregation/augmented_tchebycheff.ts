// Augmented Tchebycheff scalarisation: a little of the weighted sum beside the worst weighted gap, so
// that no other gap may grow for nothing. Its optima are properly Pareto optimal where those of the
// plain maximum are only weakly so. Source: Steuer and Choo 1983; weighted as in Knowles 2006
// (ParEGO).
import * as tf from "@tensorflow/tfjs-core";
import type { GapLoss } from "./aggregation.ts";
import { tchebycheff } from "./tchebycheff.ts";

/** max_i λ_i g_i + ρ·Σ_i λ_i g_i, ρ ≥ 0. */
export function augmentedTchebycheff(rho: number): GapLoss {
  return {
    ofRows: (gaps, preference) =>
      tf.tidy(() =>
        tf.add(
          tchebycheff.ofRows(gaps, preference),
          tf.mul(tf.sum<tf.Tensor1D>(tf.mul(preference, gaps), 1), rho),
        )
      ),
    of: (gaps, preference) =>
      tchebycheff.of(gaps, preference) +
      rho * gaps.reduce((sum, gap, i) => sum + (preference[i] ?? 0) * gap, 0),
  };
}
