// AdamW with clipping by the global norm, and learning-rate schedules. State goes in and comes out;
// the update of a block is one compiled function.
// Source: Loshchilov and Hutter 2019 (decoupled weight decay), as torch.optim.AdamW orders it.
import * as tf from "@tensorflow/tfjs-core";
import {
  type BlockParameters,
  readParameters,
  type StoredParameters,
} from "./adapters/parameters.ts";
import type { RunConfig } from "./config.ts";
import type { Engine } from "./engine/engine.ts";

/** First and second moments of one block's parameters, in their order. */
export interface Moments {
  first: tf.Tensor[];
  second: tf.Tensor[];
}

export interface AdamWOptions {
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
}

export interface AdamW {
  /** Zero moments for parameters. Caller disposes. */
  init(parameters: tf.Tensor[]): Moments;

  /**
   * New parameters and moments after one step; the old ones are disposed. `step` counts from 1,
   * `scale` multiplies the gradients (clipping, averaging).
   */
  update(
    parameters: tf.Tensor[],
    gradients: tf.Tensor[],
    state: { moments: Moments; step: number; learningRate: number; scale: number },
  ): { parameters: tf.Tensor[]; moments: Moments };
}

export function adamW(engine: Engine, options: AdamWOptions): AdamW {
  const { beta1, beta2, epsilon, weightDecay } = options;

  /** [learning rate, gradient scale, 1 − β₁ᵗ, 1 − β₂ᵗ], parameters, gradients, moments → all new */
  const updateAll = engine.compile((scalars, ...tensors) => {
    const [rate, scale, correction1, correction2] = tf.unstack(scalars as tf.Tensor1D);
    const n = tensors.length / 4;
    const results: tf.Tensor[][] = [[], [], []];
    for (let i = 0; i < n; i++) {
      const [p, g, m, v] = [0, 1, 2, 3].map((k) => tensors[i + k * n] as tf.Tensor);
      const gradient = tf.mul(g as tf.Tensor, scale as tf.Scalar);
      const first = tf.add(tf.mul(m as tf.Tensor, beta1), tf.mul(gradient, 1 - beta1));
      const second = tf.add(tf.mul(v as tf.Tensor, beta2), tf.mul(tf.square(gradient), 1 - beta2));
      const root = tf.sqrt(tf.div(second, correction2 as tf.Scalar));
      const step = tf.div(tf.div(first, correction1 as tf.Scalar), tf.add(root, epsilon));
      const decayed = tf.add(step, tf.mul(p as tf.Tensor, weightDecay));
      results[0]?.push(tf.sub(p as tf.Tensor, tf.mul(decayed, rate as tf.Scalar)));
      results[1]?.push(first);
      results[2]?.push(second);
    }
    return results.flat();
  });

  return {
    init(parameters) {
      const zeros = () => parameters.map((parameter) => tf.zeros(parameter.shape));
      return { first: zeros(), second: zeros() };
    },

    update(parameters, gradients, { moments, step, learningRate, scale }) {
      if (parameters.length === 0) return { parameters, moments };
      const scalars = tf.tensor1d([learningRate, scale, 1 - beta1 ** step, 1 - beta2 ** step]);
      const old = [...parameters, ...moments.first, ...moments.second];
      const results = updateAll(
        scalars,
        ...parameters,
        ...gradients,
        ...moments.first,
        ...moments.second,
      );
      [scalars, ...old].forEach((tensor) => tensor.dispose());
      const n = parameters.length;
      return {
        parameters: results.slice(0, n),
        moments: { first: results.slice(n, 2 * n), second: results.slice(2 * n) },
      };
    },
  };
}

/** √Σ g² over blocks of gradients. */
export async function globalNorm(engine: Engine, blocks: tf.Tensor[][]): Promise<number> {
  const sumOfSquares = squares(engine);
  const sums = blocks.filter((block) => block.length > 0).map((block) =>
    sumOfSquares(...block)[0] as tf.Tensor
  );
  const total = tf.addN(sums);
  const [value = 0] = await total.data();
  [...sums, total].forEach((tensor) => tensor.dispose());
  return Math.sqrt(value);
}

const squaresOf = new WeakMap<Engine, ReturnType<Engine["compile"]>>();

function squares(engine: Engine): ReturnType<Engine["compile"]> {
  let compiled = squaresOf.get(engine);
  if (compiled === undefined) {
    compiled = engine.compile((...tensors) => [
      tf.addN(tensors.map((tensor) => tf.sum(tf.square(tensor)))),
    ]);
    squaresOf.set(engine, compiled);
  }
  return compiled;
}

/** Schedules: progress in [0, 1] after the warm-up → share of the peak learning rate. */
export const schedules: Record<RunConfig["lr_scheduler_type"], (progress: number) => number> = {
  cosine: (progress) => 0.5 * (1 + Math.cos(Math.PI * progress)),
  linear: (progress) => 1 - progress,
  constant: () => 1,
};

/**
 * Learning rate of step 0 … steps−1. Rises linearly over ceil(warmupRatio·steps) steps, from
 * peak/warm-up to the peak, then follows the schedule. Hugging Face's get_scheduler starts at 0
 * instead, one step behind during the warm-up, and agrees from then on: a first step of rate 0
 * would be a step for nothing.
 */
export function learningRateAt(
  step: number,
  { steps, peak, warmupRatio, type }: {
    steps: number;
    peak: number;
    warmupRatio: number;
    type: RunConfig["lr_scheduler_type"];
  },
): number {
  const warmup = Math.ceil(warmupRatio * steps);
  if (step < warmup) return peak * ((step + 1) / warmup);
  return peak * schedules[type]((step - warmup) / Math.max(1, steps - warmup));
}

/** Moments as stored: `m.<name>` and `v.<name>` for every parameter. */
export async function storeMoments(
  parameters: BlockParameters[],
  moments: Moments[],
): Promise<StoredParameters> {
  const blocks = parameters.flatMap(({ names }, i) => [
    { names: names.map((name) => `m.${name}`), tensors: moments[i]?.first ?? [] },
    { names: names.map((name) => `v.${name}`), tensors: moments[i]?.second ?? [] },
  ]);
  return await readParameters(blocks);
}

/** Moments of one block's parameters from what storeMoments gave; throws RangeError if any lacks. */
export function loadMoments(names: string[], stored: StoredParameters): Moments {
  const load = (prefix: string) =>
    names.map((name) => {
      const value = stored.get(`${prefix}.${name}`);
      if (value === undefined) {
        throw new RangeError(`Cannot resume: the optimiser state lacks ${prefix}.${name}`);
      }
      return tf.tensor(value.values, value.shape);
    });
  return { first: load("m"), second: load("v") };
}
