// What an adapter is to the rest of core: parameters beside every adapted linear map, and an
// increment to that map's output that may depend on the preference of each row.
import type * as tf from "@tensorflow/tfjs-core";
import type { Residuals } from "../engine/residuals.ts";
import type { Random } from "../random.ts";

/** Settings of an adapter, from RunConfig and the data's dimensions. */
export interface AdapterOptions {
  rank: number; // k: rank shared by all preferences
  objectives: number; // M
  alpha: number; // scale, divided by the width of the factors
  init: "orthonormal" | "gaussian";
  scalingFactor?: number; // fixed factor before λ; 0 or missing: learned
}

export interface ParameterValues {
  shape: number[];
  values: Float32Array;
}

/** One kind of adapter: pure functions over the parameters of one linear map. */
export interface Adapter {
  /** Parameter names of one map, in the order in which `increment` and `penalty` take them. */
  readonly parameterNames: readonly string[];

  /** Fresh parameters for a map of `shape`; the increment they give must be exactly zero. */
  init(
    shape: { in: number; out: number },
    random: Random,
  ): ParameterValues[];

  /** What is added to the base map's output: x (N, in), preference (N, M) → (N, out). */
  increment(
    x: tf.Tensor2D,
    parameters: tf.Tensor[],
    preference: tf.Tensor2D,
    residuals?: Residuals,
  ): tf.Tensor2D;

  /** Regularisation of one map's parameters, a scalar; zero where the adapter has none. */
  penalty(parameters: tf.Tensor[]): tf.Scalar;

  /** Width R of the factors of one map. */
  readonly width: number;

  /** V (in, R) and U (R, out) with which the increment is ((x·V) ⊙ rowFactors(λ))·U. */
  factors(parameters: ParameterValues[]): { V: Float32Array; U: Float32Array };

  /** What a preference scales the R columns by, the same for every map (R). */
  rowFactors(preference: number[]): Float32Array;

  /** Whether rowFactors(λ) = Σ λ_i rowFactors(e_i) over the simplex, e_i its corners. */
  readonly affine: boolean;

  /** The increment as a matrix (in, out) for one preference, so that W₀ + it serves without adapter. */
  merge(parameters: ParameterValues[], preference: number[]): Float32Array;
}
