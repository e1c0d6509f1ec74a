// Aggregations: M losses (or rewards) and a preference vector become the one number that a step
// improves. Stands between core/objectives, which gives a loss per dimension, and core/optim.
// Source: Panacea (arXiv 2402.02030), eq. 6 and 7 in general, 14 and 16 for DPO losses, 12 and 13
// for rewards.
import * as tf from "@tensorflow/tfjs-core";

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

/** Every aggregation by its name in the run's configuration. */
export const aggregations = {
  ls: {
    description: "linear scalarisation: Σ λ_i L_i (eq. 14)",
    needs: { idealPoint: false },
    loss: (losses, preference) => tf.tidy(() => tf.sum(tf.mul(preference, losses), 1)),
    reward(rewards, preference) {
      checkLengths(rewards, preference);
      return rewards.reduce((sum, reward, i) => sum + (preference[i] ?? 0) * reward, 0);
    },
  },
  tche: {
    description: "Tchebycheff: max_i λ_i L_i (eq. 16), the worst weighted dimension alone",
    needs: { idealPoint: true },
    // z = 0 is the ideal point of the losses: a DPO loss is never negative.
    loss: (losses, preference) => tf.tidy(() => rowMax(tf.mul(preference, losses))),
    reward(rewards, preference, { idealPoint } = {}) {
      checkLengths(rewards, preference);
      const gaps = gapsBelow(rewards, idealPoint);
      const worst = Math.max(...gaps.map((gap, i) => (preference[i] ?? 0) * gap));
      return worst === 0 ? 0 : -worst; // never −0
    },
  },
} satisfies Record<string, Aggregation>;

/**
 * The largest entry of each row: (G, M) to (G). tf.max would send the whole gradient to each of
 * several equal entries, which is no subgradient; here they share it. Ties are real: before the
 * first update every DPO loss is log 2. An entry that is not a number stays visible in the result,
 * which tf.max does not promise.
 */
function rowMax(values: tf.Tensor2D): tf.Tensor1D {
  const shared = tf.customGrad((input, save) => {
    const x = input as tf.Tensor2D;
    const holders = tf.cast(tf.equal(x, tf.max(x, 1, true)), "float32"); // (G, M)
    const shares = tf.div(holders, tf.sum(holders, 1, true)); // (G, M)
    (save as tf.GradSaveFunc)([shares]);
    return {
      value: tf.sum<tf.Tensor1D>(tf.mul(x, shares), 1),
      gradFunc: (dy: tf.Tensor, [shares]: tf.Tensor[]) =>
        tf.mul(tf.expandDims(dy, 1), shares as tf.Tensor2D),
    };
  });
  return shared(values);
}

/** z − r (M). With z below r, eq. 13 would push the dimension with the smallest λ: refused. */
function gapsBelow(rewards: number[], idealPoint: number[] | undefined): number[] {
  if (idealPoint?.length !== rewards.length) {
    throw new RangeError(
      `Cannot aggregate rewards: expected an ideal point of ${rewards.length} numbers, ` +
        `got ${idealPoint === undefined ? "none" : `[${idealPoint.join(", ")}]`}`,
    );
  }
  return rewards.map((reward, i) => {
    const gap = (idealPoint[i] ?? NaN) - reward;
    if (!(gap >= 0)) {
      throw new RangeError(
        `Cannot aggregate rewards: expected an ideal point that bounds them from above, ` +
          `got ${idealPoint[i]} below the reward ${reward} of dimension ${i}`,
      );
    }
    return gap;
  });
}

function checkLengths(rewards: number[], preference: number[]): void {
  if (rewards.length !== preference.length || rewards.length === 0) {
    throw new TypeError(
      `Cannot aggregate rewards: expected one weight per reward, ` +
        `got ${rewards.length} rewards and ${preference.length} weights`,
    );
  }
}
