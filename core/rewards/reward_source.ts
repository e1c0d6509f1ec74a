// What a response is worth, one number per dimension, whoever says so: a reward model on the
// engine, a text classifier on ONNX Runtime, or the built-in world's program. PPO (core/rlhf/rlhf.ts)
// and the fronts' metric `reward` ask nothing else; workers/rewards opens the sources.
import { DivergedError, InputError } from "../errors.ts";
import type { Message } from "../text/example.ts";
import type { Sequence } from "../text/pack.ts";

/** A response to be scored, as text and as the tokens of the policy that wrote it. */
export interface ScoredResponse {
  prompt: Message[];
  /** The last assistant turn, without its end token. */
  response: string;
  /** The same as the policy's tokens: what a reward model on the same base reads. */
  sequence: Sequence;
}

/** Rewards of responses along named dimensions. */
export interface RewardSource extends AsyncDisposable {
  readonly dimensions: string[]; // (M)

  /**
   * The rewards of each response (N, M), finite, in the order of `responses` and `dimensions`.
   *
   * @throws {DivergedError} a reward is not finite
   * @throws {InputError} a response cannot be scored, such as one longer than a classifier reads
   */
  score(responses: ScoredResponse[]): Promise<number[][]>;
}

/**
 * `rewards` (N, M) of `source`, once each is known to be a finite number.
 * Throws DivergedError, naming response and dimension, on the first that is not.
 */
export function checkRewards(
  rewards: number[][],
  { count, dimensions, source }: { count: number; dimensions: string[]; source: string },
): number[][] {
  const short = rewards.findIndex(({ length }) => length !== dimensions.length);
  if (rewards.length !== count || short >= 0) {
    throw new TypeError(
      `Cannot use the rewards of ${source}: expected ${count} rows of ${dimensions.length}, ` +
        `got ${rewards.length}${short < 0 ? "" : ` and ${rewards[short]?.length} in row ${short}`}`,
    );
  }
  rewards.forEach((row, n) =>
    row.forEach((reward, i) => {
      if (Number.isFinite(reward)) return;
      throw new DivergedError(
        `Cannot use the rewards of ${source}: expected finite numbers, got ${reward} for response ` +
          `${n} in the dimension ${dimensions[i]}`,
      );
    })
  );
  return rewards;
}

/**
 * Refuses rewards (N, M) that do not tell two responses apart: nothing can be learnt from them.
 * Throws InputError naming the dimension; fewer than two responses are never refused.
 */
export function refuseConstantRewards(
  rewards: number[][],
  { dimensions, source }: { dimensions: string[]; source: string },
): void {
  const [first] = rewards;
  if (first === undefined || rewards.length < 2) return;
  const constant = dimensions.findIndex((_, i) => rewards.every((row) => row[i] === first[i]));
  if (constant < 0) return;
  throw new InputError(
    `Cannot learn from the rewards of ${source}: expected rewards that differ between responses, ` +
      `got ${first[constant]} for all ${rewards.length} in the dimension ${dimensions[constant]}`,
  );
}
