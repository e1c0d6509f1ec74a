// One request while it is answered: its place in the prompt, its tokens, its text. The batcher
// decides when a row computes; what a row does with the logits it gets is decided here.
import { Random } from "../random.ts";
import type { Sequence } from "./decoder.ts";
import { createEventQueue } from "./event_queue.ts";
import type { EndReason, GenerateEvent, GenerateRequest } from "./request.ts";
import { sampleToken } from "./sampling.ts";
import { createStopSearch } from "./stop.ts";
import { createTextStream } from "./text_stream.ts";

/** A request in the queue or in the batch. */
export interface Row {
  readonly request: GenerateRequest;
  /** For whoever asked. */
  readonly events: AsyncIterable<GenerateEvent>;
  /** Its keys and values; null while it waits and after it left. */
  sequence: Sequence | null;
  /** Tokens of the prompt that were in the prefix cache. */
  cachedTokens: number;
  /** Prompt and drawn tokens, in order; all but the last one are or will be in `sequence`. */
  readonly tokens: number[];
  /** Whether the next token is already drawn, so that the row takes part in steps. */
  readonly decoding: boolean;
  /** Whether the last event is out; the sequence may still have to be disposed. */
  readonly ended: boolean;
  /** How it ended; null for an error and while it lives. */
  readonly reason: EndReason | null;
  /** Draws the next token from logits (V); ends the row where that is the last one. */
  accept(logits: Float32Array): void;
  /** Ends the row between tokens. */
  end(reason: "cancelled" | "shutdown"): void;
  /** Ends the row with an error. */
  fail(error: unknown): void;
}

/** A row that has not begun. `onLeave`: its reader left early; `onEnd`: it ended, however. */
export function createRow(
  request: GenerateRequest,
  { onLeave, onEnd }: { onLeave: () => void; onEnd: () => void },
): Row {
  const { model, prompt, maxTokens, seed, stop, temperature, topP } = request;
  const { decode, endTokenIds, specialTokenIds } = model.tokenizer;
  const queue = createEventQueue<GenerateEvent>(onLeave);
  const random = new Random(seed);
  const stream = createTextStream(decode, { hidden: specialTokenIds });
  const stops = createStopSearch(stop);
  const tokens = [...prompt];
  let reason: EndReason | null = null;
  let ended = false;

  function tell(text: string): void {
    if (text !== "") queue.push({ type: "text", text });
  }

  function finish(why: EndReason): void {
    if (ended) return;
    ended = true;
    reason = why;
    queue.push({
      type: "end",
      reason: why,
      promptTokens: prompt.length,
      cachedTokens: row.cachedTokens,
      completionTokens: tokens.length - prompt.length,
    });
    queue.close();
    onEnd();
  }

  /** Tells what is still held back, up to a stop string that it completes. */
  function flush(): void {
    const { text, stopped } = stops.push(stream.end());
    tell(text);
    if (!stopped) tell(stops.end());
  }

  const row: Row = {
    request,
    events: queue,
    sequence: null,
    cachedTokens: 0,
    tokens,
    get decoding() {
      return tokens.length > prompt.length && !ended;
    },
    get ended() {
      return ended;
    },
    get reason() {
      return reason;
    },
    accept(logits) {
      const token = sampleToken(logits, { temperature, topP }, random);
      tokens.push(token);
      if (endTokenIds.has(token)) {
        flush();
        return finish("stop");
      }
      const { text, stopped } = stops.push(stream.push(token));
      tell(text);
      if (stopped) return finish("stop");
      if (tokens.length - prompt.length < maxTokens) return;
      flush();
      finish("length");
    },
    end(why) {
      if (why === "shutdown" && !ended) flush();
      finish(why);
    },
    fail(error) {
      if (ended) return;
      ended = true;
      queue.close(error);
      onEnd();
    },
  };
  return row;
}
