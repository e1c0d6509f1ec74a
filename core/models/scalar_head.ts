// From the last block's output to numbers: K linear outputs of the normed hidden state. The head of
// a reward model (K = M scores at a response's last token) and of a critic (K = 1 value per token),
// with gradients for the trunk below and for its own weight.
// Source: LlamaForSequenceClassification of Hugging Face transformers, whose `score` has no bias.
import * as tf from "@tensorflow/tfjs-core";
import type { Engine } from "../engine/engine.ts";
import { normalise } from "./norm.ts";
import type { HeldDecoder } from "./held.ts";

/** Name of the weight (K, D) among stored parameters. */
export const SCORE_WEIGHT = "score.weight";

export interface ScalarHead {
  /** norm(hidden)·weightᵀ: hidden (N, D), weight (K, D) → (N, K). Caller disposes. */
  values(hidden: tf.Tensor2D, weight: tf.Tensor2D): tf.Tensor2D;

  /**
   * Gradients of Σ slopes ⊙ values(hidden, weight), for slopes (N, K), by hidden (N, D) and by
   * weight (K, D). Caller disposes both.
   */
  pullBack(
    hidden: tf.Tensor2D,
    weight: tf.Tensor2D,
    slopes: tf.Tensor2D,
  ): { hidden: tf.Tensor2D; weight: tf.Tensor2D };
}

/** The head on `decoder`'s final norm, which stays frozen. */
export function createScalarHead(
  engine: Engine,
  { norm, config }: Pick<HeldDecoder, "norm" | "config">,
): ScalarHead {
  const outputs = (hidden: tf.Tensor, weight: tf.Tensor, normWeight: tf.Tensor) =>
    tf.matMul(
      normalise(hidden as tf.Tensor2D, normWeight, config),
      weight as tf.Tensor2D,
      false,
      true,
    );
  const forward = engine.compile((hidden, weight, normWeight) => [
    outputs(hidden as tf.Tensor, weight as tf.Tensor, normWeight as tf.Tensor),
  ]);
  const backward = engine.compile((hidden, weight, normWeight, slopes) =>
    tf.grads((x, w) => outputs(x, w, normWeight as tf.Tensor))(
      [hidden as tf.Tensor, weight as tf.Tensor],
      slopes as tf.Tensor,
    )
  );

  return {
    values(hidden, weight) {
      return tf.tidy(() => {
        const [values] = forward(padded(hidden), weight, norm);
        return firstRows(values as tf.Tensor2D, hidden.shape[0]);
      });
    },

    pullBack(hidden, weight, slopes) {
      // Rows of zeros with slopes of zero add nothing to the weight's gradient.
      const [byHidden, byWeight] = tf.tidy(() => {
        const [rows, own] = backward(padded(hidden), weight, norm, padded(slopes));
        return [firstRows(rows as tf.Tensor2D, hidden.shape[0]), own as tf.Tensor2D];
      }) as [tf.Tensor2D, tf.Tensor2D];
      return { hidden: byHidden, weight: byWeight };
    },
  };
}

/** Rows up to a multiple of 64, so that few shapes are compiled. */
function padded(x: tf.Tensor2D): tf.Tensor2D {
  const missing = Math.ceil(x.shape[0] / 64) * 64 - x.shape[0];
  return missing === 0 ? x : tf.pad(x, [[0, missing], [0, 0]]);
}

function firstRows(x: tf.Tensor2D, count: number): tf.Tensor2D {
  return x.shape[0] === count ? tf.clone(x) : tf.slice(x, [0, 0], [count, x.shape[1]]);
}
