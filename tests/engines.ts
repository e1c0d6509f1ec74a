// Contract suites over engines: one Deno test per engine of the table, opened for the test alone
// (tfjs has one back end per thread), with the tensors counted before and after. An engine that
// this machine lacks is a skipped test whose name says why.
import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { type Engine, engines, type HeldType } from "../core/engine/mod.ts";
import { findLibtensorflow } from "../data/native.ts";

/** Name of an engine in the table. */
export type EngineName = keyof typeof engines;

const libtensorflow = await findLibtensorflow({
  env: Deno.env.get,
  onProgress: () => {},
  download: false,
});

const missing: Record<EngineName, string | null> = {
  tensorflow: "missing" in libtensorflow ? libtensorflow.missing.split(/[,;]/)[0] ?? "" : null,
  wasm: null,
};

/** Why `name` cannot be opened on this machine, or null where it can. */
export function whyMissing(name: EngineName): string | null {
  return missing[name];
}

/**
 * Registers a test `name` on every engine of the table or of `engines`. `fn` gets an engine with
 * weights held in `dtype` (wasm: float32 whatever is asked) that is disposed afterwards; `fn` must
 * dispose every tensor it makes, or the test fails naming how many are left.
 */
export function eachEngine(
  name: string,
  fn: (engine: Engine, t: Deno.TestContext) => void | Promise<void>,
  options: { engines?: EngineName[]; dtype?: HeldType; threads?: number } = {},
): void {
  const { engines: names = Object.keys(engines) as EngineName[] } = options;
  eachEngineName(
    name,
    (engineName, t) => withEngine(engineName, options, (engine) => countingTensors(engine, fn, t)),
    names,
  );
}

/** Registers a test on engines by their name, for what opens its engine itself. */
export function eachEngineName(
  name: string,
  fn: (engine: EngineName, t: Deno.TestContext) => Promise<void>,
  names: EngineName[] = ["tensorflow", "wasm"],
): void {
  for (const engineName of names) {
    const reason = whyMissing(engineName);
    Deno.test({
      name: `${name} [${engineName}]${reason === null ? "" : `: skipped, ${reason}`}`,
      ignore: reason !== null,
      sanitizeResources: false, // an open library stays with its process
      fn: (t) => fn(engineName, t),
    });
  }
}

/** The same in a folder of its own; fails where tfjs holds more tensors after it. */
export function eachEngineInFolder(
  name: string,
  fn: (folder: string, engine: EngineName) => Promise<void>,
  names?: EngineName[],
): void {
  eachEngineName(name, async (engine) => {
    const folder = await Deno.makeTempDir();
    const before = tf.engine().state.numTensors;
    try {
      await fn(folder, engine);
      assert.equal(tf.engine().state.numTensors, before, "tensors are left");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }, names);
}

/** Opens an engine, hands it to `fn`, and disposes it whatever happens. */
export async function withEngine<T>(
  name: EngineName,
  { dtype = "float32", threads = 1 }: { dtype?: HeldType; threads?: number },
  fn: (engine: Engine) => T | Promise<T>,
): Promise<T> {
  const directory = "missing" in libtensorflow ? null : libtensorflow.directory;
  const options = { dtype, threads, device: "cpu" };
  const engine = await engines[name](options, { libtensorflow: directory });
  try {
    return await fn(engine);
  } finally {
    engine.dispose();
  }
}

/** Fails if `fn` leaves tensors behind, in tfjs's books or in the back end. */
async function countingTensors(
  engine: Engine,
  fn: (engine: Engine, t: Deno.TestContext) => void | Promise<void>,
  t: Deno.TestContext,
): Promise<void> {
  const before = { tfjs: tf.memory().numTensors, engine: engine.liveTensors() };
  await fn(engine, t);
  const after = { tfjs: tf.memory().numTensors, engine: engine.liveTensors() };
  assert.deepEqual(after, before, "tensors are left after the test");
}
