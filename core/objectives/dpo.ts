// Multi-objective DPO: one loss per dimension over the same log-probabilities.
// L_i = −log σ(β[(log π(y_w) − log π_ref(y_w)) − (log π(y_l) − log π_ref(y_l))]), where dimension i
// decides which response is y_w; where labellers disagree, the mean over them. DPO sees differences
// only, so the probability of both responses may leak to texts that no pair holds: rpo_alpha adds
// rpo_alpha · (−log π(y_w) / |y_w|), which holds it where the data is.
// Source: Rafailov et al. 2023; Panacea eq. 2, 14, 16; Pang et al. 2024 (Iterative RPO) eq. 1.
import * as tf from "@tensorflow/tfjs-core";
import type { TokenizedPair } from "../text/example.ts";
import type { GroupedBatch, Objective } from "./objective.ts";

/** DPO on pairs whose labels may be missing per dimension. Sequences: response 0, response 1. */
export function dpo(
  { beta, rpoAlpha = 0, objectives }: { beta: number; rpoAlpha?: number; objectives: number },
): Objective<TokenizedPair> {
  return {
    needs: { reference: true },

    sequences: ({ prompt, responses }) => responses.map((response) => ({ prompt, response })),

    losses(logProbs, referenceLogProbs, batch) {
      const { second, share } = labels(batch, objectives);
      return tf.tidy(() => {
        const ratios = tf.sub(logProbs, referenceLogProbs); // (2P) log π/π_ref
        const P = batch.examples.length;
        const [left, right] = tf.split(tf.reshape(ratios, [P, 2]), 2, 1) as tf.Tensor2D[];
        const margins = tf.mul(tf.sub(left as tf.Tensor2D, right as tf.Tensor2D), beta); // (P, 1)
        // −log σ(x) = softplus(−x), and softplus(x) − softplus(−x) = x: a share q of labels for the
        // second response adds q·x.
        const shares = tf.tensor2d(second, [P, objectives]);
        const contrast = tf.add(tf.softplus(tf.neg(margins)), tf.mul(margins, shares)); // (P, M)
        const perPair = rpoAlpha === 0
          ? contrast
          : tf.add(contrast, tf.mul(negativeLogLikelihood(logProbs, { batch, shares }), rpoAlpha));
        const G = batch.preferences.length;
        const means = tf.mul(tf.tensor3d(share, [G, P, objectives]), tf.expandDims(perPair, 0));
        return tf.sum(means, 1) as tf.Tensor2D; // (G, M)
      });
    },

    accuracies(logProbs, referenceLogProbs, { examples }) {
      const correct = new Array<number>(objectives).fill(0);
      const labelled = new Array<number>(objectives).fill(0);
      examples.forEach(({ better }, p) => {
        const margin = implicitMargin(logProbs, referenceLogProbs, p);
        better.forEach((label, i) => {
          if (label === null || label === 0.5) return; // no label, or as many for either
          labelled[i] = (labelled[i] ?? 0) + 1;
          if (prefers(margin, label)) correct[i] = (correct[i] ?? 0) + 1;
        });
      });
      return correct.map((count, i) => count / (labelled[i] ?? 0)); // NaN without labels
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

/** Whether an implicit margin ranks the response first that most labels prefer; a tie is wrong. */
export function prefers(margin: number, better: number): boolean {
  return better < 0.5 ? margin > 0 : margin < 0;
}

/**
 * second (P, M): share of labels for response 1, 0 without a label.
 * share (G, P, M): 1 / (labelled pairs of the group and dimension), 0 for pairs outside.
 */
function labels({ examples, groups, preferences }: GroupedBatch<TokenizedPair>, M: number) {
  const P = examples.length;
  const second = new Float32Array(P * M);
  const share = new Float32Array(preferences.length * P * M);
  const counts = new Float32Array(preferences.length * M);
  const eachLabel = (visit: (p: number, i: number, group: number, label: number) => void) =>
    examples.forEach(({ better }, p) =>
      better.forEach((label, i) => {
        if (label !== null) visit(p, i, groups[p] ?? 0, label);
      })
    );
  eachLabel((p, i, group, label) => {
    second[p * M + i] = label;
    counts[group * M + i] = (counts[group * M + i] ?? 0) + 1;
  });
  eachLabel((p, i, group) => share[(group * P + p) * M + i] = 1 / (counts[group * M + i] ?? 1));
  return { second, share };
}
