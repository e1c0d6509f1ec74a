// From what a policy generated to what is scored: training (PPO) and fronts by reward score the same
// text for the same tokens. Between core/objectives/rollout and a RewardSource.
import type { Message } from "../text/example.ts";
import type { ChatTokenizer } from "../text/tokenizer.ts";
import type { ScoredResponse } from "./reward_source.ts";

/** A response as a policy's tokens. */
export interface GeneratedResponse {
  prompt: Message[];
  promptIds: Int32Array;
  /** Its end token included where it has one. */
  responseIds: Int32Array;
}

/** The response with its text, which holds no special token. */
export function scoredResponse(
  { prompt, promptIds, responseIds }: GeneratedResponse,
  { decode, specialTokenIds }: Pick<ChatTokenizer, "decode" | "specialTokenIds">,
): ScoredResponse {
  return {
    prompt,
    response: decode(responseIds.filter((id) => !specialTokenIds.has(id))),
    sequence: { prompt: promptIds, response: responseIds },
  };
}
