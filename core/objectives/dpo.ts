// Multi-objective DPO: one loss per dimension over the same log-probabilities.
// L_i = −log σ(β[(log π(y_w) − log π_ref(y_w)) − (log π(y_l) − log π_ref(y_l))]), where dimension i
// decides which response is y_w; where labellers disagree, the mean over them. DPO sees differences
// only, so the probability of both responses may leak to texts that no pair holds: rpo_alpha adds
// rpo_alpha · (−log π(y_w) / |y_w|), which holds it where the data is.
// Source: Rafailov et al. 2023; Panacea eq. 2, 14, 16; Pang et al. 2024 (Iterative RPO) eq. 1.
import * as tf from "@tensorflow/tfjs-core";
import type { TokenizedPair } from "../text/example.ts";
import { contrast, groupMeans, pairLabels, rankingAccuracies } from "./bradley_terry.ts";
import type { GroupedBatch, Objective } from "./objective.ts";

/** DPO on pairs whose labels may be missing per dimension. Sequences: response 0, response 1. */
export function dpo(
  { beta, rpoAlpha = 0, objectives }: { beta: number; rpoAlpha?: number; objectives: number },
): Objective<TokenizedPair> {
  return {
    needs: { reference: true },

    sequences: ({ prompt, responses }) => responses.map((response) => ({ prompt, response })),

    losses(logProbs, referenceLogProbs, batch) {
      const labels = pairLabels(batch, objectives);
      return tf.tidy(() => {
        const ratios = tf.sub(logProbs, referenceLogProbs); // (2P) log π/π_ref
        const P = batch.examples.length;
        const [left, right] = tf.split(tf.reshape(ratios, [P, 2]), 2, 1) as tf.Tensor2D[];
        const margins = tf.mul(tf.sub(left as tf.Tensor2D, right as tf.Tensor2D), beta); // (P, 1)
        const shares = tf.tensor2d(labels.second, [P, objectives]);
        const contrasts = contrast(margins as tf.Tensor2D, shares); // (P, M)
        const perPair = rpoAlpha === 0
          ? contrasts
          : tf.add(contrasts, tf.mul(negativeLogLikelihood(logProbs, { batch, shares }), rpoAlpha));
        return groupMeans(perPair as tf.Tensor2D, labels, batch.preferences.length);
      });
    },

    accuracies(logProbs, referenceLogProbs, batch) {
      const margin = (p: number) => implicitMargin(logProbs, referenceLogProbs, p);
      return rankingAccuracies(batch, objectives, margin);
    },
  };
}

/** −log π per token of the preferred response (P, M), mean over the labellers. */
function negativeLogLikelihood(
  logProbs: tf.Tensor1D,
  { batch: { examples }, shares }: { batch: GroupedBatch<TokenizedPair>; shares: tf.Tensor2D },
): tf.Tensor2D {
  const perToken = examples.flatMap(({ responses }) => responses.map(({ length }) => -1 / length));
  const scaled = tf.mul(logProbs, tf.tensor1d(perToken)); // (2P)
  const [left, right] = tf.split(tf.reshape(scaled, [examples.length, 2]), 2, 1); // (P, 1) each
  return tf.add(
    tf.mul(left as tf.Tensor, tf.sub(1, shares)),
    tf.mul(right as tf.Tensor, shares),
  );
}

/** log π/π_ref of response 0 less that of response 1, for pair p of interleaved log-probs (2P). */
export function implicitMargin(
  logProbs: Float32Array,
  referenceLogProbs: Float32Array,
  p: number,
): number {
  const ratio = (s: number) => (logProbs[s] ?? 0) - (referenceLogProbs[s] ?? 0);
  return ratio(2 * p) - ratio(2 * p + 1);
}
