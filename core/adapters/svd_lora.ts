// SVD-LoRA with the preference vector among its singular values: the adapter of Panacea.
// Source: Zhong et al. 2024, eq. 5 and 9; orthogonality as in AdaLoRA (Zhang et al. 2023).
import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "../random.ts";
import type { Adapter, AdapterOptions } from "./adapter.ts";

const INIT_STD = 0.02;

/**
 * y = x·W₀ + alpha/(k+M) · ((x·V) ⊙ d(λ))·U with d(λ) = [σ₁ … σ_k, s·λ₁ … s·λ_M].
 * V (in, k+M), U (k+M, out), sigma (k), s (1). Rows of a batch may differ in λ. σ and s start at
 * zero, so a fresh adapter leaves the base model as it is.
 */
export function svdLora({ rank, objectives, alpha, init }: AdapterOptions): Adapter {
  const total = rank + objectives; // R
  const scale = alpha / total;
  return {
    parameterNames: ["V", "U", "sigma", "s"],

    init(shape, random) {
      const draw = init === "orthonormal" ? orthonormalRows : gaussianRows;
      // V is drawn as (R, in) and stored transposed: orthonormality is along `in`.
      return [
        { shape: [shape.in, total], values: transpose(draw(total, shape.in, random), total) },
        { shape: [total, shape.out], values: draw(total, shape.out, random) },
        { shape: [rank], values: new Float32Array(rank) },
        { shape: [1], values: new Float32Array(1) },
      ];
    },

    increment(x, parameters, preference) {
      const [V, U, sigma, s] = four(parameters);
      const rows = x.shape[0];
      // d(λ) = [1 … 1, λ] ⊙ [σ, s … s]: the first factor belongs to the row, the second scales U.
      const select = tf.concat([tf.ones([rows, rank]), preference], 1); // (N, R)
      const singular = tf.concat([sigma, tf.mul(s, tf.ones([objectives]))]); // (R)
      const scaled = tf.mul(U, tf.reshape(tf.mul(singular, scale), [total, 1])); // (R, out)
      const low = tf.mul(tf.matMul(x, V as tf.Tensor2D), select); // (N, R)
      return tf.matMul(low as tf.Tensor2D, scaled as tf.Tensor2D);
    },

    penalty(parameters) {
      const [V, U] = four(parameters);
      const identity = tf.eye(total);
      const distance = (gram: tf.Tensor) => tf.sum(tf.square(tf.sub(gram, identity)));
      return tf.add(
        distance(tf.matMul(U, U, false, true)), // ‖UUᵀ − I‖²
        distance(tf.matMul(V, V, true, false)), // ‖VᵀV − I‖²
      ) as tf.Scalar;
    },

    width: total,

    factors(parameters) {
      const [V, U, sigma, s] = four(parameters);
      const out = U.shape[1] ?? 0;
      const shared = [...sigma.values, ...Array(objectives).fill(s.values[0] ?? 0)]; // (R)
      const scaled = U.values.map((value, i) => value * scale * (shared[Math.floor(i / out)] ?? 0));
      return { V: V.values, U: scaled };
    },

    rowFactors(preference) {
      return Float32Array.from([...Array(rank).fill(1), ...preference]);
    },

    merge(parameters, preference) {
      const [V, U, sigma, s] = four(parameters);
      const factor = s.values[0] ?? 0;
      const singular = [...sigma.values, ...preference.map((weight) => factor * weight)];
      const [width = 0] = V.shape;
      const out = U.shape[1] ?? 0;
      const merged = new Float32Array(width * out);
      const line = new Float64Array(out);
      for (let i = 0; i < width; i++) {
        line.fill(0);
        for (let r = 0; r < total; r++) {
          const v = (V.values[i * total + r] ?? 0) * (singular[r] ?? 0) * scale;
          if (v === 0) continue;
          for (let o = 0; o < out; o++) line[o] = (line[o] ?? 0) + v * (U.values[r * out + o] ?? 0);
        }
        merged.set(line, i * out);
      }
      return merged;
    },
  };
}

function four<T>(parameters: T[]): [T, T, T, T] {
  const [V, U, sigma, s] = parameters;
  if (V === undefined || U === undefined || sigma === undefined || s === undefined) {
    throw new TypeError(`Cannot apply SVD-LoRA: expected 4 parameters, got ${parameters.length}`);
  }
  return [V, U, sigma, s];
}

function gaussianRows(rows: number, width: number, random: Random): Float32Array {
  return Float32Array.from({ length: rows * width }, () => INIT_STD * random.normal());
}

/** Rows of a Gaussian matrix made orthonormal by Gram–Schmidt, twice for accuracy. */
function orthonormalRows(rows: number, width: number, random: Random): Float32Array {
  if (rows > width) {
    throw new RangeError(
      `Cannot start orthonormal: expected rank + dimensions ≤ ${width}, got ${rows}`,
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
