// Responses drawn from a policy: y ~ π_{θ,λ}(· | x), every row under its own λ. First half of a PPO
// iteration (core/rlhf/rlhf.ts), and, greedily, of every front by reward. Works on the decoder of
// core/generate, whose rows share each step whatever their preferences; the batcher there answers
// requests that come and go, this goes through a fixed list.
import { InputError } from "../errors.ts";
import type { DecodeAdapter, Decoder, Sequence } from "../generate/decoder.ts";
import { logProbOf, sampleToken, type Sampling } from "../generate/sampling.ts";
import type { Random } from "../random.ts";

/** How responses are drawn. */
export interface RolloutSampling extends Sampling {
  /** Tokens of a response at most, its end token included. */
  maxNewTokens: number;
}

/** What is drawn from what. */
export interface RolloutRequest {
  /** The policy's adapter, or null for the base model. */
  adapter: DecodeAdapter | null;
  prompts: Int32Array[]; // (N), each of one token at least
  preferences: number[][]; // (N, M); of no weights without adapter
  sampling: RolloutSampling;
  /** Tokens of each response at most (N), where rows differ in it: see responseLimit(). */
  limits?: number[];
  /** Not advanced: row n draws from its stream `row n`. */
  random: Random;
  endTokenIds: ReadonlySet<number>;
  /** The first so many rows get the decoder's log-probabilities: a pass over V for each token. */
  logProbRows?: number;
  /** Rows that are decoded at once: bounds the memory of keys and values. */
  maxRows?: number;
  /** Told after each token how many of the N responses are complete. */
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

/** One response. */
export interface Rollout {
  /** Token ids, with the end token where there is one; at least one token. */
  response: Int32Array;
  /** Whether it ends with an end token; otherwise it was cut at its limit. */
  ended: boolean;
  /** log softmax(logits)[token] of every token as the decoder has it, whatever the temperature. */
  logProbs?: Float32Array;
}

/** ONNX Runtime's steps gain nothing beyond this many rows. */
const MAX_ROWS = 64;

/**
 * A response to every prompt, in their order. What a row gets does not depend on the other rows, on
 * `maxRows` or on how many prompts there are. Throws InputError for a prompt that leaves no room
 * for its response, TypeError for lists of different lengths, DivergedError for logits that are not
 * finite, and the reason of an aborted signal. The decoder holds none of its sequences afterwards.
 */
export async function rollout(decoder: Decoder, request: RolloutRequest): Promise<Rollout[]> {
  checkRequest(decoder, request);
  const { adapter, prompts, preferences, maxRows = MAX_ROWS, signal } = request;
  const rows = prompts.map((_, n) => createRow(request, n));
  let live: { row: Row; sequence: Sequence }[] = [];
  let next = 0;
  try {
    while (next < rows.length || live.length > 0) {
      // Who has ended makes room for the next prompt.
      while (next < rows.length && live.length < maxRows) {
        const row = rows[next] as Row;
        const sequence = decoder.start({ adapter, preference: preferences[next] ?? [] });
        live.push({ row, sequence });
        row.accept(await decoder.prefill(sequence, prompts[next] ?? []));
        next++;
        await turn(signal);
      }
      live = withoutEnded(live);
      if (live.length === 0) continue;
      const logits = await decoder.step(
        live.map(({ sequence }) => sequence),
        live.map(({ row }) => row.tokens.at(-1) ?? -1),
      );
      const V = decoder.vocabSize;
      live.forEach(({ row }, i) => row.accept(logits.subarray(i * V, (i + 1) * V)));
      live = withoutEnded(live);
      request.onProgress?.(next - live.length, rows.length);
      await turn(signal);
    }
  } finally {
    live.forEach(({ sequence }) => sequence.dispose());
  }
  return rows.map((row) => row.result());
}

/**
 * Tokens that a response to a prompt of `promptLength` may have: maxNewTokens, as far as prompt and
 * response together stay within maxLength. Below 1 for a prompt that is too long.
 */
export function responseLimit(
  promptLength: number,
  { maxNewTokens, maxLength }: { maxNewTokens: number; maxLength: number },
): number {
  return Math.min(maxNewTokens, maxLength - promptLength);
}

/** A response while it grows. */
interface Row {
  readonly tokens: number[];
  readonly over: boolean;
  /** Draws the next token from logits (V). */
  accept(logits: Float32Array): void;
  result(): Rollout;
}

function createRow(
  { sampling, limits, random, endTokenIds, logProbRows = 0 }: RolloutRequest,
  index: number,
): Row {
  const limit = limits?.[index] ?? sampling.maxNewTokens;
  const withLogProbs = index < logProbRows;
  const stream = random.fork(`row ${index}`);
  const tokens: number[] = [];
  const logProbs: number[] = [];
  const ended = () => endTokenIds.has(tokens.at(-1) ?? -1);
  return {
    tokens,
    get over() {
      return tokens.length >= limit || ended();
    },
    accept(logits) {
      const token = sampleToken(logits, sampling, stream);
      tokens.push(token);
      if (withLogProbs) logProbs.push(logProbOf(logits, token));
    },
    result: () => ({
      response: Int32Array.from(tokens),
      ended: ended(),
      ...withLogProbs && { logProbs: Float32Array.from(logProbs) },
    }),
  };
}

/** Those that go on; the others' sequences are disposed. */
function withoutEnded<T extends { row: Row; sequence: Sequence }>(live: T[]): T[] {
  return live.filter(({ row, sequence }) => {
    if (row.over) sequence.dispose();
    return !row.over;
  });
}

function checkRequest(
  { maxPositions }: Decoder,
  { prompts, preferences, sampling, limits, maxRows = MAX_ROWS }: RolloutRequest,
): void {
  const { length: N } = prompts;
  if (preferences.length !== N || (limits?.length ?? N) !== N) {
    throw new TypeError(
      `Cannot generate: expected a preference and a limit for each of ${N} prompts, ` +
        `got ${preferences.length} and ${limits?.length ?? N}`,
    );
  }
  if (!Number.isInteger(maxRows) || maxRows < 1) {
    throw new RangeError(`Cannot generate: expected maxRows of at least 1, got ${maxRows}`);
  }
  prompts.forEach(({ length }, n) => {
    const limit = limits?.[n] ?? sampling.maxNewTokens;
    if (!Number.isInteger(limit) || limit < 1) {
      throw new RangeError(
        `Cannot generate: expected room for at least 1 token after prompt ${n}, got ${limit}`,
      );
    }
    // The last token is drawn but never goes through the decoder.
    const room = maxPositions - limit + 1;
    if (length >= 1 && length <= room) return;
    throw new InputError(
      `Cannot generate: expected a prompt of 1 to ${room} tokens, which leaves the model's ` +
        `${maxPositions} positions room for ${limit} new ones, got ${length} in prompt ${n}`,
    );
  });
}

/** Lets signals and messages in. */
async function turn(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  signal?.throwIfAborted();
}
