// The built-in world's rewards: a program, so nothing is loaded.
import { InputError } from "../../core/errors.ts";
import type { RewardSource } from "../../core/rewards/reward_source.ts";
import { createJudge } from "../../data/builtin/judge.ts";

/** Rewards of the built-in world along `dimensions`. Throws InputError where one is not its own. */
export function builtinRewards(dimensions: string[]): RewardSource {
  const judge = createJudge(dimensions);
  return {
    dimensions,
    score(responses) {
      return Promise.resolve(responses.map(({ prompt, response }) => {
        const question = prompt.findLast(({ role }) => role === "user");
        if (question === undefined) {
          throw new InputError("Cannot judge an answer: expected a user's turn, got none");
        }
        return judge(question.content, response);
      }));
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
