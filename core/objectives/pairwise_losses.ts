// The losses on a pair of responses, by their name in RunConfig: each a function of one margin, how
// much more reward the policy implies for the preferred response than for the other. What the reward
// is made of differs: DPO, IPO and hinge measure against the reference policy, SimPO does not; IPO
// and SimPO take means over the tokens of a response where the others take sums. Names, settings and
// normalisation are TRL's. core/objectives/dpo.ts makes losses per dimension of them.
import * as tf from "@tensorflow/tfjs-core";
import type { RunConfig } from "../config.ts";
import { InputError } from "../errors.ts";
import type { TokenizedPair } from "../text/example.ts";
import { negativeLogSigmoid } from "./bradley_terry.ts";

/** What the losses depend on, from RunConfig. */
export interface PairwiseSettings {
  beta: number; // factor of the margin; > 0
  labelSmoothing: number; // share of labels taken to be wrong, in [0, 0.5)
  simpoGamma: number; // margin that SimPO asks for, ≥ 0
}

/** One loss of a pair. */
export interface PairwiseLoss {
  /** What it computes, in one line for people. */
  description: string;
  /** Whether rewards are log π/π_ref; otherwise log π. */
  needs: { reference: boolean };
  /** Whether rewards are means over the tokens of a response; otherwise sums. */
  perToken: boolean;
  /** Whether label_smoothing has a meaning. */
  smoothed: boolean;
  /**
   * The loss, ≥ 0, of `margin`, β·(reward of the preferred response − reward of the other); any
   * shape, entry by entry. Differentiable; caller disposes.
   */
  loss(margin: tf.Tensor, settings: PairwiseSettings): tf.Tensor;
}

/** Every loss by its name in the run's configuration. */
export const pairwiseLosses = {
  // Rafailov et al. 2023, eq. 7; with label_smoothing conservative DPO (Mitchell 2023).
  sigmoid: {
    description: "DPO: −log σ(margin); label_smoothing makes it conservative",
    needs: { reference: true },
    perToken: false,
    smoothed: true,
    loss: (margin, settings) => logistic(margin, settings),
  },
  // Zhao et al. 2023 (SLiC); Liu et al. 2024 (RSO).
  hinge: {
    description: "SLiC, RSO: max(0, 1 − margin)",
    needs: { reference: true },
    perToken: false,
    smoothed: false,
    loss: (margin) => tf.tidy(() => tf.relu(tf.sub(1, margin))),
  },
  // Azar et al. 2023, eq. 17, with τ = β: (Δ − 1/2τ)² of Δ = margin/β.
  ipo: {
    description: "IPO: (margin/β − 1/2β)², per token",
    needs: { reference: true },
    perToken: true,
    smoothed: false,
    loss: (margin, { beta }) => tf.tidy(() => tf.square(tf.div(tf.sub(margin, 0.5), beta))),
  },
  // Meng et al. 2024, eq. 6.
  simpo: {
    description: "SimPO: −log σ(margin − simpo_gamma), per token, without a reference",
    needs: { reference: false },
    perToken: true,
    smoothed: true,
    loss: (margin, settings) =>
      tf.tidy(() => logistic(tf.sub(margin, settings.simpoGamma), settings)),
  },
} satisfies Record<RunConfig["loss_type"], PairwiseLoss>;

/** The loss of a run; throws InputError where label_smoothing is set and has no meaning for it. */
export function pairwiseLoss(
  { loss_type, label_smoothing }: Pick<RunConfig, "loss_type" | "label_smoothing">,
): PairwiseLoss {
  const loss: PairwiseLoss = pairwiseLosses[loss_type];
  if (label_smoothing === 0 || loss.smoothed) return loss;
  const known = Object.entries(pairwiseLosses).filter(([, { smoothed }]) => smoothed);
  throw new InputError(
    `Cannot train with loss_type ${loss_type}: expected label_smoothing 0, or loss_type ` +
      `${known.map(([name]) => name).join(" or ")}, got label_smoothing ${label_smoothing}`,
  );
}

/**
 * How much more reward a policy implies for response 0 of pair p than for response 1, before β, from
 * the summed log-probs of interleaved responses (2P).
 */
export function implicitMargin(
  { needs, perToken }: Pick<PairwiseLoss, "needs" | "perToken">,
  { logProbs, referenceLogProbs, pairs }: {
    logProbs: Float32Array;
    referenceLogProbs: Float32Array; // not read where none is needed
    pairs: TokenizedPair[];
  },
  p: number,
): number {
  const reward = (r: 0 | 1) => {
    const reference = needs.reference ? referenceLogProbs[2 * p + r] ?? 0 : 0;
    const ratio = (logProbs[2 * p + r] ?? 0) - reference;
    return perToken ? ratio / (pairs[p]?.responses[r].length ?? 1) : ratio;
  };
  return reward(0) - reward(1);
}

/** −(1 − ε)·log σ(x) − ε·log σ(−x), with ε the label smoothing. */
function logistic(x: tf.Tensor, { labelSmoothing }: PairwiseSettings): tf.Tensor {
  // −log σ(−x) = x − log σ(x)
  return tf.tidy(() => {
    const loss = negativeLogSigmoid(x);
    return labelSmoothing === 0 ? loss : tf.add(loss, tf.mul(x, labelSmoothing));
  });
}
