// Tchebycheff scalarisation: the worst weighted gap alone. It reaches concave parts of a front too.
// Source: Panacea, eq. 7, 13 and 16; Miettinen 1999, section 3.4.
import * as tf from "@tensorflow/tfjs-core";
import type { GapLoss } from "./aggregation.ts";

/** max_i λ_i g_i. */
export const tchebycheff: GapLoss = {
  ofRows: (gaps, preference) => tf.tidy(() => rowMax(tf.mul(preference, gaps))),
  of: (gaps, preference) => Math.max(...gaps.map((gap, i) => (preference[i] ?? 0) * gap)),
};

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
