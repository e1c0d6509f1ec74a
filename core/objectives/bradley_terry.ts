// Losses of pairs whose labels may be missing per dimension: f(margin) where response 0 is preferred,
// f(−margin) where response 1 is, their mean over the labellers where they disagree; with
// f = −log σ the Bradley–Terry loss. What DPO and its relatives (margins of implicit rewards) and a
// reward model (margins of scores) share.
// Source: Bradley and Terry 1952; Panacea eq. 2 and 14.
import * as tf from "@tensorflow/tfjs-core";
import type { TokenizedPair } from "../text/example.ts";
import type { GroupedBatch } from "./objective.ts";

/** Labels of a batch, ready for the loss. */
export interface PairLabels {
  /** Share of labels for response 1 (P, M); 0 without a label. Row-major. */
  second: Float32Array;
  /** 1 / (labelled pairs of group and dimension) (G, P, M); 0 for pairs outside. Row-major. */
  share: Float32Array;
}

/** The labels of a batch in M dimensions. */
export function pairLabels(
  { examples, groups, preferences }: GroupedBatch<TokenizedPair>,
  M: number,
): PairLabels {
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

/**
 * The mean of a loss over the labellers (P, M), from margins (P, M) or (P, 1) of response 0 and the
 * shares of labels for response 1 (P, M); `loss` is that of a preferred response by its margin.
 */
export function overLabellers(
  loss: (margin: tf.Tensor) => tf.Tensor,
  margins: tf.Tensor2D,
  shares: tf.Tensor2D,
): tf.Tensor2D {
  return tf.tidy(() =>
    tf.add(
      tf.mul(loss(margins), tf.sub(1, shares)),
      tf.mul(loss(tf.neg(margins)), shares),
    )
  );
}

/** −log σ(margin), of any shape. */
export function negativeLogSigmoid(margin: tf.Tensor): tf.Tensor {
  return tf.tidy(() => tf.softplus(tf.neg(margin)));
}

/** Mean loss of each group and dimension (G, M) from losses per pair (P, M); 0 without labels. */
export function groupMeans(
  perPair: tf.Tensor2D,
  { share }: PairLabels,
  groups: number,
): tf.Tensor2D {
  const [P, M] = perPair.shape;
  return tf.sum(tf.mul(tf.tensor3d(share, [groups, P, M]), tf.expandDims(perPair, 0)), 1);
}

/**
 * Share of labelled pairs, per dimension (M), whose margin ranks first what most labels prefer; a
 * tie is wrong, NaN without labels. `margin(p, i)`: of pair p in dimension i.
 */
export function rankingAccuracies(
  { examples }: GroupedBatch<TokenizedPair>,
  M: number,
  margin: (p: number, i: number) => number,
): number[] {
  const correct = new Array<number>(M).fill(0);
  const labelled = new Array<number>(M).fill(0);
  examples.forEach(({ better }, p) =>
    better.forEach((label, i) => {
      if (label === null || label === 0.5) return; // no label, or as many for either
      labelled[i] = (labelled[i] ?? 0) + 1;
      if (prefers(margin(p, i), label)) correct[i] = (correct[i] ?? 0) + 1;
    })
  );
  return correct.map((count, i) => count / (labelled[i] ?? 0));
}

/** Whether a margin ranks the response first that most labels prefer; a tie is wrong. */
export function prefers(margin: number, better: number): boolean {
  return better < 0.5 ? margin > 0 : margin < 0;
}
