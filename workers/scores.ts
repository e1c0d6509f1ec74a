// Log-probabilities of the reference policy: computed once per data set and model, kept on disk
// under a hash of everything they depend on.
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Engine } from "../core/engine/mod.ts";
import { scoreSequences } from "../core/front/evaluate.ts";
import type { Scorer } from "../core/policy.ts";
import { rowLengthFor, type Sequence } from "../core/text/pack.ts";
import { referenceCache } from "../data/store/reference_cache.ts";
import type { Base } from "./machine.ts";
import type { SessionOptions } from "./protocol.ts";

/** The base model with no adapter: never the trained policy, resumed or not. */
export interface ReferencePolicy {
  engine: Engine;
  base: Base;
  reference: Scorer;
}

/** Summed log π_ref of every sequence (S), from the cache where it holds them. */
export async function referenceScores(
  { engine, base, reference }: ReferencePolicy,
  { sequences, maxTokens, what, options }: {
    sequences: Sequence[];
    maxTokens: number;
    what: string;
    options: SessionOptions;
  },
): Promise<Float32Array> {
  const { env, onEvent, signal } = options;
  const home = env("XDG_CACHE_HOME") || (env("HOME") && join(env("HOME") ?? "", ".cache"));
  const cache = home ? referenceCache(join(home, "panacea", "reference")) : null;
  const key = cacheKey(engine, base, sequences);
  const known = await cache?.load(key);
  if (known && known.length === sequences.length) return known;
  const [scores] = await scoreSequences(reference, sequences, [[]], {
    rowLength: rowLengthFor(sequences, maxTokens),
    maxTokens,
    signal,
    onProgress: (done, total) => onEvent({ type: "progress", what, done, total }),
  });
  if (scores === undefined) throw new Error("Cannot score the reference: no scores came back");
  await cache?.save(key, scores);
  return scores;
}

/** To be raised when the same inputs would give other scores than before. */
const SCORES_VERSION = 2;

function cacheKey(engine: Engine, base: Base, sequences: Sequence[]): string {
  const hash = createHash("sha256");
  hash.update(
    JSON.stringify([SCORES_VERSION, base.fingerprint, engine.name, engine.version, engine.dtype]),
  );
  for (const { prompt, response } of sequences) {
    hash.update(`|${prompt.length} ${response.length}|`);
    hash.update(bytesOf(prompt));
    hash.update(bytesOf(response));
  }
  return hash.digest("hex");
}

function bytesOf(values: Int32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
