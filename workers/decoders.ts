// From a model's name to a decoder that generates: opens the model, puts its weights into the cache
// in the layout of the decoder's graph, once for each format, and opens ONNX Runtime on them.
// First step of every chat; core/generate/session.ts computes.
import { createHash } from "node:crypto";
import { dirname, isAbsolute, join } from "node:path";
import { InputError } from "../core/errors.ts";
import type { Decoder, WeightFormat } from "../core/generate/decoder.ts";
import { createDecoder } from "../core/generate/session.ts";
import { weightFile, weightFileBytes } from "../core/generate/weight_file.ts";
import type { DecoderConfig } from "../core/models/config.ts";
import { type ChatTokenizer, createTokenizer } from "../core/text/tokenizer.ts";
import { BuiltinModel } from "../data/builtin/mod.ts";
import { fileSource, statOrNull } from "../data/files.ts";
import { hubOptions } from "../data/hub.ts";
import { type OpenedModel, openModel } from "../data/models.ts";
import { reportingStorage, syncFolder, writeAll, writeFileAtomic } from "../data/store/atomic.ts";
import { requireMemory } from "./free_memory.ts";
import type { SessionEvent, SessionOptions } from "./protocol.ts";

/** Part of the name of a cache folder; another layout of the weight file is another number. */
const LAYOUT = 4;
const WEIGHTS = "weights.bin";
const DIGEST = "weights.sha256";
const STEP = 2 ** 23; // bytes read at once

/** How and where a decoder is opened. */
export interface LoadOptions {
  format: WeightFormat;
  /** Threads of ONNX Runtime; 0 for one a core. */
  threads?: number;
  /** See SessionOptions; false by default. */
  spin?: boolean;
  /** Where weight files are kept; see `graphCache`. */
  cacheFolder: string;
  onEvent?: (event: SessionEvent) => void;
}

export interface OpenDecoderOptions extends LoadOptions {
  /** Folder, .gguf file, hub id or `builtin`. */
  model: string;
  revision?: string;
  env: (name: string) => string | undefined;
}

/** A decoder with the text side of its model. Caller disposes `decoder`. */
export interface OpenedDecoder {
  decoder: Decoder;
  tokenizer: ChatTokenizer;
  /** Of the model's configuration and weights, whatever the format. */
  fingerprint: string;
  config: DecoderConfig;
}

/** The user's cache of weight files. InputError where neither XDG_CACHE_HOME nor HOME is set. */
export function graphCache(env: OpenDecoderOptions["env"]): string {
  const home = env("HOME");
  const cache = env("XDG_CACHE_HOME") || (home ? join(home, ".cache") : "");
  if (isAbsolute(cache)) return join(cache, "panacea", "graphs");
  throw new InputError(
    "Cannot find a place for weights: expected XDG_CACHE_HOME or HOME to be set, got neither",
  );
}

/** Where a session keeps weight files. Throws as `graphCache`. */
export function graphFolder({ graphs, env }: Pick<SessionOptions, "graphs" | "env">): string {
  return graphs ?? graphCache(env);
}

/**
 * Opens a model for generation; see `loadDecoder`.
 * Throws InputError for models that cannot be used, StorageError where the cache cannot be written.
 */
export async function openDecoder(options: OpenDecoderOptions): Promise<OpenedDecoder> {
  const { model, revision, env, onEvent } = options;
  const opened = await openModel(model === BuiltinModel.name ? BuiltinModel.folder : model, {
    revision,
    hub: hubOptions(env),
    onProgress: ({ file, received, total }) =>
      onEvent?.({ type: "progress", what: `Fetching ${file}`, done: received, total }),
  });
  try {
    const { config, fingerprint } = opened;
    const tokenizer = createTokenizer(opened.text, {
      vocabSize: config.vocabSize,
      eosTokenIds: config.eosTokenIds,
    });
    return { decoder: await loadDecoder(opened, options), tokenizer, fingerprint, config };
  } finally {
    opened.close();
  }
}

/**
 * A decoder of an opened model, which may be closed afterwards. Its weight file is taken from the
 * cache where it is whole, and written there otherwise; processes that write the same one wait for
 * the first. Caller disposes.
 */
export async function loadDecoder(
  { name, config, weights, fingerprint }: Pick<
    OpenedModel,
    "name" | "config" | "weights" | "fingerprint"
  >,
  { format, threads = 0, spin = false, cacheFolder, onEvent = () => {} }: LoadOptions,
): Promise<Decoder> {
  const file = weightFile(config, format);
  requireMemory(name, file.bytes);
  const folder = join(cacheFolder, `${fingerprint}-${format}-${LAYOUT}`);
  await ensureWeights(
    join(folder, WEIGHTS),
    file.bytes,
    () =>
      weightFileBytes(
        file,
        weights,
        (done) =>
          onEvent({
            type: "progress",
            what: "Preparing weights",
            done,
            total: file.entries.length,
          }),
      ),
  );
  return await createDecoder({
    ...{ config, format, weights: file, folder, file: WEIGHTS },
    threads: threads > 0 ? threads : navigator.hardwareConcurrency,
    spin,
  });
}

/** Makes sure that a whole weight file lies at `path`. */
async function ensureWeights(
  path: string,
  size: number,
  pieces: () => AsyncIterable<Uint8Array>,
): Promise<void> {
  if (await isWhole(path, size)) return;
  const folder = dirname(path);
  const partial = `${path}.partial`;
  await reportingStorage(path, size, async () => {
    await Deno.mkdir(folder, { recursive: true });
    using file = await Deno.open(partial, { read: true, write: true, create: true });
    // The kernel's lock goes with its process: a killed writer leaves a file that the next overwrites.
    await file.lock(true);
    if (await isWhole(path, size)) return;
    await file.truncate(0);
    const hash = createHash("sha256");
    for await (const bytes of pieces()) {
      hash.update(bytes);
      await writeAll(file, bytes);
    }
    await file.sync();
    // The digest goes first: weights without one would be made again.
    await writeFileAtomic(join(folder, DIGEST), hash.digest("hex"));
    await Deno.rename(partial, path);
    await syncFolder(folder);
  });
}

/** Whether a weight file has the bytes it was written with. */
async function isWhole(path: string, size: number): Promise<boolean> {
  if ((await statOrNull(path))?.size !== size) return false;
  const digest = join(dirname(path), DIGEST);
  if (!await statOrNull(digest)) return false;
  const hash = createHash("sha256");
  const source = fileSource(path);
  try {
    for (let at = 0; at < size; at += STEP) {
      hash.update(await source.read(at, Math.min(STEP, size - at)));
    }
  } finally {
    source.close();
  }
  return hash.digest("hex") === await Deno.readTextFile(digest);
}
