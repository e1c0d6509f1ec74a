// Multi-objective DPO and its relatives: one loss per dimension over the same log-probabilities.
// L_i = f(β·[r(y_w) − r(y_l)]), where dimension i decides which response is y_w, r is the reward
// that the policy implies and f one of core/objectives/pairwise_losses.ts; where labellers disagree,
// the mean over them. Such losses see differences only, so the probability of both responses may
// leak to texts that no pair holds: rpo_alpha adds rpo_alpha · (−log π(y_w) / |y_w|), which holds it
// where the data is.
// Source: Rafailov et al. 2023; Panacea eq. 2, 14, 16; Pang et al. 2024 (Iterative RPO) eq. 1.
import * as tf from "@tensorflow/tfjs-core";
import type { TokenizedPair } from "../text/example.ts";
import { groupMeans, overLabellers, pairLabels, rankingAccuracies } from "./bradley_terry.ts";
import type { GroupedBatch, Objective } from "./objective.ts";
import {
  implicitMargin,
  type PairwiseLoss,
  pairwiseLosses,
  type PairwiseSettings,
} from "./pairwise_losses.ts";

/** Settings of the objective. */
export interface DpoOptions extends Omit<Partial<PairwiseSettings>, "beta"> {
  beta: number;
  loss?: PairwiseLoss; // default: DPO's own
  rpoAlpha?: number; // ≥ 0; default 0
  objectives: number; // M
}

/** DPO on pairs whose labels may be missing per dimension. Sequences: response 0, response 1. */
export function dpo(
  { loss = pairwiseLosses.sigmoid, rpoAlpha = 0, objectives, ...given }: DpoOptions,
): Objective<TokenizedPair> {
  const settings: PairwiseSettings = { labelSmoothing: 0, simpoGamma: 0, ...given };
  const { needs, perToken } = loss;
  return {
    needs,

    sequences: ({ prompt, responses }) => responses.map((response) => ({ prompt, response })),

    losses(logProbs, referenceLogProbs, batch) {
      const labels = pairLabels(batch, objectives);
      return tf.tidy(() => {
        const ratios = needs.reference ? tf.sub(logProbs, referenceLogProbs) : logProbs; // (2P)
        const rewards = perToken ? tf.mul(ratios, perTokenFactors(batch)) : ratios;
        const P = batch.examples.length;
        const [left, right] = tf.split(tf.reshape(rewards, [P, 2]), 2, 1) as tf.Tensor2D[];
        const margins = tf.mul(tf.sub(left as tf.Tensor2D, right as tf.Tensor2D), settings.beta);
        const shares = tf.tensor2d(labels.second, [P, objectives]);
        const contrasts = overLabellers(
          (margin) => loss.loss(margin, settings),
          margins as tf.Tensor2D,
          shares,
        );
        const perPair = rpoAlpha === 0
          ? contrasts
          : tf.add(contrasts, tf.mul(negativeLogLikelihood(logProbs, { batch, shares }), rpoAlpha));
        return groupMeans(perPair as tf.Tensor2D, labels, batch.preferences.length);
      });
    },

    accuracies(logProbs, referenceLogProbs, batch) {
      return rankingAccuracies(
        batch,
        objectives,
        (p) => implicitMargin(loss, { logProbs, referenceLogProbs, pairs: batch.examples }, p),
      );
    },
  };
}

/** −log π per token of the preferred response (P, M), mean over the labellers. */
function negativeLogLikelihood(
  logProbs: tf.Tensor1D,
  { batch, shares }: { batch: GroupedBatch<TokenizedPair>; shares: tf.Tensor2D },
): tf.Tensor2D {
  const scaled = tf.neg(tf.mul(logProbs, perTokenFactors(batch))); // (2P)
  const [left, right] = tf.split(tf.reshape(scaled, [batch.examples.length, 2]), 2, 1); // (P, 1)
  return tf.add(
    tf.mul(left as tf.Tensor, tf.sub(1, shares)),
    tf.mul(right as tf.Tensor, shares),
  );
}

/** What makes sums over the tokens of the responses means (2P). */
function perTokenFactors({ examples }: GroupedBatch<TokenizedPair>): tf.Tensor1D {
  return tf.tensor1d(
    examples.flatMap(({ responses }) => responses.map(({ length }) => 1 / length)),
  );
}
