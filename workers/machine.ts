// From settings to something that computes: finds and opens the engine, opens a model on it.
// Shared by every session; the only place where `auto` becomes a choice.
import { BuiltinModel } from "../data/builtin/mod.ts";
import type { RunConfig } from "../core/config.ts";
import { type Engine, type EngineFiles, engines } from "../core/engine/mod.ts";
import { InputError } from "../core/errors.ts";
import type { DecoderConfig } from "../core/models/config.ts";
import { type HeldDecoder, holdDecoder } from "../core/models/held.ts";
import { type ChatTokenizer, createTokenizer } from "../core/text/tokenizer.ts";
import { hubOptions } from "../data/hub.ts";
import { type OpenedModel, openModel } from "../data/models.ts";
import { findLibtensorflow } from "../data/native.ts";
import { requireRoom } from "./free_memory.ts";
import type { SessionOptions } from "./protocol.ts";

export type EngineRequest = Pick<RunConfig, "engine" | "dtype" | "threads" | "device">;

/**
 * Opens the engine that was asked for; `auto` takes libtensorflow where it is found or can be
 * fetched, and WebAssembly otherwise, saying why. A library that turns out broken is fetched again
 * once. Throws InputError where a forced engine cannot be had. Caller disposes.
 */
export async function startEngine(
  request: EngineRequest,
  options: SessionOptions,
): Promise<Engine> {
  return (await openEngine(request, options)).engine;
}

/** The same, and the files that the engine was opened from: others of its kind open from them. */
export async function openEngine(
  request: EngineRequest,
  { onEvent, env, libtensorflow }: SessionOptions,
): Promise<{ engine: Engine; files: EngineFiles }> {
  const { engine, ...options } = request;
  const open = async (name: keyof typeof engines, files: EngineFiles) => ({
    engine: await engines[name](options, files),
    files,
  });
  if (engine === "wasm") return await open("wasm", { libtensorflow: null });
  let last = "";
  const onProgress = (message: string, fraction?: number) => {
    if (fraction !== undefined) {
      onEvent({ type: "progress", what: message, done: Math.round(fraction * 1000), total: 1000 });
    } else if (message !== last) onEvent({ type: "notice", message });
    last = message;
  };
  let reason = "";
  for (const thorough of [false, true]) {
    if (libtensorflow !== undefined && thorough) break; // not ours to look at again
    const found = libtensorflow ?? await findLibtensorflow({ env, onProgress, thorough });
    if ("missing" in found) {
      reason = found.missing;
      break;
    }
    try {
      return await open("tensorflow", { libtensorflow: found.directory });
    } catch (error) {
      if (error instanceof RangeError) throw new InputError(error.message); // an unknown device
      reason = error instanceof Error ? error.message : String(error);
    }
  }
  if (engine === "tensorflow") {
    throw new InputError(`Cannot use the tensorflow engine: ${reason}`);
  }
  onEvent({ type: "notice", message: `Using WebAssembly, which is slower: ${reason}` });
  return await open("wasm", { libtensorflow: null });
}

/** What is known of a base model without its weights. */
export interface Base {
  name: string;
  fingerprint: string;
  config: DecoderConfig;
  tokenizer: ChatTokenizer;
}

/** A base model on an engine. */
export interface HeldBase extends Base {
  decoder: HeldDecoder;
}

/**
 * Opens a model and holds its weights on `engine`. Throws InputError where they do not fit into the
 * memory that is free. Caller disposes `decoder`.
 */
export async function loadBase(
  engine: Engine,
  model: ModelRequest,
  options: SessionOptions,
): Promise<HeldBase> {
  const { onEvent, signal } = options;
  return await withModel(model, options, async (opened) => {
    requireRoom(engine, opened);
    return {
      ...baseOf(opened, model),
      decoder: await holdDecoder(engine, opened.weights, (done, total) => {
        signal.throwIfAborted();
        onEvent({ type: "progress", what: "Loading weights", done, total });
      }),
    };
  });
}

/** Opens a model for what its weights are not needed for. */
export async function openBase(model: ModelRequest, options: SessionOptions): Promise<Base> {
  return await withModel(model, options, (opened) => Promise.resolve(baseOf(opened, model)));
}

/** Folder, file or hub id of a model, and its revision there. */
export interface ModelRequest {
  model: string;
  revision: string;
}

/** Where a model lies, for those that are called by a name of ours. */
export function modelPath(model: string): string {
  return model === BuiltinModel.name ? BuiltinModel.folder : model;
}

async function withModel<T>(
  model: ModelRequest,
  options: SessionOptions,
  use: (opened: OpenedModel) => Promise<T>,
): Promise<T> {
  const opened = await openFiles(model, options);
  try {
    return await use(opened);
  } finally {
    opened.close();
  }
}

/** Opens a model's files, wherever they lie. Caller closes. */
export async function openFiles(
  { model, revision }: ModelRequest,
  { onEvent, env }: SessionOptions,
): Promise<OpenedModel> {
  return await openModel(modelPath(model), {
    revision,
    hub: hubOptions(env),
    onProgress: ({ file, received, total }) =>
      onEvent({ type: "progress", what: `Fetching ${file}`, done: received, total }),
  });
}

/** What is known of an opened model without its weights. */
export function baseOf(
  { config, text, fingerprint }: OpenedModel,
  { model }: Pick<ModelRequest, "model">,
): Base {
  const { vocabSize, eosTokenIds } = config;
  const tokenizer = createTokenizer(text, { vocabSize, eosTokenIds });
  return { name: model, fingerprint, config, tokenizer };
}
