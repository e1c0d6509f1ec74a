// From settings to something that computes: finds and opens the engine, opens a model on it.
// Shared by every session; the only place where `auto` becomes a choice.
import { BuiltinModel } from "../data/builtin/mod.ts";
import type { RunConfig } from "../core/config.ts";
import { type Engine, engines } from "../core/engine/mod.ts";
import { InputError } from "../core/errors.ts";
import { type HeldDecoder, holdDecoder } from "../core/models/held.ts";
import { type ChatTokenizer, createTokenizer } from "../core/text/tokenizer.ts";
import { hubOptions } from "../data/hub.ts";
import { openModel } from "../data/models.ts";
import { findLibtensorflow } from "../data/native.ts";
import type { SessionOptions } from "./protocol.ts";

export type EngineRequest = Pick<RunConfig, "engine" | "dtype" | "threads" | "device">;

/**
 * Opens the engine that was asked for; `auto` takes libtensorflow where it is found or can be
 * fetched, and WebAssembly otherwise, saying why. A library that turns out broken is fetched again
 * once. Throws InputError where a forced engine cannot be had. Caller disposes.
 */
export async function startEngine(
  request: EngineRequest,
  { onEvent, env }: SessionOptions,
): Promise<Engine> {
  const { engine, ...options } = request;
  if (engine === "wasm") return await engines.wasm(options, { libtensorflow: null });
  let last = "";
  const onProgress = (message: string, fraction?: number) => {
    if (fraction !== undefined) {
      onEvent({ type: "progress", what: message, done: Math.round(fraction * 1000), total: 1000 });
    } else if (message !== last) onEvent({ type: "notice", message });
    last = message;
  };
  let reason = "";
  for (const thorough of [false, true]) {
    const found = await findLibtensorflow({ env, onProgress, thorough });
    if ("missing" in found) {
      reason = found.missing;
      break;
    }
    try {
      return await engines.tensorflow(options, { libtensorflow: found.directory });
    } catch (error) {
      if (error instanceof RangeError) throw new InputError(error.message); // an unknown device
      reason = error instanceof Error ? error.message : String(error);
    }
  }
  if (engine === "tensorflow") {
    throw new InputError(`Cannot use the tensorflow engine: ${reason}`);
  }
  onEvent({ type: "notice", message: `Using WebAssembly, which is slower: ${reason}` });
  return await engines.wasm(options, { libtensorflow: null });
}

/** A model on the engine with its text side. */
export interface Base {
  name: string;
  fingerprint: string;
  decoder: HeldDecoder;
  tokenizer: ChatTokenizer;
}

/** Opens a model and holds its weights on `engine`. Caller disposes `decoder`. */
export async function loadBase(
  engine: Engine,
  { model, revision }: { model: string; revision: string },
  { onEvent, env, signal }: SessionOptions,
): Promise<Base> {
  const opened = await openModel(model === BuiltinModel.name ? BuiltinModel.folder : model, {
    revision,
    hub: hubOptions(env),
    onProgress: ({ file, received, total }) =>
      onEvent({ type: "progress", what: `Fetching ${file}`, done: received, total }),
  });
  try {
    const { config } = opened;
    const tokenizer = createTokenizer(opened.text, {
      vocabSize: config.vocabSize,
      eosTokenIds: config.eosTokenIds,
    });
    const decoder = await holdDecoder(engine, opened.weights, (done, total) => {
      signal.throwIfAborted();
      onEvent({ type: "progress", what: "Loading weights", done, total });
    });
    return { name: model, fingerprint: opened.fingerprint, decoder, tokenizer };
  } finally {
    opened.close();
  }
}
