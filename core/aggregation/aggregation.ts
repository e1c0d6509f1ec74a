// What an aggregation is to training: M losses (or rewards) and a preference vector become the one
// number that a step improves. Stands between core/objectives, which gives a loss per dimension, and
// core/optim.
import type * as tf from "@tensorflow/tfjs-core";
import type { RunConfig } from "../config.ts";

/** One way of making M numbers one under a preference vector. */
export interface Aggregation {
  /** What it computes, in one line for people. */
  description: string;
  /** What `reward` must be given beside rewards and preference. */
  needs: { idealPoint: boolean };
  /**
   * The loss of each preference group: `losses` (G, M), each ≥ 0, and `preference` (G, M) to (G).
   * Differentiable in `losses`; caller disposes.
   */
  loss(losses: tf.Tensor2D, preference: tf.Tensor2D): tf.Tensor1D;
  /**
   * The reward of one response from its `rewards` (M) under `preference` (M). Plain numbers: no
   * gradient passes through an observed reward. Throws RangeError where an ideal point (M) is
   * needed and missing, or does not bound the rewards from above.
   */
  reward(rewards: number[], preference: number[], options?: { idealPoint?: number[] }): number;
}

/** What of a run's configuration aggregations depend on. */
export type AggregationSettings = Pick<
  RunConfig,
  "smooth_tche_mu" | "augmented_tche_rho" | "pbi_theta"
>;

/** A loss over the gaps to an ideal point: what Tchebycheff and its relatives are made of. */
export interface GapLoss {
  /** From `gaps` (G, M), each ≥ 0, and `preference` (G, M) to (G); differentiable in `gaps`. */
  ofRows(gaps: tf.Tensor2D, preference: tf.Tensor2D): tf.Tensor1D;
  /** The same of one row, (M) and (M), in double precision. */
  of(gaps: number[], preference: number[]): number;
}
