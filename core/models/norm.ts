// The norm of decoders, with a gradient of its own: the same numbers as by differentiating its steps one
// after the other, in half as many passes over the rows.
// Source: LlamaRMSNorm of Hugging Face transformers; Zhang and Sennrich 2019 (arXiv 1910.07467), eq. 4.
import * as tf from "@tensorflow/tfjs-core";
import type { DecoderConfig } from "./config.ts";
import { traitsOf } from "./traits.ts";

/** The norm of a decoder: rmsNorm with its epsilon, the weight moved by its offset. */
export function normalise(
  x: tf.Tensor2D,
  weight: tf.Tensor,
  config: Pick<DecoderConfig, "normEpsilon" | "traits">,
): tf.Tensor2D {
  const { normOffset } = traitsOf(config);
  const scale = normOffset === 0 ? weight : tf.add(weight, normOffset);
  return rmsNorm(x, scale, config.normEpsilon);
}

/** x / rms(x) · weight over the last axis. */
export function rmsNorm(x: tf.Tensor2D, weight: tf.Tensor, epsilon: number): tf.Tensor2D {
  return tf.mul(unitRows(x, epsilon), weight);
}

/** y = x · i with i = (mean(x²) + ε)^−½; dx = i · (dy − x · mean(dy ⊙ x) · i²). */
function unitRows(x: tf.Tensor2D, epsilon: number): tf.Tensor2D {
  const compute = tf.customGrad<tf.Tensor2D>((...all) => {
    const [x, save] = all as unknown as [tf.Tensor2D, tf.GradSaveFunc];
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon)); // (N, 1)
    save([x, inverse]);
    return {
      value: tf.mul(x, inverse),
      gradFunc(dy, saved) {
        const [x, inverse] = saved as [tf.Tensor2D, tf.Tensor2D];
        const along = tf.mul(tf.mean(tf.mul(dy, x), -1, true), tf.square(inverse)); // (N, 1)
        return tf.mul(tf.sub(dy, tf.mul(x, along)), inverse);
      },
    };
  });
  return compute(x);
}
