// Reward modelling: a score per response and dimension, learnt from which of two responses is better.
// L_i = −log σ(r_i(y_w) − r_i(y_l)), where dimension i decides which response is y_w; where
// labellers disagree, the mean over them. Scores come M to a sequence: core/reward_pass.ts.
// Source: Bradley and Terry 1952; Ouyang et al. 2022, eq. 1; Panacea section 3.1.
import * as tf from "@tensorflow/tfjs-core";
import type { TokenizedPair } from "../text/example.ts";
import {
  groupMeans,
  negativeLogSigmoid,
  overLabellers,
  pairLabels,
  rankingAccuracies,
} from "./bradley_terry.ts";
import type { Objective } from "./objective.ts";

/** Bradley–Terry on pairs labelled in M dimensions. Sequences: response 0, response 1; values (S, M). */
export function reward({ objectives: M }: { objectives: number }): Objective<TokenizedPair> {
  return {
    needs: { reference: false },

    sequences: ({ prompt, responses }) => responses.map((response) => ({ prompt, response })),

    losses(scores, _reference, batch) {
      const labels = pairLabels(batch, M);
      return tf.tidy(() => {
        const P = batch.examples.length;
        const [first, second] = tf.split(tf.reshape(scores, [P, 2, M]), 2, 1) as tf.Tensor3D[];
        const margins = tf.reshape(tf.sub(first as tf.Tensor, second as tf.Tensor), [P, M]);
        const shares = tf.tensor2d(labels.second, [P, M]);
        return groupMeans(
          overLabellers(negativeLogSigmoid, margins as tf.Tensor2D, shares),
          labels,
          batch.preferences.length,
        );
      });
    },

    accuracies(scores, _reference, batch) {
      return rankingAccuracies(batch, M, (p, i) => scoreMargin(scores, { p, i, M }));
    },
  };
}

/** Score of response 0 less that of response 1, for pair p and dimension i of scores (2P, M). */
export function scoreMargin(
  scores: Float32Array,
  { p, i, M }: { p: number; i: number; M: number },
): number {
  return (scores[2 * p * M + i] ?? 0) - (scores[(2 * p + 1) * M + i] ?? 0);
}
