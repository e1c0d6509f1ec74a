// A small decoder whose weights are all trained: the whole forward pass, from token ids to
// log-probabilities, as one function of the weights, with its gradients one compiled graph.
// Every intermediate stays in memory until the gradient is taken, so this is for models of a few
// million parameters; core/models/policy.ts is the way for large ones. Used by core/pretrain.ts.
import * as tf from "@tensorflow/tfjs-core";
import type { Engine } from "../engine/engine.ts";
import type { Random } from "../random.ts";
import type { Pack } from "../text/pack.ts";
import type { DecoderConfig } from "./config.ts";
import { type AttentionContext, attentionContext } from "./attention.ts";
import { block, blockNorms, rmsNorm } from "./decoder.ts";
import { familyOf } from "./families.ts";

/**
 * A trained decoder on an engine. Weights go in and come out in the order of `names`. RangeError for
 * packs whose sequences share prompts.
 */
export interface FullDecoder {
  config: DecoderConfig;
  names: string[]; // Hugging Face's
  shapes: number[][];

  /** log π of the response tokens of a pack (N). */
  logProbs(weights: tf.Tensor[], pack: Pack): Promise<Float32Array>;

  /**
   * Σ slopes[n] · log π_n over the response tokens (scalar), and its gradient by every weight.
   * Caller disposes both.
   */
  weightedSum(
    weights: tf.Tensor[],
    pack: Pack,
    slopes: Float32Array, // (N)
  ): { value: tf.Scalar; gradients: tf.Tensor[] };
}

/** The decoder of `config` as a function of its weights; packs of one shape are compiled once. */
export function createFullDecoder(engine: Engine, config: DecoderConfig): FullDecoder {
  const shapes = familyOf(config).weightShapes(config);
  const names = [...shapes.keys()];
  const forward = forwardFunction(engine, config, names);

  const compiledLogProbs = engine.compile((...args) => [
    forward(args.slice(0, PACK_INPUTS) as tf.Tensor[], args.slice(PACK_INPUTS) as tf.Tensor[]),
  ]);
  const compiledGradients = engine.compile((slopes, ...args) => {
    const pack = args.slice(0, PACK_INPUTS) as tf.Tensor[];
    const { value, grads } = tf.valueAndGrads((...weights) =>
      tf.sum(tf.mul(forward(pack, weights), slopes as tf.Tensor))
    )(args.slice(PACK_INPUTS) as tf.Tensor[]);
    return [value, ...grads];
  });

  return {
    config,
    names,
    shapes: [...shapes.values()],

    async logProbs(weights, pack) {
      const inputs = packInputs(pack);
      const [all] = compiledLogProbs(...inputs, ...weights);
      const values = await (all as tf.Tensor).data();
      [...inputs, all].forEach((tensor) => tensor?.dispose());
      return Float32Array.from(pack.predicting, (position) => values[position] ?? NaN);
    },

    weightedSum(weights, pack, slopes) {
      const spread = new Float32Array(pack.ids.length);
      pack.predicting.forEach((position, n) => spread[position] = slopes[n] ?? 0);
      const inputs = [tf.tensor1d(spread), ...packInputs(pack)];
      const [value, ...gradients] = compiledGradients(...inputs, ...weights);
      inputs.forEach((tensor) => tensor.dispose());
      return { value: value as tf.Scalar, gradients };
    },
  };
}

/**
 * Weights to start training from, by name: norms 1, everything else N(0, 0.02²), the two maps that
 * write to the residual stream divided by √(2·layers) (Radford et al. 2019, GPT-2, section 2.3).
 */
export function initialWeights(config: DecoderConfig, random: Random): Map<string, Float32Array> {
  const residual = 0.02 / Math.sqrt(2 * config.layers);
  const weights = new Map<string, Float32Array>();
  for (const [name, shape] of familyOf(config).weightShapes(config)) {
    const size = shape.reduce((product, dim) => product * dim, 1);
    const scale = /(o_proj|down_proj)\.weight$/.test(name) ? residual : 0.02;
    const value = shape.length === 1 ? () => 1 : () => scale * random.normal();
    weights.set(name, Float32Array.from({ length: size }, value));
  }
  return weights;
}

/** ids, targets, positions, segments, branches of a pack come before the weights. */
const PACK_INPUTS = 5;

/** ids, targets (B·T), positions, segments, branches (B, T); targets 0 where none is predicted. */
function packInputs(pack: Pack): tf.Tensor[] {
  // A prompt's end would have several targets; there is one per position here.
  if (new Set(pack.predicting).size < pack.predicting.length) {
    throw new RangeError("Cannot run all weights: expected a prompt per sequence, got shared ones");
  }
  const shape: [number, number] = [pack.rows, pack.length];
  const targets = new Int32Array(pack.ids.length);
  pack.predicting.forEach((position, n) => targets[position] = pack.targets[n] ?? 0);
  return [
    tf.tensor1d(pack.ids, "int32"),
    tf.tensor1d(targets, "int32"),
    tf.tensor2d(pack.positions, shape, "int32"),
    tf.tensor2d(pack.segments, shape, "int32"),
    tf.tensor2d(pack.branches, shape, "int32"),
  ];
}

/** log p(target) at every position of a pack (B·T): rows that predict nothing give a number too. */
function forwardFunction(engine: Engine, config: DecoderConfig, names: string[]) {
  const context = attentionContext(engine, config);

  return (pack: tf.Tensor[], weights: tf.Tensor[]): tf.Tensor1D => {
    const [ids, targets, positions, ...groups] = pack as tf.Tensor[];
    const [B, T] = (positions as tf.Tensor2D).shape;
    const weight = (name: string) => weights[names.indexOf(`${name}.weight`)] as tf.Tensor;
    const [cos, sin, mask] = context(positions as tf.Tensor, ...groups);
    const attention = { cos, sin, mask } as AttentionContext;
    const table = weight("model.embed_tokens") as tf.Tensor2D; // (V, D)
    let x = tf.reshape(embed(engine, table, ids as tf.Tensor1D), [B, T, config.width]);
    for (let layer = 0; layer < config.layers; layer++) {
      const own = (name: string) => weight(`model.layers.${layer}.${name}`);
      const [input, output] = blockNorms.map(own) as [tf.Tensor, tf.Tensor];
      x = block(x as tf.Tensor3D, { input_layernorm: input, post_attention_layernorm: output }, {
        config,
        attention,
        project: (name, rows) => tf.matMul(rows, own(name) as tf.Tensor2D, false, true),
      });
    }
    const rows = tf.reshape(x, [B * T, config.width]) as tf.Tensor2D;
    const normed = rmsNorm(rows, weight("model.norm"), config.normEpsilon);
    const head = (config.tiedHead ? table : weight("lm_head")) as tf.Tensor2D;
    return targetLogProbs(tf.matMul(normed, head, false, true), targets as tf.Tensor1D);
  };
}

/** Rows of the table (N, D); tfjs's own gradient of gather can neither be recorded nor run on wasm. */
function embed(engine: Engine, table: tf.Tensor2D, ids: tf.Tensor1D): tf.Tensor2D {
  const rows = tf.customGrad((table) => ({
    value: engine.lookup(table as tf.Tensor, ids),
    gradFunc: (dy: tf.Tensor) => tf.matMul(oneHot(ids, (table as tf.Tensor).shape[0]), dy, true),
  }));
  return rows(table) as tf.Tensor2D;
}

/** logits (N, V), targets (N) → log softmax(logits)[target] (N) */
function targetLogProbs(logits: tf.Tensor2D, targets: tf.Tensor1D): tf.Tensor1D {
  const chosen = tf.sum(tf.mul(tf.logSoftmax(logits), oneHot(targets, logits.shape[1])), 1);
  return chosen as tf.Tensor1D;
}

/** (N) → (N, depth). By way of int32: tfjs's wasm kernel writes integers whatever type is asked. */
function oneHot(ids: tf.Tensor1D, depth: number | undefined): tf.Tensor2D {
  return tf.cast(tf.oneHot(ids, depth as number), "float32") as tf.Tensor2D;
}
