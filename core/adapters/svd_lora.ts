// SVD-LoRA with the preference vector among its singular values: the adapter of Panacea.
// Source: Zhong et al. 2024, eq. 5 and 9; orthogonality as in AdaLoRA (Zhang et al. 2023).
import * as tf from "@tensorflow/tfjs-core";
import type { Adapter, AdapterOptions, ParameterValues } from "./adapter.ts";
import { initialColumns, initialRows, lowRank, orthogonalityPenalty, zeros } from "./low_rank.ts";

/**
 * y = x·W₀ + alpha/(k+M) · ((x·V) ⊙ d(λ))·U with d(λ) = [σ₁ … σ_k, s·λ₁ … s·λ_M].
 * V (in, k+M), U (k+M, out), sigma (k), s (1). Rows of a batch may differ in λ. σ and s start at
 * zero, so a fresh adapter leaves the base model as it is. With a `scalingFactor` above 0 that number
 * stands for s, which is then no parameter (figure 7); the M rows of U that λ scales start at zero
 * instead, as LoRA's B does, so that a fresh adapter is the base model all the same.
 */
export function svdLora(
  { rank, objectives, alpha, init, scalingFactor = 0 }: AdapterOptions,
): Adapter {
  const total = rank + objectives; // R
  const scaling = scalingFactor === 0 ? learned : fixed(scalingFactor);
  return lowRank({
    parameterNames: ["V", "U", "sigma", ...scaling.names],
    width: total,
    scale: alpha / total,

    init(shape, random) {
      const V = initialColumns({ rows: total, width: shape.in, init }, random);
      const U = initialRows({ rows: total, width: shape.out, init }, random);
      if (scaling.startsAtRows) U.values.fill(0, rank * shape.out);
      return [V, U, zeros(rank), ...scaling.names.map(() => zeros(1))];
    },

    singular: ([sigma, s]) =>
      tf.concat([sigma as tf.Tensor1D, tf.mul(scaling.tensor(s), tf.ones([objectives]))]),

    singularValues: ([sigma, s]) => [
      ...sigma?.values ?? [],
      ...Array<number>(objectives).fill(scaling.value(s)),
    ],

    rows: (preference) => tf.concat([tf.ones([preference.shape[0], rank]), preference], 1),
    rowValues: (preference) => [...Array<number>(rank).fill(1), ...preference],
    penalty: orthogonalityPenalty,
  });
}

/** Where the factor before λ comes from. */
interface Scaling {
  names: string[]; // of its parameters
  /** Whether the zero increment at the start is up to U's rows, as the factor is not zero. */
  startsAtRows: boolean;
  tensor(s: tf.Tensor | undefined): tf.Tensor | number;
  value(s: ParameterValues | undefined): number;
}

const learned: Scaling = {
  names: ["s"],
  startsAtRows: false,
  tensor: (s) => s as tf.Tensor,
  value: (s) => s?.values[0] ?? 0,
};

function fixed(factor: number): Scaling {
  return { names: [], startsAtRows: true, tensor: () => factor, value: () => factor };
}
