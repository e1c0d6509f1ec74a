// Linear scalarisation. It reaches the convex part of a front. Source: Panacea, eq. 6, 12 and 14.
import * as tf from "@tensorflow/tfjs-core";
import type { Aggregation } from "./aggregation.ts";
import { checkLengths } from "./lengths.ts";

/** Σ λ_i L_i; of rewards Σ λ_i r_i. */
export function linear(): Aggregation {
  return {
    description: "linear scalarisation: Σ λ_i L_i (eq. 14)",
    needs: { idealPoint: false },
    loss: (losses, preference) => tf.tidy(() => tf.sum(tf.mul(preference, losses), 1)),
    reward(rewards, preference) {
      checkLengths(rewards, preference);
      return rewards.reduce((sum, reward, i) => sum + (preference[i] ?? 0) * reward, 0);
    },
  };
}
