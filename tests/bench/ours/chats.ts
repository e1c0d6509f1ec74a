// Chats through the batcher that answers users, with a clock in it; shared by the scripts beside it.
import { createBatcher } from "../../../core/generate/batcher.ts";
import type { Decoder } from "../../../core/generate/decoder.ts";
import { promptIds } from "./decoding.ts";
import type { Decoding } from "./decoding.ts";

/** When the chats began and when each of their steps ended, in milliseconds. */
export interface ChatClock {
  start: number;
  steps: number[];
  end: number;
}

/**
 * Generates `tokens` tokens for every preference, greedily and all at once. No token ends a text,
 * and nothing is kept from one call to the next.
 */
export async function runChats(
  { decoder, adapter }: Decoding,
  { preferences, prompt, tokens }: { preferences: number[][]; prompt: number; tokens: number },
): Promise<ChatClock> {
  const steps: number[] = [];
  const model = {
    id: "bench",
    decoder: clocked(decoder, (time) => steps.push(time)),
    tokenizer: {
      decode: () => "",
      endTokenIds: new Set<number>(),
      specialTokenIds: new Set<number>(),
    },
  };
  const batcher = createBatcher({
    maxRows: preferences.length,
    maxCacheBytes: Infinity,
    maxWaiting: 0,
    prefixCacheBytes: 0,
  });
  const { signal } = new AbortController();
  const start = performance.now();
  await Promise.all(preferences.map(async (preference) => {
    const request = {
      ...{ model, adapter, preference, prompt: promptIds(prompt), maxTokens: tokens },
      ...{ temperature: 0, topP: 1, seed: 1, stop: [] },
    };
    const events = await Array.fromAsync(batcher.generate(request, signal));
    const end = events.at(-1);
    if (end?.type !== "end" || end.completionTokens !== tokens) {
      throw new Error(`Cannot time a chat: expected ${tokens} tokens, got ${JSON.stringify(end)}`);
    }
  }));
  return { start, steps, end: performance.now() };
}

/** The decoder, telling when a step has ended. */
function clocked(decoder: Decoder, onStep: (time: number) => void): Decoder {
  const { vocabSize, maxPositions, bytesPerToken, bytes } = decoder;
  return {
    ...{ vocabSize, maxPositions, bytesPerToken, bytes },
    get live() {
      return decoder.live;
    },
    loadAdapter: (source) => decoder.loadAdapter(source),
    start: (options) => decoder.start(options),
    prefill: (sequence, ids) => decoder.prefill(sequence, ids),
    async step(sequences, tokens) {
      const logits = await decoder.step(sequences, tokens);
      onStep(performance.now());
      return logits;
    },
    dispose: () => decoder.dispose(),
  };
}
