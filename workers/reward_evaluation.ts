// A front by rewards: the policy answers the test prompts under every λ of the grid, greedily, and
// what a reward source gives for the answers are the outcomes; the same for the model without adapter
// (paper, section 5 and figure 3). Prompts, limits and source are frozen: nothing is drawn.
import type { DecodeAdapter, Decoder } from "../core/generate/decoder.ts";
import { InputError } from "../core/errors.ts";
import { responseLimit, rollout } from "../core/objectives/rollout.ts";
import { Random } from "../core/random.ts";
import { scoredResponse } from "../core/rewards/responses.ts";
import {
  checkRewards,
  type RewardSource,
  type ScoredResponse,
} from "../core/rewards/reward_source.ts";
import type { Message } from "../core/text/example.ts";
import type { ChatTokenizer } from "../core/text/tokenizer.ts";
import type { Measured } from "./evaluation.ts";
import type { SampleAnswers, SessionOptions } from "./protocol.ts";

/** What is asked, who judges, and the limits of both. */
export interface RewardEvaluationParts {
  decoder: Decoder;
  tokenizer: ChatTokenizer;
  rewards: RewardSource;
  prompts: Message[][];
  /** Longest prompt plus response, in tokens. */
  maxLength: number;
  /** Longest response, in tokens. */
  maxNewTokens: number;
  /** What happens to prompts that leave no room for a response. */
  overlong: "drop" | "truncate";
  options: SessionOptions;
}

/** Measures adapters over grids, on the same prompts each time. */
export interface RewardEvaluation {
  /** Greedy responses of `adapter` under each preference (N, M), judged. */
  measure(
    adapter: DecodeAdapter,
    grid: number[][],
  ): Promise<{ measured: Measured; samples: SampleAnswers[] }>;
}

/**
 * The reference point lies so many standard deviations of a single response below the mean reward of
 * the model without adapter: known before any adapter is measured, and below what a policy gives up
 * in one dimension for another.
 */
const REFERENCE_DEVIATIONS = 2;
/** Responses that are judged at once: between two of them a signal has its turn. */
const JUDGED_AT_ONCE = 64;
/** Prompts, and preferences of the grid, whose answers are shown. */
const SAMPLED = { prompts: 2, preferences: 5 };

/** An evaluation by rewards; throws InputError where no prompt leaves room for a response. */
export function rewardEvaluation(parts: RewardEvaluationParts): RewardEvaluation {
  const { decoder, tokenizer, rewards, options } = parts;
  const { dimensions } = rewards;
  const asked = askable(parts);
  let initial: Promise<number[][]> | undefined;

  /** Responses to every prompt under every preference, prompt after prompt (P·N). */
  async function respond(
    adapter: DecodeAdapter | null,
    grid: number[][],
  ): Promise<ScoredResponse[]> {
    const rows = asked.flatMap((prompt) => grid.map((preference) => ({ ...prompt, preference })));
    const responses = await rollout(decoder, {
      adapter,
      prompts: rows.map(({ ids }) => ids),
      preferences: rows.map(({ preference }) => preference),
      limits: rows.map(({ limit }) => limit),
      sampling: { temperature: 0, topP: 1, maxNewTokens: parts.maxNewTokens },
      random: new Random(0), // greedy: nothing is drawn
      endTokenIds: tokenizer.endTokenIds,
      onProgress: (done, total) =>
        options.onEvent({ type: "progress", what: "Answering the test prompts", done, total }),
      signal: options.signal,
    });
    return rows.map(({ prompt, ids }, n) =>
      scoredResponse({
        prompt,
        promptIds: ids,
        responseIds: responses[n]?.response ?? new Int32Array(),
      }, tokenizer)
    );
  }

  /** Rewards of every response (…, M). Equal responses to one prompt are judged once. */
  async function judge(responses: ScoredResponse[]): Promise<number[][]> {
    const different = new Map(responses.map((response) => [keyOf(response), response]));
    const given = new Map<string, number[]>();
    const entries = [...different];
    for (let start = 0; start < entries.length; start += JUDGED_AT_ONCE) {
      options.signal.throwIfAborted();
      const part = entries.slice(start, start + JUDGED_AT_ONCE);
      const scores = checkRewards(await rewards.score(part.map(([, response]) => response)), {
        count: part.length,
        dimensions,
        source: "the reward model",
      });
      part.forEach(([key], n) => given.set(key, scores[n] ?? []));
      const done = start + part.length;
      options.onEvent({ type: "progress", what: "Judging answers", done, total: entries.length });
    }
    return responses.map((response) => given.get(keyOf(response)) ?? []);
  }

  return {
    async measure(adapter, grid) {
      initial ??= respond(null, [[]]).then(judge);
      const before = await initial;
      const responses = await respond(adapter, grid);
      const judged = await judge(responses);
      for (const [i, name] of dimensions.entries()) {
        if (new Set(judged.map((row) => row[i])).size > 1 || judged.length < 2) continue;
        const message = `Every answer has the same reward of ${name}, ${judged[0]?.[i]}: what ` +
          "gives it tells no answers apart";
        options.onEvent({ type: "notice", message });
      }
      const column = (rows: number[][], i: number) => rows.map((row) => row[i] ?? NaN);
      return {
        measured: {
          metric: "reward",
          outcomes: dimensions.map((_, i) => ({
            values: grid.map((_, n) =>
              asked.map((_, p) => judged[p * grid.length + n]?.[i] ?? NaN)
            ),
          })),
          initial: dimensions.map((_, i) => column(before, i)),
          referencePoint: dimensions.map((_, i) => referenceOf(column(before, i))),
        },
        samples: samplesOf(responses, grid),
      };
    },
  };
}

interface AskedPrompt {
  prompt: Message[];
  ids: Int32Array;
  /** Tokens of a response to it, at most. */
  limit: number;
}

/** The prompts as tokens, without those that are too long; a notice says how many these are. */
function askable(
  { decoder, tokenizer, prompts, maxLength, maxNewTokens, overlong, options }:
    RewardEvaluationParts,
): AskedPrompt[] {
  const longest = Math.min(maxLength, decoder.maxPositions + 1);
  // A prompt that is cut leaves half of the room, or as much as a response may need.
  const kept = longest - Math.min(maxNewTokens, Math.floor(longest / 2));
  const asked = prompts.flatMap((prompt): AskedPrompt[] => {
    const whole = Int32Array.from(tokenizer.encode(tokenizer.renderPrompt(prompt)));
    const fits = responseLimit(whole.length, { maxNewTokens, maxLength: longest }) >= 1;
    if (!fits && overlong === "drop") return [];
    const ids = fits ? whole : whole.slice(-kept);
    const limit = responseLimit(ids.length, { maxNewTokens, maxLength: longest });
    return limit < 1 ? [] : [{ prompt, ids, limit }];
  });
  const left = prompts.length - asked.length;
  if (asked.length === 0) {
    throw new InputError(
      `Cannot measure rewards: expected test prompts shorter than ${longest} tokens ` +
        `(max_length), got ${left} that are longer`,
    );
  }
  if (left > 0) {
    const message = `Left out ${left} of ${prompts.length} test prompts: ${longest} tokens or more`;
    options.onEvent({ type: "notice", message });
  }
  return asked;
}

/** What a few preferences, evenly spaced over the grid, answered to the first prompts. */
function samplesOf(responses: ScoredResponse[], grid: number[][]): SampleAnswers[] {
  const count = Math.min(SAMPLED.preferences, grid.length);
  const places = Array.from(
    { length: count },
    (_, k) => count === 1 ? 0 : Math.round((k * (grid.length - 1)) / (count - 1)),
  );
  const prompts = Math.min(SAMPLED.prompts, responses.length / grid.length);
  return Array.from({ length: prompts }, (_, p) => ({
    prompt: responses[p * grid.length]?.prompt.at(-1)?.content ?? "",
    answers: places.map((n) => ({
      preference: grid[n] ?? [],
      answer: responses[p * grid.length + n]?.response ?? "",
    })),
  }));
}

function keyOf({ prompt, sequence }: ScoredResponse): string {
  return JSON.stringify([prompt, [...sequence.response]]);
}

function referenceOf(rewards: number[]): number {
  const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
  const squares = rewards.reduce((sum, reward) => sum + (reward - mean) ** 2, 0);
  return mean - REFERENCE_DEVIATIONS * Math.sqrt(squares / rewards.length);
}
