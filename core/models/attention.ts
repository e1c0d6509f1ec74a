// What the tokens of a pack are to attention: their rotary angles, and which may see which. Made
// once per pack and shared by all blocks.
import * as tf from "@tensorflow/tfjs-core";
import type { Engine, TensorFunction } from "../engine/engine.ts";
import { ropeTables } from "./rope.ts";

/** What the positions of a pack mean to attention: the same for all blocks. */
export interface AttentionContext {
  cos: tf.Tensor4D; // (B, T, 1, headDim)
  sin: tf.Tensor4D; // (B, T, 1, headDim)
  mask: tf.Tensor4D; // (B, 1, T, T): 0 where attention is allowed, very negative elsewhere
}

const MASKED = -1e9;

/** positions, segments, branches (B, T) → cos, sin (B, T, 1, headDim), mask (B, 1, T, T) */
export function attentionContext(
  engine: Engine,
  config: Parameters<typeof ropeTables>[0],
): TensorFunction {
  return (positions, segments, branches) => {
    const [B, T] = (positions as tf.Tensor2D).shape;
    const { cos, sin } = ropeTables(config, T);
    const flat = tf.reshape(positions as tf.Tensor, [B * T]);
    const rotation = (table: Float32Array) => {
      const rows = engine.lookup(tf.tensor2d(table, [T, config.headDim]), flat as tf.Tensor1D);
      return tf.reshape(rows, [B, T, 1, config.headDim]);
    };
    // Row i sees column j: same segment, not later, and in the prompt or the same branch. Positions
    // rise within a branch, so they tell what precedes what: no triangle of T² constants.
    const row = (x: tf.Tensor | undefined) => tf.reshape(x as tf.Tensor, [B, T, 1]);
    const column = (x: tf.Tensor | undefined) => tf.reshape(x as tf.Tensor, [B, 1, T]);
    const same = tf.equal(row(segments), column(segments)); // (B, T, T)
    const causal = tf.greaterEqual(row(positions), column(positions));
    const inPrompt = tf.equal(column(branches), tf.scalar(0, "int32"));
    const branch = tf.logicalOr(inPrompt, tf.equal(row(branches), column(branches)));
    const allowed = tf.cast(tf.logicalAnd(tf.logicalAnd(same, causal), branch), "float32");
    const mask = tf.mul(tf.sub(1, allowed), MASKED);
    return [rotation(cos), rotation(sin), tf.reshape(mask, [B, 1, T, T])];
  };
}
