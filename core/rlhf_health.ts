// Signs that PPO is going wrong long before a number stops being finite. Looked at once an
// iteration, before its updates, by core/rlhf.ts; a run that shows one for several iterations in a
// row is stopped with the reason, and its last checkpoint stays.
import { z } from "zod";
import { DivergedError } from "./errors.ts";

/** What is looked at in an iteration. */
export interface Vitals {
  /** Mean over responses of log π − log π_ref: an estimate of a KL divergence, in nats. */
  kl: number;
  /** Standard error of that mean. */
  klError: number;
  /** Mean −log π per token, in nats. */
  entropy: number;
  /** Share of responses without text. */
  empty: number;
  /** Share of responses with an end token. */
  ended: number;
  /** The critic's loss on the new responses, and half the mean square of their returns. */
  valueLoss: number;
  returnSquares: number;
  /** Mean |difference| of a token's log-probability between decoder and training engine, in nats. */
  decoderGap: number;
}

/** Part of a checkpoint: how the run began, and for how many iterations a sign has been there. */
export const Health = z.strictObject({
  start: z.strictObject({ entropy: z.number(), ended: z.number() }).nullable(),
  signs: z.record(z.string(), z.number().int().nonnegative()),
});
export type Health = z.infer<typeof Health>;

export const newHealth: Health = { start: null, signs: {} };

/** Iterations in a row that show a sign before the run is stopped. */
const PATIENCE = 3;

interface Sign {
  shows(now: Vitals, start: { entropy: number; ended: number }): boolean;
  /** "expected …, got …; remedy" */
  message(now: Vitals, start: { entropy: number; ended: number }): string;
}

const signs: Record<string, Sign> = {
  negativeKl: {
    // The mean over own samples of log π/π_ref cannot be this negative by chance.
    shows: ({ kl, klError }) => kl < -0.1 && kl + 4 * klError < 0,
    message: ({ kl }) =>
      `a KL divergence from the reference of at least 0, got ${shown(kl)} nats a response; ` +
      "temperature 1 and top_p 1 sample from the policy itself",
  },
  collapsedEntropy: {
    shows: ({ entropy }, start) => entropy < 0.01 * start.entropy,
    message: ({ entropy }, start) =>
      `responses that vary, got an entropy of ${shown(entropy)} nats a token after ` +
      `${shown(start.entropy)} at the start; a larger kl_coef keeps it up`,
  },
  emptyResponses: {
    shows: ({ empty }) => empty > 0.5,
    message: ({ empty }) =>
      `responses with text, got ${percent(empty)} empty ones; the rewards prefer saying nothing`,
  },
  endlessResponses: {
    shows: ({ ended }, start) => ended < 0.1 * start.ended,
    message: ({ ended }, start) =>
      `responses that end within max_new_tokens, got ${percent(ended)} of them after ` +
      `${percent(start.ended)} at the start; a larger kl_coef holds the policy back`,
  },
  explodingValueLoss: {
    shows: ({ valueLoss, returnSquares }) => valueLoss > 100 * (returnSquares + 1e-6),
    message: ({ valueLoss, returnSquares }) =>
      `a critic within reach of the returns, got a value loss of ${shown(valueLoss)} where 0 ` +
      `everywhere would give ${
        shown(returnSquares)
      }; a lower critic_learning_rate is the usual remedy`,
  },
  decoderGap: {
    shows: ({ decoderGap }) => decoderGap > 0.5,
    message: ({ decoderGap }) =>
      `responses drawn from the policy that is trained, got log-probabilities ` +
      `${shown(decoderGap)} nats a token apart in decoder and training engine; ` +
      "rollout_format float32 is exact",
  },
};

/**
 * The health after one more iteration, `step` from 1. Throws DivergedError, saying which sign it
 * shows and what helps, once it has shown it long enough, and for a vital that is not finite at once.
 */
export function checkHealth(health: Health, vitals: Vitals, step: number): Health {
  for (const [name, value] of Object.entries(vitals)) {
    if (!Number.isFinite(value)) throw stopped(step, `a finite ${name}, got ${value}`);
  }
  const start = health.start ?? { entropy: vitals.entropy, ended: vitals.ended };
  const counts = Object.entries(signs).map(([name, { shows, message }]): [string, number] => {
    const count = shows(vitals, start) ? (health.signs[name] ?? 0) + 1 : 0;
    if (count >= PATIENCE) throw stopped(step, message(vitals, start));
    return [name, count];
  });
  return { start, signs: Object.fromEntries(counts) };
}

function stopped(step: number, expected: string): DivergedError {
  return new DivergedError(
    `Cannot go on training after step ${step - 1}: expected ${expected}`,
  );
}

function shown(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
