// Attention's products and softmax. Of the scores only those of earlier tokens are computed, as far as
// chunks allow (core/text/query_chunks.ts), and the softmax's gradient reads its weights, which may be
// kept from the way forward.
import * as tf from "@tensorflow/tfjs-core";
import { constantResidual, noResiduals, type Residuals } from "../engine/residuals.ts";
import { keepsWeights, queryChunks } from "../text/query_chunks.ts";
import { capped, capSlope } from "./cap.ts";

/**
 * softmax(cap(q·kᵀ) + mask)·v for q (N, G, T, headDim), k and v (N, T, headDim), mask (B, 1, T, T), with
 * N = B·K of K key heads and G query heads to each → (N, G, T, headDim). No token may see a later
 * one: queries go through in chunks, each with the keys up to its own end.
 */
export function softmaxAttention(
  [q, k, v]: [tf.Tensor4D, tf.Tensor3D, tf.Tensor3D],
  mask: tf.Tensor4D,
  options: AttentionOptions,
): tf.Tensor4D {
  const [N, G, T, headDim] = q.shape;
  const kept = { ...options, residuals: keepsWeights(T) ? options.residuals : noResiduals };
  const [B] = mask.shape;
  const parts = queryChunks(T).map(({ start, end }) => {
    const count = end - start;
    const queries = tf.slice(q, [0, 0, start, 0], [N, G, count, headDim]);
    const [keys, values] = [k, v].map((x) => tf.slice(x, [0, 0, 0], [N, end, headDim]));
    const seen = tf.slice(mask, [0, 0, start, 0], [B, 1, count, end]);
    const stacked = tf.reshape(queries, [N, G * count, headDim]) as tf.Tensor3D;
    const mixed = attend([stacked, keys as tf.Tensor3D, values as tf.Tensor3D], seen, kept);
    return tf.reshape(mixed, [N, G, count, headDim]) as tf.Tensor4D;
  });
  return parts.length === 1 ? parts[0] as tf.Tensor4D : tf.concat(parts, 2);
}

interface AttentionOptions {
  scoreCap: number | null;
  /** Takes the weights of every chunk. */
  residuals: Residuals;
}

/** q (N, G·t, headDim), k and v (N, T, headDim), mask (B, 1, t, T) → (N, G·t, headDim) */
function attend(
  [q, k, v]: [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D],
  mask: tf.Tensor4D,
  { scoreCap, residuals }: AttentionOptions,
): tf.Tensor3D {
  const [B, , t, T] = mask.shape;
  const [N, rows] = q.shape;
  // These two stand beside the tape: the gradient below is theirs too.
  const scores = () => capped(tf.matMul<tf.Tensor3D>(q, k, false, true), scoreCap);
  const weights = constantResidual(residuals, () => {
    const masked = tf.add(tf.reshape(scores(), [B, N * rows / (B * t), t, T]), mask);
    return tf.reshape(tf.softmax(masked), [N, rows, T]) as tf.Tensor3D; // P
  });
  const slope = scoreCap === null ? null : capSlope(scores(), scoreCap);
  const compute = tf.customGrad<tf.Tensor3D>((...all) => {
    const [q, k, v, save] = all as unknown as [
      ...[tf.Tensor3D, tf.Tensor3D, tf.Tensor3D],
      tf.GradSaveFunc,
    ];
    save([q, k, v, weights, ...slope === null ? [] : [slope]]);
    return {
      value: tf.matMul(weights, v),
      gradFunc(dy, saved) {
        const [q, k, v, weights, slope] = saved as [
          ...[tf.Tensor3D, tf.Tensor3D, tf.Tensor3D, tf.Tensor3D],
          tf.Tensor3D | undefined,
        ];
        const dWeights = tf.matMul(dy, v, false, true);
        const along = tf.sum(tf.mul(dWeights, weights), -1, true); // (N, G·t, 1)
        const inner = tf.mul(weights, tf.sub(dWeights, along));
        const dScores = slope === undefined ? inner : tf.mul(inner, slope);
        return [
          tf.matMul(dScores, k),
          tf.matMul(dScores, q, true),
          tf.matMul(weights, dy, true),
        ];
      },
    };
  });
  return compute(q, k, v);
}
