// What PPO learns from in one iteration: answers to prompts, what they earn, and how much better each
// token was than the critic expected. The three stages of core/rlhf/rlhf.ts that come before an update;
// every list has an entry, every table a row, for each answer.
import type { RunConfig } from "../config.ts";
import type { DecodeAdapter, Decoder } from "../generate/decoder.ts";
import { type Advantages, generalizedAdvantages, whiten } from "../objectives/advantages.ts";
import { tokenRewards } from "../objectives/ppo.ts";
import { rollout } from "../objectives/rollout.ts";
import type { Random } from "../random.ts";
import { scoredResponse } from "../rewards/responses.ts";
import type { ScoredResponse } from "../rewards/reward_source.ts";
import type { Sequence } from "../text/pack.ts";
import type { TokenizedPrompt } from "../text/prompts.ts";
import type { ChatTokenizer } from "../text/tokenizer.ts";
import type { TokenPass } from "../token_pass.ts";
import { openPasses, type UpdatePasses } from "./passes.ts";

/** Answers (S) that a policy gave. */
export interface Answers {
  sequences: Sequence[];
  responses: ScoredResponse[];
  ended: boolean[];
  /** Of the first few answers: how probable the decoder took each token to be. */
  decoderLogProbs: (Float32Array | undefined)[]; // (S) of (T)
}

/** What the engine's models say of every token of the answers. */
export interface Estimates {
  logProbs: Float32Array[]; // (S) of (T), of the policy that gave the answers
  referenceLogProbs: Float32Array[];
  values: Float32Array[]; // of the critic
  advantages: Float32Array[]; // whitened where the run wants it
  returns: Float32Array[];
}

export interface Experience extends Answers, Estimates {
  preferences: number[][]; // (S, M)
  rewards: number[][]; // (S, M)
  scores: number[]; // (S) rewards aggregated under λ
}

/** Answers whose log-probabilities decoder and training engine are compared by. */
const COMPARED = 4;

/** y ~ π_{θ,λ}(· | x): an answer to each prompt under its own λ. */
export async function drawAnswers(
  config: RunConfig,
  { decoder, adapter, tokenizer }: {
    decoder: Decoder;
    adapter: DecodeAdapter;
    tokenizer: Pick<ChatTokenizer, "decode" | "specialTokenIds" | "endTokenIds">;
  },
  { prompts, ...rows }: {
    prompts: TokenizedPrompt[];
    preferences: number[][];
    random: Random;
    signal: AbortSignal;
  },
): Promise<Answers> {
  const rollouts = await rollout(decoder, {
    adapter,
    ...rows,
    prompts: prompts.map(({ ids }) => ids),
    limits: prompts.map(({ limit }) => limit),
    sampling: {
      temperature: config.temperature,
      topP: config.top_p,
      maxNewTokens: config.max_new_tokens,
    },
    endTokenIds: tokenizer.endTokenIds,
    logProbRows: COMPARED,
  });
  const responses = rollouts.map(({ response }, s) => {
    const { messages: prompt = [], ids: promptIds = new Int32Array() } = prompts[s] ?? {};
    return scoredResponse({ prompt, promptIds, responseIds: response }, tokenizer);
  });
  return {
    responses,
    sequences: responses.map(({ sequence }) => sequence),
    ended: rollouts.map(({ ended }) => ended),
    decoderLogProbs: rollouts.map(({ logProbs }) => logProbs),
  };
}

/**
 * log π, log π_ref and V of every token, on the engine that the gradient comes from too; then the
 * tokens' rewards, advantages and returns. The passes over `first`, the answers of the first update,
 * stay open: the caller disposes them.
 */
export async function estimate(
  config: RunConfig,
  { policy, reference, critic }: {
    policy: TokenPass;
    reference: Pick<TokenPass, "values">;
    critic: TokenPass;
  },
  { first, sequences, preferences, scores }:
    & Pick<Experience, "sequences" | "preferences" | "scores">
    & { first: number[] },
): Promise<{ estimates: Estimates; passes: UpdatePasses }> {
  const referenceLogProbs = await reference.values(sequences, preferences);
  const rest = sequences.map((_, s) => s).filter((s) => !first.includes(s));
  const valuesOfRest = (pass: Pick<TokenPass, "values">) =>
    pass.values(rest.map((s) => sequences[s] as Sequence), rest.map((s) => preferences[s] ?? []));
  const [otherLogProbs, otherValues] = [await valuesOfRest(policy), await valuesOfRest(critic)];
  const passes = await openPasses({ policy, critic }, { sequences, preferences }, first);
  const places = [...first, ...rest];
  const logProbs = inPlace([...passes.policy.values, ...otherLogProbs], places);
  const values = inPlace([...passes.critic.values, ...otherValues], places);
  const { gamma, lam, reward_clip, kl_coef: klCoef } = config;
  const estimates = sequences.map((_, s): Advantages => {
    const score = Math.min(reward_clip, Math.max(-reward_clip, scores[s] ?? NaN));
    const rewards = tokenRewards(score, {
      logProbs: logProbs[s] ?? new Float32Array(),
      referenceLogProbs: referenceLogProbs[s] ?? new Float32Array(),
      klCoef,
    });
    return generalizedAdvantages(rewards, values[s] ?? new Float32Array(), { gamma, lam });
  });
  const advantages = estimates.map((estimate) => estimate.advantages);
  return {
    passes,
    estimates: {
      ...{ logProbs, referenceLogProbs, values },
      advantages: config.whiten_advantages ? whiten(advantages) : advantages,
      returns: estimates.map(({ returns }) => returns),
    },
  };
}

/** The list whose entry places[i] is entry i of `list`. */
function inPlace<T>(list: T[], places: number[]): T[] {
  const placed = [...list];
  list.forEach((entry, i) => placed[places[i] ?? i] = entry);
  return placed;
}

/** Tokens of prompts and answers. */
export function countTokens(sequences: Sequence[]): number {
  return sequences.reduce((sum, s) => sum + s.prompt.length + s.response.length, 0);
}
