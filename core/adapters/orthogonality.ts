// The adapter's own regularisation as gradients: for SVD-LoRA ‖UUᵀ − I‖² + ‖VᵀV − I‖² of every map.
// Added to the task's gradient by train.ts before clipping, so that it reaches the update.
import * as tf from "@tensorflow/tfjs-core";
import type { Engine } from "../engine/engine.ts";
import type { Adapter } from "./adapter.ts";
import type { BlockParameters } from "./parameters.ts";

/** Adds the gradient of weight · penalty, `times` over, to a batch's gradients. */
export function orthogonalityGradients(engine: Engine, adapter: Adapter | null, weight: number) {
  const width = adapter?.parameterNames.length ?? 0;
  const gradientsOf = engine.compile((...tensors) =>
    tf.grads((...parameters) => {
      const terms: tf.Tensor[] = [];
      for (let i = 0; i < parameters.length; i += width) {
        if (adapter !== null) terms.push(adapter.penalty(parameters.slice(i, i + width)));
      }
      // tfjs refuses to differentiate by a parameter that the penalty does not read (σ, s).
      terms.push(...parameters.map((parameter) => tf.mul(tf.sum(parameter), 0)));
      return tf.mul(tf.addN(terms), weight);
    })(tensors as tf.Tensor[])
  );
  return (parameters: BlockParameters[], gradients: tf.Tensor[][], times: number) => {
    if (weight === 0 || adapter === null) return gradients;
    return gradients.map((block, i) => {
      const { maps = [], tensors = [] } = parameters[i] ?? {};
      if (maps.length === 0) return block;
      const added = gradientsOf(...tensors);
      const sums = block.map((g, j) =>
        tf.tidy(() => tf.add(g, tf.mul(added[j] as tf.Tensor, times)))
      );
      [...block, ...added].forEach((tensor) => tensor.dispose());
      return sums;
    });
  };
}
