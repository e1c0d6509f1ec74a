// A model that is larger than the free memory is refused before its weights are read.
import assert from "node:assert/strict";
import { heldBytes } from "../../core/footprint/model.ts";
import { InputError } from "../../core/errors.ts";
import type { DecoderConfig } from "../../core/models/config.ts";
import { familyOf } from "../../core/models/families.ts";
import { BuiltinModel } from "../../data/builtin/mod.ts";
import { openModel } from "../../data/models.ts";
import { loadDecoder } from "../../workers/decoders.ts";
import { requireMemory } from "../../workers/free_memory.ts";
import { loadBase, startEngine } from "../../workers/machine.ts";
import type { SessionOptions } from "../../workers/protocol.ts";

const options: SessionOptions = {
  env: Deno.env.get,
  signal: new AbortController().signal,
  onEvent: () => {},
};

/** Runs `fn` on a machine with this much free memory. */
async function withFreeMemory(bytes: number, fn: () => Promise<void>): Promise<void> {
  const { systemMemoryInfo } = Deno;
  Deno.systemMemoryInfo = () => ({ ...systemMemoryInfo(), available: bytes });
  try {
    await fn();
  } finally {
    Deno.systemMemoryInfo = systemMemoryInfo;
  }
}

Deno.test("requireMemory() says what is needed and what is there", () => {
  requireMemory("m", 2 ** 30, 2 ** 30);
  assert.throws(
    () => requireMemory("m.gguf", 15 * 2 ** 29 + 1, 2 ** 30),
    new InputError(
      "Cannot load model m.gguf: expected weights that fit into the 1.0 GiB of free memory, " +
        "got 7.5 GiB (8053063681 bytes)",
    ),
  );
});

Deno.test("an engine and a decoder load a model that just fits, and no larger one", async () => {
  const opened = await openModel(BuiltinModel.folder);
  const cacheFolder = await Deno.makeTempDir();
  const request = { engine: "wasm", dtype: "float32", threads: 1, device: "auto" } as const;
  const engine = await startEngine(request, options);
  const model = { model: "builtin", revision: "main" };
  const needed = heldBytes(opened.config, 4);
  assert.equal(needed, 4 * parametersIn(opened.config));
  try {
    await withFreeMemory(
      needed,
      async () => (await loadBase(engine, model, options)).decoder.dispose(),
    );
    await withFreeMemory(needed - 1, async () => {
      await assert.rejects(loadBase(engine, model, options), refusal(needed));
      const loading = loadDecoder(opened, { format: "float32", threads: 1, cacheFolder });
      await assert.rejects(loading, refusal());
      assert.deepEqual(
        await Array.fromAsync(Deno.readDir(cacheFolder)),
        [],
        "nothing was prepared",
      );
    });
  } finally {
    engine.dispose();
    opened.close();
    await Deno.remove(cacheFolder, { recursive: true });
  }
});

function refusal(bytes?: number): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof InputError, String(error));
    assert.match(error.message, /^Cannot load model .*: expected weights that fit into/);
    if (bytes !== undefined) assert.match(error.message, new RegExp(`\\(${bytes} bytes\\)$`));
    return true;
  };
}

/** Numbers in all weights of a model. */
function parametersIn(config: DecoderConfig): number {
  const shapes = [...familyOf(config).weightShapes(config).values()];
  return shapes.reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
}
