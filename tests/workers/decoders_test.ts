import assert from "node:assert/strict";
import { join } from "node:path";
import { InputError, StorageError } from "../../core/errors.ts";
import { stepLogits } from "../../core/generate/logit_error.ts";
import { BuiltinModel } from "../../data/builtin/mod.ts";
import { openModel } from "../../data/models.ts";
import { graphCache, loadDecoder, type LoadOptions, openDecoder } from "../../workers/decoders.ts";
import { assertSameBits } from "../near.ts";

const env = () => undefined;

/** Runs `fn` with an empty cache folder that is removed afterwards. */
async function withCache(fn: (cacheFolder: string) => Promise<void>): Promise<void> {
  const cacheFolder = await Deno.makeTempDir();
  try {
    await fn(cacheFolder);
  } finally {
    await Deno.remove(cacheFolder, { recursive: true });
  }
}

/** Logits of a few tokens by the built-in model, opened with a cache. */
async function builtinLogits(options: Omit<LoadOptions, "threads">): Promise<Float32Array[]> {
  const opened = await openModel(BuiltinModel.folder);
  try {
    const decoder = await loadDecoder(opened, { ...options, threads: 1 });
    try {
      return await stepLogits(decoder, [5, 6, 7]);
    } finally {
      await decoder.dispose();
    }
  } finally {
    opened.close();
  }
}

function assertEqualRows(found: Float32Array[], expected: Float32Array[]): void {
  expected.forEach((row, t) => assertSameBits(found[t] ?? new Float32Array(), row, `token ${t}`));
}

/** Path of the only weight file in a cache. */
async function weightPath(cacheFolder: string): Promise<string> {
  const [folder] = await Array.fromAsync(Deno.readDir(cacheFolder));
  assert(folder);
  return join(cacheFolder, folder.name, "weights.bin");
}

Deno.test("openDecoder() opens the built-in model with its tokenizer", async () => {
  await withCache(async (cacheFolder) => {
    const opened = await openDecoder({ model: "builtin", format: "int8", cacheFolder, env });
    const { decoder, tokenizer, fingerprint, config } = opened;
    assert.match(fingerprint, /^[0-9a-f]{64}$/);
    assert.equal(decoder.vocabSize, config.vocabSize);
    const prompt = tokenizer.encode(
      tokenizer.renderPrompt([{ role: "user", content: "how do i bake bread" }]),
    );
    const sequence = decoder.start({ adapter: null, preference: [] });
    const logits = await decoder.prefill(sequence, prompt);
    assert.equal(logits.length, config.vocabSize);
    assert(logits.every(Number.isFinite));
    sequence.dispose();
    await decoder.dispose();
  });
});

Deno.test("loadDecoder() writes weights once and reads them afterwards", async () => {
  await withCache(async (cacheFolder) => {
    for (const format of ["float32", "int8", "int4"] as const) {
      const events: string[] = [];
      const options = {
        format,
        cacheFolder,
        onEvent: ({ type }: { type: string }) => void events.push(type),
      };
      const first = await builtinLogits(options);
      assert(events.length > 0);
      events.length = 0;
      assertEqualRows(await builtinLogits(options), first);
      assert.deepEqual(events, [], "weights were made again");
    }
    const folders = await Array.fromAsync(Deno.readDir(cacheFolder));
    assert.equal(folders.length, 3);
    for (const { name } of folders) {
      const files = await Array.fromAsync(Deno.readDir(join(cacheFolder, name)));
      assert.deepEqual(files.map(({ name }) => name).sort(), ["weights.bin", "weights.sha256"]);
    }
  });
});

Deno.test("loadDecoder() makes damaged, truncated and unfinished weights again", async () => {
  await withCache(async (cacheFolder) => {
    const options = { format: "int8", cacheFolder } as const;
    const expected = await builtinLogits(options);
    const path = await weightPath(cacheFolder);
    const whole = await Deno.readFile(path);

    const damaged = whole.slice();
    damaged[5000] = (damaged[5000] ?? 0) ^ 1; // one bit
    for (const bytes of [damaged, whole.subarray(0, 9000), new Uint8Array()]) {
      await Deno.writeFile(path, bytes);
      assertEqualRows(await builtinLogits(options), expected);
      assert.deepEqual(await Deno.readFile(path), whole);
    }
    // a writer that was killed leaves its unfinished file, or weights without their digest
    await Deno.rename(path, `${path}.partial`);
    await Deno.writeFile(`${path}.partial`, whole.subarray(0, 7000));
    assertEqualRows(await builtinLogits(options), expected);
    await Deno.remove(path.replace(/bin$/, "sha256"));
    assertEqualRows(await builtinLogits(options), expected);
    assert.deepEqual(await Deno.readFile(path), whole);
  });
});

Deno.test("two that open a model at once write one weight file", async () => {
  await withCache(async (cacheFolder) => {
    const options = { format: "int4", cacheFolder } as const;
    const [first, second] = await Promise.all([builtinLogits(options), builtinLogits(options)]);
    assertEqualRows(first, second);
    assertEqualRows(await builtinLogits(options), first);
    const folder = join(await weightPath(cacheFolder), "..");
    const files = await Array.fromAsync(Deno.readDir(folder));
    assert.deepEqual(files.map(({ name }) => name).sort(), ["weights.bin", "weights.sha256"]);
  });
});

Deno.test("openDecoder() says what cannot be opened or written", async () => {
  await withCache(async (cacheFolder) => {
    const options = { format: "int8", cacheFolder, env } as const;
    await assert.rejects(openDecoder({ ...options, model: "nothing/here.gguf" }), InputError);
    const blocked = join(cacheFolder, "file");
    await Deno.writeTextFile(blocked, "not a folder");
    await assert.rejects(
      openDecoder({ ...options, model: "builtin", cacheFolder: blocked }),
      StorageError,
    );
  });
});

Deno.test("graphCache() is below XDG_CACHE_HOME, else below HOME, else refused", () => {
  const of = (values: Record<string, string>) => graphCache((name) => values[name]);
  assert.equal(of({ XDG_CACHE_HOME: "/c", HOME: "/h" }), join("/c", "panacea", "graphs"));
  assert.equal(of({ HOME: "/h" }), join("/h", ".cache", "panacea", "graphs"));
  assert.throws(() => of({}), InputError);
});
