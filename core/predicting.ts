// The hidden states that predict a response token: what the heads of policy and critic read, and the
// way of their slopes back to all positions of a pack.
import * as tf from "@tensorflow/tfjs-core";
import type { Engine } from "./engine/engine.ts";
import type { Pack } from "./text/pack.ts";

/** The rows of `hidden` (B·T, D) at pack.predicting (N, D). Caller disposes. */
export function predictingRows(
  engine: Engine,
  hidden: tf.Tensor2D,
  pack: Pick<Pack, "predicting">,
): tf.Tensor2D {
  return tf.tidy(() => engine.lookup(hidden, tf.tensor1d(pack.predicting, "int32")));
}

/**
 * d Σ weights[n]·value[n] / d hidden (B·T, D), from slopes[n] = d value[n] / d row n (N, D): zero at
 * the positions that predict nothing. Caller disposes.
 */
export function hiddenGradient(
  engine: Engine,
  { slopes, weights, pack }: {
    slopes: tf.Tensor2D;
    weights: Float32Array;
    pack: Pick<Pack, "predicting" | "ids">;
  },
): tf.Tensor2D {
  return tf.tidy(() => {
    const [N, D] = slopes.shape;
    const weighted = tf.mul(slopes, tf.tensor2d(weights, [N, 1]));
    // Gathers by the inverse index: row N is zero and serves every position that predicts nothing.
    // The end of a shared prompt predicts the first token of several responses: one gather for each.
    const padded = tf.concat([weighted, tf.zeros([1, D])], 0);
    const gathered = inverseIndices(pack, N).map((source) =>
      engine.lookup(padded, tf.tensor1d(source, "int32"))
    );
    return tf.addN(gathered) as tf.Tensor2D;
  });
}

/** For each position of the pack the row of `predicting` that it is; several where it is more. */
function inverseIndices(
  { predicting, ids }: Pick<Pack, "predicting" | "ids">,
  none: number,
): Int32Array[] {
  const indices: Int32Array[] = [];
  predicting.forEach((position, n) => {
    let free = indices.find((index) => index[position] === none);
    if (free === undefined) indices.push(free = new Int32Array(ids.length).fill(none));
    free[position] = n;
  });
  return indices;
}
