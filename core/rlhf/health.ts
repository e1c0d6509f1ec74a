// Signs that PPO is going wrong long before a number stops being finite. Looked at once an iteration,
// before its updates, by rlhf.ts; a run that shows one for several iterations in a row goes back to
// the last step that showed none, and is stopped with the reason and with settings that should help.
import { z } from "zod";
import type { RunConfig } from "../config.ts";
import { DivergedError } from "../errors.ts";

/** What is looked at in an iteration. */
export interface Vitals {
  /** Mean over responses of log π − log π_ref: an estimate of a KL divergence, in nats. */
  kl: number;
  /** Standard error of that mean. */
  klError: number;
  /** Mean −log π per token, in nats. */
  entropy: number;
  /** Mean −log π_ref per token, in nats; and ln V, which tokens drawn at random have at least. */
  surprise: number;
  chance: number;
  /** Share of responses without text. */
  empty: number;
  /** Share of responses with an end token. */
  ended: number;
  /** The critic's loss on the new responses, and half the mean square of their returns. */
  valueLoss: number;
  returnSquares: number;
  /** Mean |difference| of log π of a token between decoder and training engine, in nats. */
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

/** Settings that may help a run that was stopped, and may be others when it goes on. */
export const REMEDIES = [
  "learning_rate",
  "critic_learning_rate",
  "kl_coef",
  "temperature",
  "top_p",
  "rollout_format",
  "cliprange",
  "cliprange_value",
  "reward_clip",
  "max_grad_norm",
] as const satisfies (keyof RunConfig)[];
export type Remedy = Partial<Pick<RunConfig, typeof REMEDIES[number]>>;

interface Sign {
  shows(now: Vitals, start: { entropy: number; ended: number }): boolean;
  /** "expected …, got …" */
  message(now: Vitals, start: { entropy: number; ended: number }): string;
  remedy(config: RunConfig): Remedy;
}

const signs: Record<string, Sign> = {
  negativeKl: {
    // The mean over own samples of log π/π_ref cannot be this negative by chance.
    shows: ({ kl, klError }) => kl < -0.1 && kl + 4 * klError < 0,
    message: ({ kl }) =>
      `a KL divergence from the reference of at least 0, got ${shown(kl)} nats a response`,
    // Such a mean comes of answers that are not drawn from the policy itself.
    remedy: (config) => exact(config, { temperature: 1, top_p: 1, rollout_format: "float32" }),
  },
  collapsedEntropy: {
    shows: ({ entropy }, start) => entropy < 0.01 * start.entropy,
    message: ({ entropy }, start) =>
      `responses that vary, got an entropy of ${shown(entropy)} nats a token after ` +
      `${shown(start.entropy)} at the start`,
    remedy: closer,
  },
  gibberish: {
    shows: ({ surprise, chance }, start) => surprise > Math.max(chance, 2 * start.entropy),
    message: ({ surprise, chance }) =>
      `responses that the reference can follow, got ${shown(surprise)} nats of surprise a token ` +
      `where tokens drawn at random have ${shown(chance)}`,
    remedy: closer,
  },
  emptyResponses: {
    shows: ({ empty }) => empty > 0.5,
    message: ({ empty }) =>
      `responses with text, got ${percent(empty)} empty ones, as the rewards prefer them`,
    remedy: closer,
  },
  endlessResponses: {
    shows: ({ ended }, start) => ended < 0.1 * start.ended,
    message: ({ ended }, start) =>
      `responses that end within max_new_tokens, got ${percent(ended)} of them after ` +
      `${percent(start.ended)} at the start`,
    remedy: closer,
  },
  explodingValueLoss: {
    shows: ({ valueLoss, returnSquares }) => valueLoss > 100 * (returnSquares + 1e-6),
    message: ({ valueLoss, returnSquares }) =>
      `a critic within reach of the returns, got a value loss of ${shown(valueLoss)} where 0 ` +
      `everywhere would give ${shown(returnSquares)}`,
    remedy: ({ critic_learning_rate }) => ({ critic_learning_rate: lower(critic_learning_rate) }),
  },
  decoderGap: {
    shows: ({ decoderGap }) => decoderGap > 0.5,
    message: ({ decoderGap }) =>
      `responses drawn from the policy that is trained, got log-probabilities ` +
      `${shown(decoderGap)} nats a token apart in decoder and training engine`,
    remedy: (config) => exact(config, { rollout_format: "float32" }),
  },
};

/** A policy that stays nearer to the reference: a larger pull towards it, and smaller steps. */
function closer({ kl_coef, learning_rate }: RunConfig): Remedy {
  return {
    kl_coef: kl_coef === 0 ? 0.02 : shown(4 * kl_coef),
    learning_rate: lower(learning_rate),
  };
}

/** Answers of the very policy that is trained; where they are that already, smaller steps. */
function exact(config: RunConfig, wanted: Remedy): Remedy {
  const names = REMEDIES.filter((name) => name in wanted && wanted[name] !== config[name]);
  if (names.length === 0) return { learning_rate: lower(config.learning_rate) };
  return Object.fromEntries(names.map((name) => [name, wanted[name]]));
}

/** Smaller steps of policy and critic: against numbers that are not finite. */
export function slower({ learning_rate, critic_learning_rate }: RunConfig): Remedy {
  return {
    learning_rate: lower(learning_rate),
    critic_learning_rate: lower(critic_learning_rate),
  };
}

function lower(rate: number): number {
  return shown(rate / 4);
}

/** Whether the last iteration showed none of the signs. */
export function isWell({ signs }: Health): boolean {
  return Object.values(signs).every((count) => count === 0);
}

/**
 * The health after one more iteration, `step` from 1. Throws DivergedError, saying which sign it
 * shows and what may help, once it has shown it long enough, and for a vital that is not finite at
 * once.
 */
export function checkHealth(
  health: Health,
  vitals: Vitals,
  { step, config }: { step: number; config: RunConfig },
): Health {
  const stopped = (expected: string, remedy: Remedy) =>
    new DivergedError(`Cannot go on training after step ${step - 1}: expected ${expected}`, {
      remedy,
    });
  for (const [name, value] of Object.entries(vitals)) {
    if (!Number.isFinite(value)) throw stopped(`a finite ${name}, got ${value}`, slower(config));
  }
  const start = health.start ?? { entropy: vitals.entropy, ended: vitals.ended };
  const counts = Object.entries(signs).map(([name, sign]): [string, number] => {
    const count = sign.shows(vitals, start) ? (health.signs[name] ?? 0) + 1 : 0;
    if (count < PATIENCE) return [name, count];
    const lasting = `${sign.message(vitals, start)}, for ${count} iterations in a row`;
    throw stopped(lasting, sign.remedy(config));
  });
  return { start, signs: Object.fromEntries(counts) };
}

/** To three digits. */
function shown(value: number): number {
  return Number(value.toPrecision(3));
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
