// The way back through the head where its own weights are trained too: from a slope for each
// predicted token to the hidden states, the norm and the table. Logits are computed anew, in chunks,
// as head.ts does on the way forward. Used by core/full_policy.ts.
import * as tf from "@tensorflow/tfjs-core";
import type { Engine, TensorFunction } from "../engine/engine.ts";
import type { DecoderConfig } from "./config.ts";
import { capped, capSlope } from "./cap.ts";
import { type HeadWeights, roundUp, rowsAtOnce } from "./head.ts";
import { normalise } from "./norm.ts";
import { traitsOf } from "./traits.ts";

/** Gradients of Σ slopes[n] · log p(target n); the caller disposes all. */
export interface HeadGradients {
  hidden: tf.Tensor2D; // (N, D)
  norm: tf.Tensor; // (D)
  head: tf.Tensor; // (V, D)
}

/** Weights are read at each call: hidden (N, D), targets and slopes (N). */
export function createHeadGradients(
  engine: Engine,
  weights: HeadWeights,
): (hidden: tf.Tensor2D, targets: Int32Array, slopes: Float32Array) => HeadGradients {
  const { config } = weights;
  const chunk = rowsAtOnce(config.vocabSize);
  const pull = engine.compile(pullBack(config));

  return (hidden, targets, slopes) => {
    const [total, width] = hidden.shape;
    const size = Math.min(chunk, roundUp(total));
    const rows: tf.Tensor[] = [];
    let sums: tf.Tensor[] | null = null; // of norm and head
    for (let start = 0; start < total; start += size) {
      const count = Math.min(size, total - start);
      const inputs = tf.tidy(() => {
        const slice = tf.slice(hidden, [start, 0], [count, width]);
        return [
          count === size ? slice : tf.pad(slice, [[0, size - count], [0, 0]]),
          tf.tensor1d(
            padded(targets.subarray(start, start + count), new Int32Array(size)),
            "int32",
          ),
          tf.tensor1d(padded(slopes.subarray(start, start + count), new Float32Array(size))),
        ];
      });
      const [own, ...gradients] = pull(...inputs, weights.norm, weights.head);
      inputs.forEach((tensor) => tensor.dispose());
      rows.push(tf.tidy(() => tf.slice(own as tf.Tensor, [0, 0], [count, width])));
      own?.dispose();
      const previous: tf.Tensor[] | null = sums;
      sums = previous === null
        ? gradients
        : gradients.map((gradient, i) => tf.add(previous[i] as tf.Tensor, gradient));
      if (previous !== null) [...previous, ...gradients].forEach((tensor) => tensor.dispose());
    }
    const [norm, head] = sums ?? [];
    if (norm === undefined || head === undefined) {
      throw new RangeError("Cannot go back through the head: expected rows, got none");
    }
    const whole = rows.length === 1 ? tf.clone(rows[0] as tf.Tensor) : tf.concat(rows);
    rows.forEach((tensor) => tensor.dispose());
    return { hidden: whole as tf.Tensor2D, norm, head };
  };
}

/** hidden (n, D), targets (n), slopes (n), norm (D), head (V, D) → their gradients but targets' */
function pullBack(config: DecoderConfig): TensorFunction {
  const { logitCap } = traitsOf(config);
  const normedBy = (x: tf.Tensor, weight: tf.Tensor) => normalise(x as tf.Tensor2D, weight, config);
  return (hidden, targets, slopes, norm, head) => {
    const table = head as tf.Tensor2D;
    const normed = normedBy(hidden as tf.Tensor, norm as tf.Tensor);
    const logits = capped(tf.matMul(normed, table, false, true), logitCap); // (n, V)
    const probabilities = tf.softmax(logits);
    // d log p / d logits = [target] − p. By way of int32: wasm's oneHot writes integers whatever
    // type is asked.
    const chosen = tf.cast(tf.oneHot(targets as tf.Tensor1D, table.shape[0]), "float32");
    const column = tf.reshape(slopes as tf.Tensor, [-1, 1]);
    const dCapped = tf.mul(tf.sub(chosen, probabilities), column);
    const steepness = capSlope(logits, logitCap);
    const dLogits = (steepness === null ? dCapped : tf.mul(dCapped, steepness)) as tf.Tensor2D;
    const dNormed = tf.matMul(dLogits, table); // (n, D)
    const [dHidden, dNorm] = tf.grads(normedBy)([hidden as tf.Tensor, norm as tf.Tensor], dNormed);
    return [dHidden as tf.Tensor, dNorm as tf.Tensor, tf.matMul(dLogits, normed, true)];
  };
}

/** `values` at the start of `target`, which is returned. */
function padded<T extends Int32Array | Float32Array>(values: T, target: T): T {
  target.set(values);
  return target;
}
