// LoRA as it is known: two factors and nothing between them, the same for every preference. Used
// where there is no preference: supervised fine-tuning, reward models. Source: Hu et al. 2022, eq. 3.
import * as tf from "@tensorflow/tfjs-core";
import type { Adapter, AdapterOptions } from "./adapter.ts";
import { initialColumns, lowRank, zeros } from "./low_rank.ts";

/** y = x·W₀ + alpha/k · (x·A)·B with A (in, k) and B (k, out). B starts at zero. */
export function lora({ rank, alpha, init }: AdapterOptions): Adapter {
  return lowRank({
    parameterNames: ["A", "B"],
    width: rank,
    scale: alpha / rank,
    init: (shape, random) => [
      initialColumns({ rows: rank, width: shape.in, init }, random),
      zeros(rank, shape.out),
    ],
    singular: () => null,
    singularValues: () => Array<number>(rank).fill(1),
    rows: null,
    rowValues: () => Array<number>(rank).fill(1),
    penalty: () => tf.scalar(0),
  });
}
