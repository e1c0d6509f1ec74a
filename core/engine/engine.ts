// What the rest of core may ask of an engine. tfjs-core ops compute; an engine adds what tfjs has no
// word for: frozen weights in a narrower type, and functions compiled from tfjs code.
import type * as tf from "@tensorflow/tfjs-core";
import type { ByteBudget } from "./byte_budget.ts";
import type { Residuals } from "./residuals.ts";

/** How frozen weights are held. Activations and everything trained stay float32. */
export type HeldType = "bfloat16" | "float32";

export interface EngineOptions {
  dtype: HeldType;
  threads: number; // 0: all cores
  device: string; // "auto", "cpu", "gpu:0" …
}

/** tensors in, tensors out; every call with new shapes is compiled once */
export type TensorFunction = (...args: tf.Tensor[]) => tf.Tensor[];

/** One computing back end, owned by one thread. */
export interface Engine {
  readonly name: string;
  readonly version: string;
  readonly devices: string[];
  readonly dtype: HeldType;

  /**
   * Holds a copy of a frozen weight, in the engine's dtype unless told otherwise. The result has tfjs dtype
   * float32 whatever it is held in; only `project`, `projectBack` and `lookup` may read it.
   * Caller disposes.
   */
  hold(values: Float32Array, shape: number[], dtype?: HeldType): tf.Tensor;

  /**
   * x·Wᵀ for x (N, in) and a held W (out, in): (N, out), float32. Differentiable in x, not in W.
   * With `residuals` the product is one, in the type that it is computed in.
   */
  project(x: tf.Tensor2D, weight: tf.Tensor, residuals?: Residuals): tf.Tensor2D;

  /** y·W for y (N, out) and a held W (out, in): (N, in), float32. Not differentiable. */
  projectBack(y: tf.Tensor2D, weight: tf.Tensor): tf.Tensor2D;

  /** Rows `ids` (N) of a table (V, D), held or not: (N, D), float32. Not differentiable. */
  lookup(table: tf.Tensor, ids: tf.Tensor1D): tf.Tensor2D;

  /**
   * A function that computes what `fn` computes. `fn` must be pure, return fresh tensors, and read
   * no values; tensors that it uses without being given them are frozen into the compiled form.
   * Caller disposes the results.
   */
  compile(fn: TensorFunction): TensorFunction;

  /** What all passes together may hold of residuals: a pass takes what is left and recomputes the rest. */
  readonly residualBytes: ByteBudget;

  /** Bytes of a tensor's values as they are held. */
  bytesOf(tensor: tf.Tensor): number;

  /** Live tensors of the back end, for leak tests. */
  liveTensors(): number;

  /** Frees the back end; the engine cannot be used afterwards. */
  dispose(): void;
}
