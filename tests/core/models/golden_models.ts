// The small random checkpoints of tests/golden on an engine, and adapter parameters made by the
// formula that tests/golden/policy.py uses too.
import {
  adaptedMaps,
  type BlockParameters,
  initParameters,
  loadParameters,
  type StoredParameters,
} from "../../../core/adapters/parameters.ts";
import type { Adapter } from "../../../core/adapters/adapter.ts";
import * as tf from "@tensorflow/tfjs-core";
import type { Engine } from "../../../core/engine/mod.ts";
import type { DecoderConfig } from "../../../core/models/config.ts";
import { capped } from "../../../core/models/cap.ts";
import { normalise } from "../../../core/models/norm.ts";
import { type HeldDecoder, holdDecoder } from "../../../core/models/held.ts";
import { traitsOf } from "../../../core/models/traits.ts";
import { Random } from "../../../core/random.ts";
import type { Sequence } from "../../../core/text/pack.ts";
import { openModel } from "../../../data/models.ts";

/** Logits (N, V) of hidden states after the last block (N, D). Caller disposes. */
export function logitsOf(engine: Engine, decoder: HeldDecoder, hidden: tf.Tensor2D): tf.Tensor2D {
  const { config, norm, head } = decoder;
  return tf.tidy(() =>
    capped(engine.project(normalise(hidden, norm, config), head), traitsOf(config).logitCap)
  );
}

/** A checkpoint of tests/golden ("llama_tied", "llama_gguf/f16.gguf"). Caller disposes. */
export async function holdGolden(engine: Engine, name: string): Promise<HeldDecoder> {
  return await holdModel(engine, new URL(`../../golden/${name}`, import.meta.url).pathname);
}

/** A model on disk, held on `engine`. Caller disposes. */
export async function holdModel(engine: Engine, path: string): Promise<HeldDecoder> {
  const opened = await openModel(path);
  try {
    return await holdDecoder(engine, opened.weights);
  } finally {
    opened.close();
  }
}

/**
 * Parameters of every map that `pattern` matches, none of them zero: entry i of the parameter with
 * ordinal k is 0.3·sin(1 + 0.7·i + 0.9·k).
 */
export function formulaParameters(
  adapter: Adapter,
  config: DecoderConfig,
  pattern = "layers.",
): StoredParameters {
  const fresh = initParameters(adapter, adaptedMaps(config, pattern), {
    config,
    random: new Random(0),
  });
  return new Map(
    [...fresh].map(([name, { shape, values }], k) => [
      name,
      { shape, values: values.map((_, i) => 0.3 * Math.sin(1 + 0.7 * i + 0.9 * k)) },
    ]),
  );
}

/** Stored parameters on the current back end. Caller disposes with disposeParameters. */
export function load(
  adapter: Adapter,
  config: DecoderConfig,
  stored: StoredParameters,
  pattern = "layers.",
): BlockParameters[] {
  return loadParameters(adapter, adaptedMaps(config, pattern), stored);
}

/** Sequences of random ids with `lengths` of [prompt, response] tokens. */
export function randomSequences(
  random: Random,
  lengths: [number, number][],
  vocabSize = 64,
): Sequence[] {
  const ids = (count: number) =>
    Int32Array.from({ length: count }, () => random.integer(vocabSize));
  return lengths.map(([prompt, response]) => ({ prompt: ids(prompt), response: ids(response) }));
}

/** log softmax of one row, in double precision. */
export function logSoftmax(logits: number[]): number[] {
  const largest = Math.max(...logits);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  return logits.map((logit) => logit - largest - Math.log(sum));
}
