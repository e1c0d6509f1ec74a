// Requests and answers for the tests of the batcher.
import type { Batcher, BatcherOptions } from "../../../core/generate/batcher.ts";
import { createBatcher } from "../../../core/generate/batcher.ts";
import type { GenerateEvent, GenerateRequest, TextModel } from "../../../core/generate/request.ts";

export type End = Extract<GenerateEvent, { type: "end" }>;

/** A whole answer. */
export interface Answer {
  text: string;
  end: End;
}

/** A batcher with room for everything unless told otherwise. */
export function roomyBatcher(options: Partial<BatcherOptions> = {}): Batcher {
  return createBatcher({
    maxRows: 32,
    maxCacheBytes: 2 ** 30,
    maxWaiting: 100,
    prefixCacheBytes: 0,
    ...options,
  });
}

/** A request of a model with ordinary settings. */
export function requestOf(
  model: TextModel,
  changes: Partial<Omit<GenerateRequest, "model">> = {},
): GenerateRequest {
  return {
    model,
    adapter: null,
    preference: [],
    prompt: [5, 6, 7],
    maxTokens: 10,
    temperature: 1,
    topP: 1,
    seed: 1,
    stop: [],
    ...changes,
  };
}

/** Reads an answer to its end. */
export async function answerOf(events: AsyncIterable<GenerateEvent>): Promise<Answer> {
  let text = "";
  for await (const event of events) {
    if (event.type === "end") return { text, end: event };
    text += event.text;
  }
  throw new Error("The answer ended without an end event");
}

/** Asks and reads. */
export function ask(
  batcher: Batcher,
  request: GenerateRequest,
  signal: AbortSignal = new AbortController().signal,
): Promise<Answer> {
  return answerOf(batcher.generate(request, signal));
}

/** Asks a batcher of its own, and waits until everything is given back. */
export async function askAlone(request: GenerateRequest): Promise<Answer> {
  const batcher = roomyBatcher();
  const answer = await ask(batcher, request);
  await batcher.close();
  return answer;
}

/** Gives the event loop turns until a condition holds; throws after ten seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const start = performance.now();
  while (!condition()) {
    if (performance.now() - start > 10_000) throw new Error(`Waited ten seconds until ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
