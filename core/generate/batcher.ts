// Continuous batching (Orca, Yu et al. 2022): requests of any λ, length and sampling share each
// decode step; they join and leave between steps. READ FIRST of core/generate: everything else here
// is called from the loop in `run`. A turn of it is: take in what waits, compute a piece of the
// prompts that are not in yet, then one token for every running answer.
import { OverloadedError } from "../errors.ts";
import { createAdmission } from "./admission.ts";
import { createPrefixCache, prefixScope, startSequence } from "./prefix_cache.ts";
import { createMeanDuration, createRate } from "./rate.ts";
import {
  checkRequest,
  type EndReason,
  type GenerateEvent,
  type GenerateRequest,
} from "./request.ts";
import { createRow, type Row } from "./row.ts";

/** Bounds of the batch. */
export interface BatcherOptions {
  /** Requests that share a step. */
  maxRows: number;
  /** Bytes of keys and values of all of them, each counted at its greatest length. */
  maxCacheBytes: number;
  /** Requests that wait while there is no room for them; more are refused. */
  maxWaiting: number;
  /** Bytes of keys and values kept of prompts and answers met before; 0 for none. */
  prefixCacheBytes: number;
}

/** Numbers as of now, and counts since the batcher was made. */
export interface BatcherState {
  waiting: number;
  rows: number;
  reservedBytes: number; // what the rows may come to hold
  prefixBytes: number;
  prefixHits: number;
  prefixMisses: number;
  steps: number;
  promptTokens: number; // computed; those found in the prefix cache left out
  tokens: number; // drawn
  tokensPerSecond: number; // over the last seconds
  ended: Record<EndReason | "failed", number>;
}

/** Answers requests together. */
export interface Batcher {
  /**
   * Takes a request in at once. An aborted signal, or a reader that leaves, ends it before the next
   * token. Throws OverloadedError where `room()` is 0, and InputError where there can never be room.
   */
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<GenerateEvent>;
  /** Requests that may come now without being refused. */
  room(): number;
  /** What a request is refused with where there is no room, saying when to come again. */
  overload(): OverloadedError;
  /** Takes nothing in any more; resolves once everything that was in has ended. */
  close(): Promise<void>;
  /** Ends what waits and, before its next token, what runs, with the reason `shutdown`. */
  finish(): void;
  /** Forgets what was kept of a model's prompts and answers. */
  forget(modelId: string): void;
  state(): BatcherState;
}

/**
 * Tokens of prompts computed in one turn of the loop: running answers wait no longer than for
 * these. Longer pieces cost as much a token (SmolLM2-135M in int8: 64 tokens 5.5, 128 and 256 tokens
 * 6.0 and 5.9 in the same unit). Pieces end at multiples of it wherever they begin, so that the
 * order of a prompt's sums does not depend on what else is in the batch.
 */
const PREFILL_TOKENS = 64;

/** A batcher that sleeps until the first request. */
export function createBatcher(options: BatcherOptions): Batcher {
  const { maxRows, maxCacheBytes, maxWaiting, prefixCacheBytes } = options;
  const admission = createAdmission({ maxRows, maxBytes: maxCacheBytes });
  const prefixes = createPrefixCache({ maxBytes: prefixCacheBytes });
  const waiting: Row[] = [];
  let rows: Row[] = [];
  let running: Promise<void> | null = null;
  let closed = false;
  const rate = createRate();
  const inBatch = createMeanDuration<Row>({ first: 1 });
  const count = { prefixHits: 0, prefixMisses: 0, steps: 0, promptTokens: 0, tokens: 0 };
  const ended = { stop: 0, length: 0, cancelled: 0, shutdown: 0, failed: 0 };

  async function run(): Promise<void> {
    while (true) {
      await turn();
      sweep();
      admit();
      if (rows.length === 0) break;
      await prefill();
      for (const group of groupsOf(rows.filter(({ decoding }) => decoding))) await step(group);
    }
    running = null;
  }

  /** Removes the rows that ended, keeping what they computed for the next turn of the dialogue. */
  function sweep(): void {
    for (const row of rows) {
      if (!row.ended) continue;
      if (row.reason === "stop" || row.reason === "length") remember(row, null);
      row.sequence?.dispose();
      row.sequence = null;
      admission.leave(row.request);
      inBatch.end(row);
      ended[row.reason ?? "failed"]++;
    }
    rows = rows.filter((row) => !row.ended);
  }

  /** Takes in what waits, in the order it came, as far as there is room: what is left is blocked. */
  function admit(): void {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      if (!admission.fits(next.request)) return;
      admission.join(next.request);
      waiting.shift();
      rows.push(next);
      inBatch.begin(next);
    }
  }

  /** Computes pieces of prompts, first come first served. */
  async function prefill(): Promise<void> {
    let left = PREFILL_TOKENS;
    for (const row of rows) {
      while (!row.ended && !row.decoding) {
        try {
          if (!row.sequence) begin(row);
          if (row.decoding || row.ended) break; // the prefix cache had all of its prompt
          const piece = nextPiece(row);
          if (piece.length > left) return;
          left -= piece.length;
          await compute(row, piece);
        } catch (error) {
          row.fail(error);
        }
        await turn();
      }
    }
  }

  /** Starts a row's sequence with what the prefix cache has of its prompt. */
  function begin(row: Row): void {
    const { request } = row;
    const match = prefixes.find(prefixScope(request), request.prompt);
    count[match ? "prefixHits" : "prefixMisses"]++;
    row.sequence = startSequence(request.model.decoder, request, match);
    row.cachedTokens = match?.length ?? 0;
    if (match?.logits) draw(row, match.logits);
  }

  async function compute(row: Row, piece: number[]): Promise<void> {
    const { sequence, request: { model, prompt } } = row;
    if (!sequence) return;
    const logits = await model.decoder.prefill(sequence, piece);
    count.promptTokens += piece.length;
    if (row.ended || sequence.length < prompt.length) return;
    remember(row, logits);
    draw(row, logits);
  }

  /** One more token for rows of the same weights and adapter. */
  async function step(group: Row[]): Promise<void> {
    const alive = group.filter((row) => !row.ended);
    const decoder = alive[0]?.request.model.decoder;
    if (!decoder) return;
    try {
      const logits = await decoder.step(
        alive.flatMap(({ sequence }) => sequence ?? []),
        alive.map(({ tokens }) => tokens.at(-1) ?? -1),
      );
      count.steps++;
      const { vocabSize } = decoder;
      alive.forEach((row, i) => draw(row, logits.subarray(i * vocabSize, (i + 1) * vocabSize)));
    } catch (error) {
      alive.forEach((row) => row.fail(error));
    }
    await turn();
  }

  function draw(row: Row, logits: Float32Array): void {
    if (row.ended) return; // it left while its logits were computed
    try {
      row.accept(logits);
      count.tokens++;
      rate.add(1);
    } catch (error) {
      row.fail(error);
    }
  }

  /** Puts a row's keys and values into the prefix cache. */
  function remember(row: Row, logits: Float32Array | null): void {
    const { sequence, request } = row;
    if (!sequence) return;
    const { bytesPerToken } = request.model.decoder;
    if (!prefixes.holds(sequence.length * bytesPerToken + (logits?.byteLength ?? 0))) return;
    const tokens = Int32Array.from(row.tokens.slice(0, sequence.length));
    try {
      const prefix = sequence.snapshot();
      prefixes.add(prefixScope(request), { tokens, prefix, logits: logits && logits.slice() });
    } catch (error) {
      // No memory for the copy: the answer needs none.
      if (!(error instanceof RangeError)) throw error;
    }
  }

  /** Ends a row that waits, or one that runs: that is removed by the loop, between two calls. */
  function endRow(row: Row, reason: "cancelled" | "shutdown"): void {
    row.end(reason);
    const place = waiting.indexOf(row);
    if (place < 0) return;
    waiting.splice(place, 1);
    ended[reason]++;
  }

  function room(): number {
    if (closed) return 0;
    return maxWaiting - waiting.length + (waiting.length > 0 ? 0 : maxRows - rows.length);
  }

  function overload(): OverloadedError {
    const [right, seconds] = closed
      ? ["a service that goes on, got one that is shutting down", 5]
      : [
        `at most ${maxWaiting} requests to wait for their turn, got one more`,
        inBatch.seconds() * (waiting.length + 1) / maxRows,
      ];
    return new OverloadedError(`Cannot generate: expected ${right}`, {
      retryAfterSeconds: Math.min(Math.max(Math.ceil(seconds), 1), 60),
    });
  }

  return {
    generate(request, signal) {
      checkRequest(request);
      admission.check(request);
      if (room() <= 0) throw overload();
      const cancel = () => endRow(row, "cancelled");
      const row = createRow(request, {
        onLeave: cancel,
        onEnd: () => signal.removeEventListener("abort", cancel),
      });
      waiting.push(row);
      if (signal.aborted) cancel();
      else signal.addEventListener("abort", cancel);
      admit();
      running ??= run();
      return row.events;
    },
    room,
    overload,
    async close() {
      closed = true;
      await running;
    },
    finish: () => [...waiting, ...rows].forEach((row) => endRow(row, "shutdown")),
    forget: (modelId) => prefixes.forget(modelId),
    state: () => ({
      waiting: waiting.length,
      rows: rows.length,
      reservedBytes: admission.bytes,
      prefixBytes: prefixes.bytes,
      ...count,
      tokensPerSecond: rate.perSecond(),
      ended: { ...ended },
    }),
  };
}

/** Rows that can share a step: same weights, same adapter. */
function groupsOf(rows: Row[]): Row[][] {
  return [...Map.groupBy(rows, ({ request }) => request.model.decoder).values()]
    .flatMap((group) => [...Map.groupBy(group, ({ request }) => request.adapter).values()]);
}

function nextPiece({ sequence, request: { prompt } }: Row): number[] {
  const from = sequence?.length ?? 0;
  return prompt.slice(from, (Math.floor(from / PREFILL_TOKENS) + 1) * PREFILL_TOKENS);
}

/** Lets messages, timers and connections in. It takes 3 µs, where a timer of 0 takes 2 ms. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
