// What the tokens of a pack are to attention: their rotary angles, and which may see which. Made
// once per pack, for every kind of layer, and shared by all blocks of the kind.
import * as tf from "@tensorflow/tfjs-core";
import type { Engine, TensorFunction } from "../engine/engine.ts";
import type { DecoderConfig } from "./config.ts";
import { ropeTables } from "./rope.ts";
import { attentionKinds, kindOfLayer, type Rope, ropesOf } from "./traits.ts";

/** What the positions of a pack mean to attention: the same for all blocks of a kind. */
export interface AttentionContext {
  cos: tf.Tensor4D; // (B, T, 1, headDim)
  sin: tf.Tensor4D; // (B, T, 1, headDim)
  mask: tf.Tensor4D; // (B, 1, T, T): 0 where attention is allowed, very negative elsewhere
}

/** What the attention of a decoder depends on beside its weights. */
export type AttentionShape = Rope & Pick<DecoderConfig, "layers" | "traits">;

const MASKED = -1e9;

/**
 * positions, segments, branches (B, T) → cos, sin (B, T, 1, headDim), mask (B, 1, T, T), for one kind
 * of layer after the other
 */
export function attentionContext(engine: Engine, config: AttentionShape): TensorFunction {
  return (positions, segments, branches) => {
    const [B, T] = (positions as tf.Tensor2D).shape;
    const flat = tf.reshape(positions as tf.Tensor, [B * T]);
    const rotations = ropesOf(config).map((rope) => {
      const { cos, sin } = ropeTables(rope, T);
      return [cos, sin].map((table) => {
        const rows = engine.lookup(tf.tensor2d(table, [T, config.headDim]), flat as tf.Tensor1D);
        return tf.reshape(rows, [B, T, 1, config.headDim]);
      });
    });
    // Row i sees column j: same segment, not later, and in the prompt or the same branch. Positions
    // rise within a branch, so they tell what precedes what: no triangle of T² constants.
    const row = (x: tf.Tensor | undefined) => tf.reshape(x as tf.Tensor, [B, T, 1]);
    const column = (x: tf.Tensor | undefined) => tf.reshape(x as tf.Tensor, [B, 1, T]);
    const same = tf.equal(row(segments), column(segments)); // (B, T, T)
    const causal = tf.greaterEqual(row(positions), column(positions));
    const inPrompt = tf.equal(column(branches), tf.scalar(0, "int32"));
    const branch = tf.logicalOr(inPrompt, tf.equal(row(branches), column(branches)));
    const seen = tf.logicalAnd(tf.logicalAnd(same, causal), branch);
    return attentionKinds(config).flatMap(({ window, rope }) => {
      const distance = () => tf.sub(row(positions), column(positions));
      const allowed = window === null
        ? seen
        : tf.logicalAnd(seen, tf.less(distance(), tf.scalar(window, "int32")));
      const mask = tf.mul(tf.sub(1, tf.cast(allowed, "float32")), MASKED);
      return [
        ...(rotations[rope] ?? []).map((table) => tf.clone(table)),
        tf.reshape(mask, [B, 1, T, T]),
      ];
    });
  };
}

/** The part of what attentionContext gave that a layer takes. */
export function contextOfLayer(
  config: AttentionShape,
  context: tf.Tensor[],
  layer: number,
): tf.Tensor[] {
  const first = 3 * kindOfLayer(config, layer);
  return context.slice(first, first + 3);
}
