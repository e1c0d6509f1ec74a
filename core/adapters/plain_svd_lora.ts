// SVD-LoRA that no preference moves: what the paper's baselines train, one adapter for one λ.
// Source: Zhang et al. 2023 (AdaLoRA) eq. 1; Zhong et al. 2024, appendix D: rank k + 1.
import type * as tf from "@tensorflow/tfjs-core";
import type { Adapter, AdapterOptions } from "./adapter.ts";
import { initialColumns, initialRows, lowRank, orthogonalityPenalty, zeros } from "./low_rank.ts";

/**
 * y = x·W₀ + alpha/(k+1) · ((x·V) ⊙ σ)·U with V (in, k+1), U (k+1, out), sigma (k+1): as many
 * parameters of one λ as Panacea's adapter has. σ starts at zero, so a fresh adapter is the base model.
 */
export function plainSvdLora({ rank, alpha, init }: AdapterOptions): Adapter {
  const total = rank + 1; // R
  return lowRank({
    parameterNames: ["V", "U", "sigma"],
    width: total,
    scale: alpha / total,
    init: (shape, random) => [
      initialColumns({ rows: total, width: shape.in, init }, random),
      initialRows({ rows: total, width: shape.out, init }, random),
      zeros(total),
    ],
    singular: ([sigma]) => sigma as tf.Tensor1D,
    singularValues: ([sigma]) => [...sigma?.values ?? []],
    rows: null,
    rowValues: () => Array<number>(total).fill(1),
    penalty: orthogonalityPenalty,
  });
}
