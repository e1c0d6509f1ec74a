// Prompts as token ids, with the room that each leaves for a response: what a policy is asked to
// answer in PPO. Beside pairs.ts, which does this for responses that are given.
import { InputError } from "../errors.ts";
import type { Message } from "./example.ts";
import type { ChatTokenizer } from "./tokenizer.ts";

/** How long prompts and responses may be. */
export interface PromptOptions {
  /** Most tokens of prompt plus response. */
  maxLength: number;
  /** Most tokens of a response. */
  maxNewTokens: number;
  /** A prompt that leaves too little room is left out, or its beginning is cut. */
  overlong: "drop" | "truncate";
}

/** A prompt to answer. */
export interface TokenizedPrompt {
  messages: Message[];
  ids: Int32Array;
  /** Most tokens of a response to it. */
  limit: number;
  /** One pool for all: prompts are drawn as examples of one dimension are. */
  better: [0];
}

/** A response needs room for this many tokens, or for maxNewTokens where those are fewer. */
const LEAST_ROOM = 16;

/**
 * Token ids of every dialogue, each once, in the order of the data, and the number left out: too
 * long, or refused by the chat template. Throws InputError where none is left, and the template's own
 * when it refused all.
 */
export function tokenizePrompts(
  tokenizer: Pick<ChatTokenizer, "encode" | "renderPrompt">,
  dialogues: Message[][],
  { maxLength, maxNewTokens, overlong }: PromptOptions,
): { prompts: TokenizedPrompt[]; dropped: number } {
  const longest = maxLength - Math.min(maxNewTokens, LEAST_ROOM);
  const distinct = new Map(dialogues.map((messages) => [JSON.stringify(messages), messages]));
  const prompts: TokenizedPrompt[] = [];
  let refusal: InputError | undefined;
  let refused = 0;
  for (const messages of distinct.values()) {
    try {
      const whole = tokenizer.encode(tokenizer.renderPrompt(messages));
      if (longest < 1 || (overlong === "drop" && whole.length > longest)) continue;
      const ids = Int32Array.from(whole.slice(-longest));
      const limit = Math.min(maxNewTokens, maxLength - ids.length);
      prompts.push({ messages, ids, limit, better: [0] });
    } catch (error) {
      // One dialogue of an unusual form must not end a run over thousands.
      if (!(error instanceof InputError)) throw error;
      refusal ??= error;
      refused++;
    }
  }
  if (refusal && refused === distinct.size) throw refusal;
  if (prompts.length === 0) {
    throw new InputError(
      `Cannot tokenize the prompts: expected some of at most ${longest} tokens, which leave room ` +
        `for a response within max_length ${maxLength}, got none`,
    );
  }
  return { prompts, dropped: distinct.size - prompts.length };
}
