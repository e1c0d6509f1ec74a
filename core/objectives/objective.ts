// What train.ts asks of an objective: which sequences to score under which preference, and one loss
// per preference group and dimension, differentiable in the numbers that the model gives a sequence.
import type * as tf from "@tensorflow/tfjs-core";
import type { Sequence } from "../text/pack.ts";

/** Examples of one micro-step, sorted into preference groups. */
export interface GroupedBatch<Example> {
  examples: Example[];
  groups: number[]; // preference group of each example, 0 … G−1
  preferences: number[][]; // (G, M)
}

export interface Objective<Example> {
  /** Whether `losses` needs the reference policy's log-probabilities. */
  readonly needs: { reference: boolean };

  /** The sequences of one example, as many for each, in the order in which `losses` expects them. */
  sequences(example: Example): Sequence[];

  /**
   * One loss per group and dimension (G, M), ≥ 0, from the model's numbers (S·K): the sequences'
   * summed log-probs (K = 1), or M scores of each; and from the reference policy's log-probs (S;
   * zeros where not needed). Caller disposes.
   */
  losses(
    values: tf.Tensor1D,
    referenceLogProbs: tf.Tensor1D,
    batch: GroupedBatch<Example>,
  ): tf.Tensor2D;

  /** Share of examples, per dimension, on which the model already does what the label says. */
  accuracies(
    values: Float32Array,
    referenceLogProbs: Float32Array,
    batch: GroupedBatch<Example>,
  ): number[];
}
