// What a decoder's MLP does between its maps: an activation of one half times the other.
import * as tf from "@tensorflow/tfjs-core";
import type { Traits } from "./traits.ts";

/** activation(gate) ⊙ up, by the name of the activation. */
export const gates: Record<
  Traits["activation"],
  (gate: tf.Tensor2D, up: tf.Tensor2D) => tf.Tensor2D
> = {
  silu,
  gelu_tanh: (gate, up) => tf.mul(geluTanh(gate), up),
};

/**
 * a ⊙ up with a = gate · s, s = sigmoid(gate), and its gradient in as few passes as it needs: da/dgate =
 * s + a · (1 − s).
 */
function silu(gate: tf.Tensor2D, up: tf.Tensor2D): tf.Tensor2D {
  const compute = tf.customGrad<tf.Tensor2D>((...all) => {
    const [gate, up, save] = all as unknown as [tf.Tensor2D, tf.Tensor2D, tf.GradSaveFunc];
    const s = tf.sigmoid(gate);
    const a = tf.mul(gate, s);
    save([up, s, a]);
    return {
      value: tf.mul(a, up),
      gradFunc(dy, saved) {
        const [up, s, a] = saved as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
        const slope = tf.add(s, tf.mul(a, tf.sub(1, s)));
        return [tf.mul(tf.mul(dy, up), slope), tf.mul(dy, a)];
      },
    };
  });
  return compute(gate, up);
}

/** PyTorch's gelu with approximate="tanh" (Hendrycks and Gimpel 2016, arXiv 1606.08415, section 2). */
function geluTanh(x: tf.Tensor2D): tf.Tensor2D {
  const cubic = tf.mul(0.044715, tf.mul(x, tf.square(x)));
  const inner = tf.mul(Math.sqrt(2 / Math.PI), tf.add(x, cubic));
  return tf.mul(tf.mul(0.5, x), tf.add(1, tf.tanh(inner)));
}
