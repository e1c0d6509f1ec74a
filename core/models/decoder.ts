// The decoder as tfjs functions: one block, the norm, and the cap of scores and logits. It does not
// know adapters: every linear map goes through `project`, and whoever calls decides what answers; nor
// families: what they do differently is in the configuration's traits.
// Source: LlamaModel of Hugging Face transformers (modeling_llama.py), whose names it uses, and for the
// traits the models of core/models/families.ts.
import * as tf from "@tensorflow/tfjs-core";
import type { AttentionContext } from "./attention.ts";
import type { DecoderConfig } from "./config.ts";
import type { BlockMap } from "./linear_maps.ts";
import { blockVectors, normPlaces, type Traits, traitsOf } from "./traits.ts";

/** Answers for the linear map `name` of the block: x (N, in) → (N, out). */
export type Project = (name: BlockMap, x: tf.Tensor2D) => tf.Tensor2D;

/** A block's vectors by name (see blockVectors), from tensors in their order. */
export function namedVectors(config: DecoderConfig, tensors: tf.Tensor[]): Map<string, tf.Tensor> {
  return new Map(
    [...blockVectors(config).keys()].map((name, i) => [name, tensors[i] as tf.Tensor]),
  );
}

/** What one block computes with. */
interface BlockParts {
  config: DecoderConfig;
  /** See namedVectors. */
  vectors: Map<string, tf.Tensor>;
  project: Project;
  attention: AttentionContext;
}

/** One decoder block: x (B, T, D) → (B, T, D). */
export function block(x: tf.Tensor3D, parts: BlockParts): tf.Tensor3D {
  const { config, vectors, project } = parts;
  const { norms, activation } = traitsOf(config);
  const { attention, mlp } = normPlaces[norms];
  const norm = (rows: tf.Tensor2D, name: string | null) =>
    name === null ? rows : normalise(rows, vectors.get(`${name}.weight`) as tf.Tensor, config);
  const [B, T, D] = x.shape;
  let rows = tf.reshape(x, [B * T, D]) as tf.Tensor2D;
  const mixed = attend(norm(rows, attention.before), [B, T], parts); // (B·T, H·headDim)
  rows = tf.add(rows, norm(project("self_attn.o_proj", mixed), attention.after));
  const hidden = norm(rows, mlp.before);
  const gate = activations[activation](project("mlp.gate_proj", hidden));
  const gated = tf.mul(gate, project("mlp.up_proj", hidden));
  rows = tf.add(rows, norm(project("mlp.down_proj", gated as tf.Tensor2D), mlp.after));
  return tf.reshape(rows, [B, T, D]);
}

const activations: Record<Traits["activation"], (x: tf.Tensor2D) => tf.Tensor2D> = {
  silu: (x) => tf.mul(x, tf.sigmoid(x)),
  // PyTorch's gelu with approximate="tanh" (Hendrycks and Gimpel 2016, arXiv 1606.08415, section 2).
  gelu_tanh: (x) => {
    const cubic = tf.mul(0.044715, tf.mul(x, tf.square(x)));
    const inner = tf.mul(Math.sqrt(2 / Math.PI), tf.add(x, cubic));
    return tf.mul(tf.mul(0.5, x), tf.add(1, tf.tanh(inner)));
  },
};

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
  const meanSquare = tf.mean(tf.square(x), -1, true); // (N, 1)
  return tf.mul(tf.mul(x, tf.rsqrt(tf.add(meanSquare, epsilon))), weight);
}

/** cap·tanh(x / cap), which is between −cap and cap; x itself where cap is null. */
export function capped<T extends tf.Tensor>(x: T, cap: number | null): T {
  return cap === null ? x : tf.mul(cap, tf.tanh(tf.div(x, cap)));
}

/** Causal grouped-query attention before its output map: x (B·T, D) → (B·T, H·headDim). */
function attend(
  x: tf.Tensor2D,
  [B, T]: [number, number],
  { config, vectors, project, attention }: BlockParts,
): tf.Tensor2D {
  const { heads: H, kvHeads: K, headDim } = config;
  const { qkNorm, queryScalar, scoreCap } = traitsOf(config);
  const mapped = (name: BlockMap) => {
    const bias = vectors.get(`${name}.bias`);
    return bias === undefined ? project(name, x) : tf.add<tf.Tensor2D>(project(name, x), bias);
  };
  const split = (rows: tf.Tensor2D, count: number) =>
    tf.reshape(rows, [B, T, count, headDim]) as tf.Tensor4D;
  /** Queries or keys, normed over each head or over all of them, and turned. */
  const turned = (side: "q" | "k", count: number) => {
    let rows = mapped(`self_attn.${side}_proj`);
    if (qkNorm !== null) {
      if (qkNorm === "head") rows = tf.reshape(rows, [B * T * count, headDim]);
      rows = normalise(rows, vectors.get(`self_attn.${side}_norm.weight`) as tf.Tensor, config);
    }
    return rotate(split(rows, count), attention);
  };
  const q = tf.mul(turned("q", H), (queryScalar ?? headDim) ** -0.5);
  const k = turned("k", K);
  const v = split(mapped("self_attn.v_proj"), K);
  // Query heads that share a key head are stacked along the rows of one product.
  const queries = tf.reshape(tf.transpose(q, [0, 2, 1, 3]), [B * K, (H / K) * T, headDim]);
  const keys = tf.reshape(tf.transpose(k, [0, 2, 1, 3]), [B * K, T, headDim]);
  const values = tf.reshape(tf.transpose(v, [0, 2, 1, 3]), [B * K, T, headDim]);
  const products = tf.reshape(tf.matMul(queries, keys, false, true), [B, H, T, T]);
  const weights = tf.softmax(tf.add(capped(products, scoreCap), attention.mask)); // (B, H, T, T)
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
