// LoRA as it is known: two factors and nothing between them, the same for every preference. Used
// where there is no preference: supervised fine-tuning, reward models, one policy for one λ. Scale and
// start are PEFT's: A by Kaiming's uniform rule with a = √5, B zero. Source: Hu et al. 2022, eq. 3.
import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "../random.ts";
import type { Adapter, AdapterOptions, ParameterValues } from "./adapter.ts";
import { lowRank, zeros } from "./low_rank.ts";

/**
 * y = x·W₀ + alpha/k · (x·A)·B with A (in, k) and B (k, out). A starts uniform in ±1/√in, whatever
 * `init` says, B at zero.
 */
export function lora({ rank, alpha }: AdapterOptions): Adapter {
  return lowRank({
    parameterNames: ["A", "B"],
    width: rank,
    scale: alpha / rank,
    init: (shape, random) => [kaimingUniform([shape.in, rank], random), zeros(rank, shape.out)],
    singular: () => null,
    singularValues: () => Array<number>(rank).fill(1),
    rows: null,
    rowValues: () => Array<number>(rank).fill(1),
    penalty: () => tf.scalar(0),
  });
}

/** Entries uniform in ±1/√n, n being the rows: √3·gain/√n with gain² = 2/(1 + a²), a = √5. */
function kaimingUniform([n, columns]: [number, number], random: Random): ParameterValues {
  const bound = 1 / Math.sqrt(n);
  const values = Float32Array.from(
    { length: n * columns },
    () => bound * (2 * random.uniform() - 1),
  );
  return { shape: [n, columns], values };
}
