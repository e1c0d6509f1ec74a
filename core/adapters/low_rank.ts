// What the adapters of a linear map have in common: two factors with something diagonal between
// them. A kind of adapter says which parameters it has and what stands on the diagonal; increment,
// factors and merge follow from that. Source: Hu et al. 2022 (LoRA); Zhong et al. 2024, eq. 5.
import * as tf from "@tensorflow/tfjs-core";
import { noResiduals, residual } from "../engine/residuals.ts";
import type { Random } from "../random.ts";
import type { Adapter, AdapterOptions, ParameterValues } from "./adapter.ts";

/**
 * y = x·W₀ + scale · ((x·V) ⊙ rows(λ) ⊙ singular)·U. The parameters are V (in, R), U (R, out) and
 * then those of the diagonal, which are passed as `rest`.
 */
export interface LowRank {
  parameterNames: readonly [string, string, ...string[]];
  width: number; // R
  scale: number;
  init: Adapter["init"];
  /** The part of the diagonal that is the same for every row, as a tensor (R); null: all ones. */
  singular(rest: tf.Tensor[]): tf.Tensor1D | null;
  /** The same from stored values. */
  singularValues(rest: ParameterValues[]): number[];
  /** The part of the diagonal that λ decides, (N, M) → (N, R); null: λ moves nothing. */
  rows: ((preference: tf.Tensor2D) => tf.Tensor2D) | null;
  /** The same for one λ (M) → (R); affine in λ. */
  rowValues(preference: number[]): number[];
  penalty(V: tf.Tensor, U: tf.Tensor): tf.Scalar;
}

/** The adapter that a kind describes. */
export function lowRank(kind: LowRank): Adapter {
  const { width, scale, parameterNames } = kind;

  function split<T>(parameters: T[]): { V: T; U: T; rest: T[] } {
    const [V, U, ...rest] = parameters;
    if (V === undefined || U === undefined || parameters.length !== parameterNames.length) {
      throw new TypeError(
        `Cannot apply the adapter: expected ${parameterNames.length} parameters ` +
          `(${parameterNames.join(", ")}), got ${parameters.length}`,
      );
    }
    return { V, U, rest };
  }

  return {
    parameterNames,
    width,
    init: kind.init,

    increment(x, parameters, preference, residuals = noResiduals) {
      const { V, U, rest } = split(parameters);
      // The row's share of the diagonal scales x·V, the shared one scales U, which is smaller.
      const singular = kind.singular(rest);
      const scaled = singular === null
        ? tf.mul(U, scale)
        : tf.mul(U, tf.reshape(tf.mul(singular, scale), [width, 1])); // (R, out)
      const low = residual(residuals, [x, V as tf.Tensor2D], { // (N, R)
        value: (x, V) => tf.matMul(x, V),
        gradients: (dy: tf.Tensor2D, x, V) => [
          tf.matMul(dy, V, false, true),
          tf.matMul(x, dy, true),
        ],
      });
      const chosen = kind.rows === null ? low : tf.mul(low, kind.rows(preference));
      return tf.matMul(chosen as tf.Tensor2D, scaled as tf.Tensor2D);
    },

    penalty(parameters) {
      const { V, U } = split(parameters);
      return kind.penalty(V, U);
    },

    factors(parameters) {
      const { V, U, rest } = split(parameters);
      const out = U.shape[1] ?? 0;
      const shared = kind.singularValues(rest); // (R)
      const scaled = U.values.map((value, i) => value * scale * (shared[Math.floor(i / out)] ?? 0));
      return { V: V.values, U: scaled };
    },

    rowFactors: (preference) => Float32Array.from(kind.rowValues(preference)),

    affine: true,

    merge(parameters, preference) {
      const { V, U, rest } = split(parameters);
      const rows = kind.rowValues(preference);
      const diagonal = kind.singularValues(rest).map((value, r) => value * (rows[r] ?? 0));
      const [inputs = 0] = V.shape;
      const out = U.shape[1] ?? 0;
      const merged = new Float32Array(inputs * out);
      const line = new Float64Array(out);
      for (let i = 0; i < inputs; i++) {
        line.fill(0);
        for (let r = 0; r < width; r++) {
          const v = (V.values[i * width + r] ?? 0) * (diagonal[r] ?? 0) * scale;
          if (v === 0) continue;
          for (let o = 0; o < out; o++) line[o] = (line[o] ?? 0) + v * (U.values[r * out + o] ?? 0);
        }
        merged.set(line, i * out);
      }
      return merged;
    },
  };
}

/** ‖UUᵀ − I‖² + ‖VᵀV − I‖², the orthogonality penalty of AdaLoRA (Zhang et al. 2023). */
export function orthogonalityPenalty(V: tf.Tensor, U: tf.Tensor): tf.Scalar {
  const distance = (gram: tf.Tensor) => tf.sum(tf.square(tf.sub(gram, tf.eye(gram.shape[0] ?? 0))));
  return tf.add(
    distance(tf.matMul(U, U, false, true)),
    distance(tf.matMul(V, V, true, false)),
  ) as tf.Scalar;
}

/** Fresh V (in, R) or its like: drawn as R rows of the option's kind, stored transposed. */
export function initialColumns(
  { rows, width, init }: { rows: number; width: number; init: AdapterOptions["init"] },
  random: Random,
): ParameterValues {
  return { shape: [width, rows], values: transpose(draws[init](rows, width, random), rows) };
}

/** Fresh U (R, out): rows of the option's kind. */
export function initialRows(
  { rows, width, init }: { rows: number; width: number; init: AdapterOptions["init"] },
  random: Random,
): ParameterValues {
  return { shape: [rows, width], values: draws[init](rows, width, random) };
}

/** Parameters that start at zero. */
export function zeros(...shape: number[]): ParameterValues {
  return { shape, values: new Float32Array(tf.util.sizeFromShape(shape)) };
}

const INIT_STD = 0.02;

const draws: Record<
  AdapterOptions["init"],
  (rows: number, width: number, random: Random) => Float32Array
> = { gaussian: gaussianRows, orthonormal: orthonormalRows };

function gaussianRows(rows: number, width: number, random: Random): Float32Array {
  return Float32Array.from({ length: rows * width }, () => INIT_STD * random.normal());
}

/** Rows of a Gaussian matrix made orthonormal by Gram–Schmidt, twice for accuracy. */
function orthonormalRows(rows: number, width: number, random: Random): Float32Array {
  if (rows > width) {
    throw new RangeError(
      `Cannot start orthonormal: expected a rank of at most ${width}, got ${rows}`,
    );
  }
  const basis: Float64Array[] = [];
  for (let r = 0; r < rows; r++) {
    const row = Float64Array.from({ length: width }, () => random.normal());
    for (let pass = 0; pass < 2; pass++) {
      for (const other of basis) subtractScaled(row, other, dot(row, other));
    }
    const norm = Math.sqrt(dot(row, row));
    basis.push(row.map((value) => value / norm));
  }
  return Float32Array.from(basis.flatMap((row) => [...row]));
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}

function subtractScaled(target: Float64Array, other: Float64Array, factor: number): void {
  other.forEach((value, i) => target[i] = (target[i] ?? 0) - factor * value);
}

/** (rows, n) → (n, rows) */
function transpose(values: Float32Array, rows: number): Float32Array {
  const n = values.length / rows;
  const turned = new Float32Array(values.length);
  values.forEach((value, i) => turned[(i % n) * rows + Math.floor(i / n)] = value);
  return turned;
}
