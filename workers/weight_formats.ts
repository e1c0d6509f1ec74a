// What a model's weight formats cost and save: their logits against those of float32 over a fixed
// text, their size and their speed. A part of `doctor`.
import type { WeightFormat } from "../core/generate/decoder.ts";
import { type LogitError, logitError, stepLogits } from "../core/generate/logit_error.ts";
import { graphCache, openDecoder } from "./decoders.ts";
import type { SessionOptions } from "./protocol.ts";

/** One format of a model. */
export interface FormatReport {
  format: WeightFormat;
  bytes: number; // of the weights
  msPerToken: number; // one sequence alone
  /** Against float32; null for float32 itself. */
  error: LogitError | null;
}

/** Plain English, so that every tokenizer knows it. */
const TEXT = "The library on the corner opens at nine. On most days an old man waits before its " +
  "door, reads the newspaper until noon and goes home to feed his cat. When the children come in " +
  "the afternoon, they ask him what happened in the world, and he tells them about the weather, " +
  'a ship that was late and a town where nobody locks the door. "Is that true?" one of them ' +
  'asks. "Most of it," he says. "The rest would be true if people were a little kinder."';
const MOST_TOKENS = 96;

/** Opens the model in every format, one after the other, float32 first. */
export async function measureFormats(
  { model, threads }: { model: string; threads: number },
  { env, signal, onEvent }: SessionOptions,
): Promise<FormatReport[]> {
  let exact: Float32Array[] | null = null;
  const reports: FormatReport[] = [];
  for (const format of ["float32", "int8", "int4"] as const) {
    signal.throwIfAborted();
    const { decoder, tokenizer } = await openDecoder({
      ...{ model, format, threads, env, onEvent },
      cacheFolder: graphCache(env),
    });
    try {
      const ids = tokenizer.encode(TEXT).slice(0, Math.min(MOST_TOKENS, decoder.maxPositions));
      onEvent({ type: "notice", message: `Decoding ${ids.length} tokens with ${format} weights` });
      await stepLogits(decoder, ids.slice(0, 2)); // the first run allocates
      const start = performance.now();
      const rows = await stepLogits(decoder, ids);
      const msPerToken = (performance.now() - start) / ids.length;
      const error = exact === null ? null : logitError(exact, rows);
      exact ??= rows;
      reports.push({ format, bytes: decoder.bytes, msPerToken, error });
    } finally {
      await decoder.dispose();
    }
  }
  return reports;
}
