// What is asked of the batcher and what it answers. workers/chat.ts makes these requests out of
// dialogues; benchmarks and tests make them directly.
import { InputError } from "../errors.ts";
import type { ChatTokenizer } from "../text/tokenizer.ts";
import type { DecodeAdapter, Decoder } from "./decoder.ts";

/** A decoder with what is needed to read its tokens. */
export interface TextModel {
  /** Differs from that of every other model and every other load of this one; no line break. */
  id: string;
  decoder: Decoder;
  tokenizer: Pick<ChatTokenizer, "decode" | "endTokenIds" | "specialTokenIds">;
}

/** One text to generate. */
export interface GenerateRequest {
  model: TextModel;
  /** Of `model.decoder`; its id differs for different parameters. */
  adapter: DecodeAdapter | null;
  preference: number[]; // λ (M); [] without adapter
  prompt: number[]; // token ids, at least one
  maxTokens: number; // ≥ 1
  temperature: number;
  topP: number;
  seed: number;
  stop: string[];
}

/** Why a text ended; `shutdown`: see `Batcher.finish`. */
export type EndReason = "stop" | "length" | "cancelled" | "shutdown";

/** What a request yields: pieces of text as they become certain, then once `end`. */
export type GenerateEvent =
  | { type: "text"; text: string }
  | {
    type: "end";
    reason: EndReason;
    promptTokens: number;
    /** Tokens of the prompt that were in the prefix cache. */
    cachedTokens: number;
    /** Tokens drawn, an end token included. */
    completionTokens: number;
  };

/** Throws InputError for a request that the model could never answer. */
export function checkRequest({ model: { decoder }, prompt, maxTokens }: GenerateRequest): void {
  if (prompt.length === 0) {
    throw new InputError("Cannot generate: expected a prompt of at least one token, got none");
  }
  checkContext(decoder, { promptTokens: prompt.length, maxTokens });
}

/** Throws InputError where a prompt and its answer are longer than the model's context. */
export function checkContext(
  { maxPositions }: Pick<Decoder, "maxPositions">,
  { promptTokens, maxTokens }: { promptTokens: number; maxTokens: number },
): void {
  if (promptTokens + maxTokens <= maxPositions) return;
  throw new InputError(
    `Cannot generate: expected prompt and max_tokens to fit the model's context of ${maxPositions} ` +
      `tokens, got ${promptTokens} + ${maxTokens}`,
  );
}
