// Smooth Tchebycheff scalarisation: a soft maximum of the weighted gaps, whose gradient does not jump
// from one dimension to another. Source: Lin et al. 2024 (arXiv 2402.19078).
import * as tf from "@tensorflow/tfjs-core";
import type { GapLoss } from "./aggregation.ts";

/**
 * μ·log Σ_i exp(λ_i g_i/μ), with μ > 0 in units of the weighted gaps: between max_i λ_i g_i and
 * μ·log M above it. Every dimension counts in the sum, those of weight 0 as a constant.
 */
export function smoothTchebycheff(mu: number): GapLoss {
  return {
    ofRows: (gaps, preference) =>
      tf.tidy(() => tf.mul(tf.logSumExp<tf.Tensor1D>(tf.div(tf.mul(preference, gaps), mu), 1), mu)),
    of(gaps, preference) {
      const weighted = gaps.map((gap, i) => (preference[i] ?? 0) * gap);
      const top = Math.max(...weighted);
      return top + mu * Math.log(weighted.reduce((sum, w) => sum + Math.exp((w - top) / mu), 0));
    },
  };
}
