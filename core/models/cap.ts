// The cap that some decoders put on scores and logits.
import * as tf from "@tensorflow/tfjs-core";

/** cap·tanh(x / cap), which is between −cap and cap; x itself where cap is null. */
export function capped<T extends tf.Tensor>(x: T, cap: number | null): T {
  return cap === null ? x : tf.mul(cap, tf.tanh(tf.div(x, cap)));
}

/** Derivative of `capped` where it gave `y`; null where it is 1. */
export function capSlope<T extends tf.Tensor>(y: T, cap: number | null): T | null {
  return cap === null ? null : tf.sub<T>(1, tf.square(tf.div(y, cap)));
}
