// Decoders of small models for the tests of core/generate, and what they are compared with.
import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import type { Adapter } from "../../../core/adapters/adapter.ts";
import {
  adaptedMaps,
  initParameters,
  type StoredParameters,
} from "../../../core/adapters/parameters.ts";
import type { Engine } from "../../../core/engine/mod.ts";
import type { DecodeAdapter, Decoder, WeightFormat } from "../../../core/generate/decoder.ts";
import type { DecoderConfig } from "../../../core/models/config.ts";
import type { HeldDecoder } from "../../../core/models/held.ts";
import type { Policy } from "../../../core/policy.ts";
import { Random } from "../../../core/random.ts";
import { packSequences } from "../../../core/text/pack.ts";
import { BuiltinModel } from "../../../data/builtin/mod.ts";
import { type OpenedModel, openModel } from "../../../data/models.ts";
import { loadDecoder } from "../../../workers/decoders.ts";
import { logitsOf } from "../models/golden_models.ts";

/** A model on disk: a folder of tests/golden ("llama_tied"), `builtin`, or a path. */
export function modelPath(name: string): string {
  if (name === BuiltinModel.name) return BuiltinModel.folder;
  return /^(llama|family)_/.test(name)
    ? new URL(`../../golden/${name}`, import.meta.url).pathname
    : name;
}

/** Hands `fn` a decoder of the model and its configuration, and counts what is left behind. */
export async function withDecoder(
  name: string,
  { format = "float32", threads = 2, cacheFolder, change = (opened) => opened }: {
    format?: WeightFormat;
    threads?: number;
    /** Where weight files stay; by default in a folder that is removed afterwards. */
    cacheFolder?: string;
    /** The model as it should be instead; of another fingerprint if its weights differ. */
    change?: (opened: OpenedModel) => OpenedModel;
  },
  fn: (decoder: Decoder, config: DecoderConfig) => Promise<void>,
): Promise<void> {
  const folder = cacheFolder ?? await Deno.makeTempDir();
  const opened = await openModel(modelPath(name));
  try {
    const decoder = await loadDecoder(change(opened), { format, threads, cacheFolder: folder });
    try {
      await fn(decoder, opened.config);
      assert.deepEqual(decoder.live, { sequences: 0, bytes: 0 }, "sequences are left");
    } finally {
      await decoder.dispose();
    }
  } finally {
    opened.close();
    if (cacheFolder === undefined) await Deno.remove(folder, { recursive: true });
  }
}

/** Parameters of the maps that `pattern` matches, σ and s of them random too, of `size`. */
export function randomParameters(
  adapter: Adapter,
  config: DecoderConfig,
  { seed, pattern = "layers.", size = 2 }: { seed: number; pattern?: string; size?: number },
): StoredParameters {
  const random = new Random(seed);
  const stored = initParameters(adapter, adaptedMaps(config, pattern), { config, random });
  for (const [name, { values }] of stored) {
    if (!/\.(sigma|s)$/.test(name)) continue;
    for (let i = 0; i < values.length; i++) values[i] = size * random.normal();
  }
  return stored;
}

/** Logits (T, V) of one sequence by the training engine: the whole forward pass, no cache. */
export async function engineLogits(
  engine: Engine,
  { held, policy }: { held: HeldDecoder; policy: Policy },
  { ids, preference, rowLength }: { ids: number[]; preference: number[]; rowLength: number },
): Promise<Float32Array> {
  const sequence = {
    prompt: Int32Array.from(ids.slice(0, 1)),
    response: Int32Array.from([...ids.slice(1), 0]), // so that the last id has a row
  };
  const [pack] = packSequences([sequence], { rowLength, maxTokens: rowLength });
  assert(pack);
  const hidden = policy.hidden(pack, [preference]);
  const logits = tf.tidy(() => {
    const rows = tf.slice(hidden, [0, 0], [ids.length, held.config.width]) as tf.Tensor2D;
    return logitsOf(engine, held, rows);
  });
  const values = await logits.data() as Float32Array;
  [hidden, logits].forEach((tensor) => tensor.dispose());
  return values;
}

/** Index of the largest value. */
export function argmax(logits: Float32Array): number {
  return logits.reduce((best, value, i) => value > (logits[best] ?? -Infinity) ? i : best, 0);
}

/** Ids that the decoder likes best after `prompt`. */
export async function greedy(
  decoder: Decoder,
  { prompt, tokens, ...start }: Parameters<Decoder["start"]>[0] & {
    prompt: number[];
    tokens: number;
  },
): Promise<number[]> {
  const sequence = decoder.start(start);
  const ids = [argmax(await decoder.prefill(sequence, prompt))];
  while (ids.length < tokens) ids.push(argmax(await decoder.step([sequence], ids.slice(-1))));
  sequence.dispose();
  return ids;
}

/** What `ids` lead to: logits after a prompt and after each of some further tokens. */
export interface Course {
  adapter: DecodeAdapter | null;
  preference: number[];
  prompt: number[];
  tokens: number[];
}

/**
 * Decodes several courses of equally many tokens in shared steps; logits of each after its prompt
 * and after every token (courses, 1 + tokens).
 */
export async function decodeTogether(
  decoder: Decoder,
  courses: Course[],
): Promise<Float32Array[][]> {
  const sequences = courses.map((course) => decoder.start(course));
  const logits: Float32Array[][] = [];
  for (const [i, { prompt }] of courses.entries()) {
    const sequence = sequences[i];
    assert(sequence);
    logits.push([(await decoder.prefill(sequence, prompt)).slice()]);
  }
  const steps = courses[0]?.tokens.length ?? 0;
  for (let t = 0; t < steps; t++) {
    const rows = await decoder.step(sequences, courses.map(({ tokens }) => tokens[t] ?? 0));
    const V = decoder.vocabSize;
    logits.forEach((own, i) => own.push(rows.slice(i * V, (i + 1) * V)));
  }
  sequences.forEach((sequence) => sequence.dispose());
  return logits;
}

/** Random ids below `vocabSize`. */
export function randomIds(count: number, { seed, vocabSize }: { seed: number; vocabSize: number }) {
  const random = new Random(seed);
  return Array.from({ length: count }, () => random.integer(vocabSize));
}
