// The decoder of the Llama family as tfjs functions: one block, and the norm. It does not know
// adapters: every linear map goes through `project`, and whoever calls decides what answers.
// Source: LlamaModel of Hugging Face transformers (modeling_llama.py), whose names it uses.
import * as tf from "@tensorflow/tfjs-core";
import type { AttentionContext } from "./attention.ts";
import type { DecoderConfig } from "./config.ts";

/** Linear maps of a block in the order they are stored and passed, by Hugging Face's names. */
export const blockMaps = [
  "self_attn.q_proj",
  "self_attn.k_proj",
  "self_attn.v_proj",
  "self_attn.o_proj",
  "mlp.gate_proj",
  "mlp.up_proj",
  "mlp.down_proj",
] as const;

/** A linear map of a block. */
export type BlockMap = typeof blockMaps[number];

/** The maps whose outputs a block's gradient reads; the last one's is only added to what goes on. */
export const mapsReadAgain: readonly BlockMap[] = blockMaps.slice(0, -1);

/** Norm weights of a block. */
export const blockNorms = ["input_layernorm", "post_attention_layernorm"] as const;

/** Answers for the linear map `name` of the block: x (N, in) → (N, out). */
export type Project = (name: BlockMap, x: tf.Tensor2D) => tf.Tensor2D;

/** in and out width of every map of a block. */
export function mapShape(name: string, config: DecoderConfig): { in: number; out: number } {
  const { width, heads, kvHeads, headDim, mlpWidth } = config;
  const shapes: Record<string, [number, number]> = {
    "self_attn.q_proj": [width, heads * headDim],
    "self_attn.k_proj": [width, kvHeads * headDim],
    "self_attn.v_proj": [width, kvHeads * headDim],
    "self_attn.o_proj": [heads * headDim, width],
    "mlp.gate_proj": [width, mlpWidth],
    "mlp.up_proj": [width, mlpWidth],
    "mlp.down_proj": [mlpWidth, width],
  };
  const shape = shapes[name];
  if (shape === undefined) throw new RangeError(`Cannot size map ${name}: a block has no such map`);
  return { in: shape[0], out: shape[1] };
}

/** One decoder block: x (B, T, D) → (B, T, D). */
export function block(
  x: tf.Tensor3D,
  norms: Record<typeof blockNorms[number], tf.Tensor>,
  { config, project, attention }: {
    config: DecoderConfig;
    project: Project;
    attention: AttentionContext;
  },
): tf.Tensor3D {
  const [B, T, D] = x.shape;
  let rows = tf.reshape(x, [B * T, D]) as tf.Tensor2D;
  const normed = rmsNorm(rows, norms.input_layernorm, config.normEpsilon);
  const mixed = attend(normed, { config, project, attention, shape: [B, T] }); // (B·T, H·headDim)
  rows = tf.add(rows, project("self_attn.o_proj", mixed));
  const hidden = rmsNorm(rows, norms.post_attention_layernorm, config.normEpsilon);
  const gate = project("mlp.gate_proj", hidden);
  const gated = tf.mul(tf.mul(gate, tf.sigmoid(gate)), project("mlp.up_proj", hidden)); // SiLU
  rows = tf.add(rows, project("mlp.down_proj", gated as tf.Tensor2D));
  return tf.reshape(rows, [B, T, D]);
}

/** x / rms(x) · weight over the last axis. */
export function rmsNorm(x: tf.Tensor2D, weight: tf.Tensor, epsilon: number): tf.Tensor2D {
  const meanSquare = tf.mean(tf.square(x), -1, true); // (N, 1)
  return tf.mul(tf.mul(x, tf.rsqrt(tf.add(meanSquare, epsilon))), weight);
}

/** Causal grouped-query attention before its output map. */
function attend(
  x: tf.Tensor2D,
  { config, project, attention, shape: [B, T] }: {
    config: DecoderConfig;
    project: Project;
    attention: AttentionContext;
    shape: [number, number];
  },
): tf.Tensor2D {
  const { heads: H, kvHeads: K, headDim } = config;
  const split = (name: BlockMap, count: number) =>
    tf.reshape(project(name, x), [B, T, count, headDim]) as tf.Tensor4D;
  const q = tf.mul(rotate(split("self_attn.q_proj", H), attention), headDim ** -0.5);
  const k = rotate(split("self_attn.k_proj", K), attention);
  const v = split("self_attn.v_proj", K);
  // Query heads that share a key head are stacked along the rows of one product.
  const queries = tf.reshape(tf.transpose(q, [0, 2, 1, 3]), [B * K, (H / K) * T, headDim]);
  const keys = tf.reshape(tf.transpose(k, [0, 2, 1, 3]), [B * K, T, headDim]);
  const values = tf.reshape(tf.transpose(v, [0, 2, 1, 3]), [B * K, T, headDim]);
  const scores = tf.reshape(tf.matMul(queries, keys, false, true), [B, H, T, T]);
  const weights = tf.softmax(tf.add(scores, attention.mask)); // (B, H, T, T)
  const mixed = tf.matMul(tf.reshape(weights, [B * K, (H / K) * T, T]), values);
  const heads = tf.transpose(tf.reshape(mixed, [B, H, T, headDim]), [0, 2, 1, 3]);
  return tf.reshape(heads, [B * T, H * headDim]);
}

/** Rotary embedding, Hugging Face's half-rotation layout: x (B, T, heads, headDim). */
function rotate(x: tf.Tensor4D, { cos, sin }: AttentionContext): tf.Tensor4D {
  const [first, second] = tf.split(x, 2, 3) as [tf.Tensor4D, tf.Tensor4D];
  const turned = tf.concat([tf.neg(second), first], 3) as tf.Tensor4D;
  return tf.add(tf.mul(x, cos), tf.mul(turned, sin));
}
