// Gradients by block, as passes give them and the optimiser takes them.
import * as tf from "@tensorflow/tfjs-core";
import type { BlockGradients } from "./block_stack.ts";

/** The sum of two sets of gradients, which it disposes; `sum` null: nothing to add to. */
export function addGradients(
  sum: BlockGradients[] | null,
  gradients: BlockGradients[],
): BlockGradients[] {
  if (sum === null) return gradients;
  return gradients.map((block, i) =>
    block.map((gradient, j) => {
      const previous = sum[i]?.[j] as tf.Tensor;
      const added = tf.add(previous, gradient);
      previous.dispose();
      gradient.dispose();
      return added;
    })
  );
}
