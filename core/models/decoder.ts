// The decoder as tfjs functions: one block. It does not know adapters: every linear map goes through
// `project`, and whoever calls decides what answers; nor families: what they do differently is in the
// configuration's traits.
// Source: LlamaModel of Hugging Face transformers (modeling_llama.py), whose names it uses, and for the
// traits the models of core/models/families.ts.
import * as tf from "@tensorflow/tfjs-core";
import type { AttentionContext } from "./attention.ts";
import type { Residuals } from "../engine/residuals.ts";
import type { DecoderConfig } from "./config.ts";
import { gates } from "./gates.ts";
import type { BlockMap } from "./linear_maps.ts";
import { normalise } from "./norm.ts";
import { softmaxAttention } from "./softmax_attention.ts";
import { blockVectors, normPlaces, traitsOf } from "./traits.ts";

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
  residuals: Residuals;
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
  const gated = gates[activation](project("mlp.gate_proj", hidden), project("mlp.up_proj", hidden));
  rows = tf.add(rows, norm(project("mlp.down_proj", gated), mlp.after));
  return tf.reshape(rows, [B, T, D]);
}

/** Causal grouped-query attention before its output map: x (B·T, D) → (B·T, H·headDim). */
function attend(
  x: tf.Tensor2D,
  [B, T]: [number, number],
  { config, vectors, project, attention, residuals }: BlockParts,
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
  const q = turned("q", H);
  const k = tf.mul<tf.Tensor4D>(turned("k", K), (queryScalar ?? headDim) ** -0.5); // smaller than q
  const v = split(mapped("self_attn.v_proj"), K);
  // Query heads that share a key head are stacked along the rows of one product.
  const byHead = (x: tf.Tensor4D) => tf.transpose(x, [0, 2, 1, 3]);
  const queries = tf.reshape(byHead(q), [B * K, H / K, T, headDim]) as tf.Tensor4D;
  const [keys, values] = [k, v].map((x) => tf.reshape(byHead(x), [B * K, T, headDim]));
  const mixed = softmaxAttention(
    [queries, keys as tf.Tensor3D, values as tf.Tensor3D],
    attention.mask,
    { scoreCap, residuals },
  );
  const heads = byHead(tf.reshape(mixed, [B, H, T, headDim]));
  return tf.reshape(heads, [B * T, H * headDim]);
}

/** Rotary embedding, Hugging Face's half-rotation layout: x (B, T, heads, headDim). */
function rotate(x: tf.Tensor4D, { cos, sin }: AttentionContext): tf.Tensor4D {
  const [first, second] = tf.split(x, 2, 3) as [tf.Tensor4D, tf.Tensor4D];
  const turned = tf.concat([tf.neg(second), first], 3) as tf.Tensor4D;
  return tf.add(tf.mul(x, cos), tf.mul(turned, sin));
}
