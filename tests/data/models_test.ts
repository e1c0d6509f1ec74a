import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { CorruptFileError, InputError } from "../../core/errors.ts";
import { ropeTables } from "../../core/models/rope.ts";
import { BuiltinModel } from "../../data/builtin/mod.ts";
import { openModel } from "../../data/models.ts";
import smollm2 from "../golden/smollm2_logits.json" with { type: "json" };

const golden = new URL("../golden/", import.meta.url).pathname;
const smollm2File = Deno.env.get("PANACEA_SMOLLM2_GGUF");

Deno.test("openModel() reads a folder of one safetensors file", async () => {
  using model = disposable(await openModel(join(golden, "llama_tied")));
  const { config, weights, text } = model.opened;
  assert.equal(config.tiedHead, true);
  assert.deepEqual(config.eosTokenIds, [2]);
  assert.equal(weights.names.includes("lm_head.weight"), false);
  assert.deepEqual(weights.shape("model.layers.1.self_attn.k_proj.weight"), [16, 16]);
  assert.equal(text.kind, "huggingface");
});

Deno.test("openModel() reads a sharded folder", async () => {
  using model = disposable(await openModel(join(golden, "llama_untied_sharded")));
  const { config, weights } = model.opened;
  assert.deepEqual(config.eosTokenIds, [2, 3]);
  for (const name of weights.names) {
    const count = weights.shape(name).reduce((a, b) => a * b, 1);
    assert.equal((await weights.read(name)).length, count);
  }
});

for (const [file, folder] of [["tied.gguf", "llama_tied"], ["f16.gguf", "llama_linear"]] as const) {
  Deno.test(`openModel() finds the same weights in ${file} as in ${folder}`, async () => {
    using fromGguf = disposable(await openModel(join(golden, "llama_gguf", file)));
    using fromFolder = disposable(await openModel(join(golden, folder)));
    const [a, b] = [fromGguf.opened.weights, fromFolder.opened.weights];
    assert.deepEqual(a.names, b.names);
    for (const name of a.names) {
      assert.deepEqual(a.shape(name), b.shape(name));
      assert.deepEqual(await a.read(name), await b.read(name), name);
    }
    assert.notEqual(fromGguf.opened.fingerprint, fromFolder.opened.fingerprint);
  });
}

Deno.test("openModel() turns rope_freqs of a GGUF into Llama 3's rotary tables", async () => {
  using fromGguf = disposable(await openModel(join(golden, "llama_gguf", "llama3.gguf")));
  using fromFolder = disposable(await openModel(join(golden, "llama_llama3")));
  assert.equal(fromGguf.opened.config.ropeScaling?.type, "factors");
  const found = ropeTables(fromGguf.opened.config, 64);
  const expected = ropeTables(fromFolder.opened.config, 64);
  found.cos.forEach((value, i) => assert(Math.abs(value - (expected.cos[i] ?? NaN)) < 1e-5));
});

Deno.test("openModel() names equal models with equal fingerprints, others with others", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await copyFolder(join(golden, "llama_tied"), folder);
    const fingerprint = async (path: string) => {
      using model = disposable(await openModel(path));
      return model.opened.fingerprint;
    };
    const original = await fingerprint(join(golden, "llama_tied"));
    assert.match(original, /^[0-9a-f]{64}$/);
    assert.equal(await fingerprint(folder), original);
    const path = join(folder, "model.safetensors");
    const bytes = await Deno.readFile(path);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await Deno.writeFile(path, bytes);
    assert.notEqual(await fingerprint(folder), original);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("openModel() refuses what is not a complete model, naming the file", async (t) => {
  const folder = await Deno.makeTempDir();
  const [config, weights] = [join(folder, "config.json"), join(folder, "model.safetensors")];
  const index = join(folder, "model.safetensors.index.json");
  const steps: [string, () => Promise<void>, new (m?: string) => Error, RegExp][] = [
    ["no config", () => Deno.remove(config), InputError, /config\.json in it, got none/],
    [
      "broken config",
      () => Deno.writeTextFile(config, "{"),
      CorruptFileError,
      /config\.json.*JSON/,
    ],
    ["config of a list", () => Deno.writeTextFile(config, "[]"), CorruptFileError, /object/],
    ["no weights", () => Deno.remove(weights), InputError, /model\.safetensors, got no weights/],
    [
      "pickled weights",
      async () => {
        await Deno.remove(weights);
        await Deno.writeFile(join(folder, "pytorch_model.bin"), new Uint8Array(9));
      },
      InputError,
      /pytorch_model\.bin, a format that can carry code/,
    ],
    ["cut weights", () => Deno.truncate(weights, 9999), CorruptFileError, /model\.safetensors/],
    [
      "a missing shard",
      () => Deno.writeTextFile(index, mapTo("gone.safetensors")),
      InputError,
      /gone/,
    ],
    [
      "an index that leaves",
      () => Deno.writeTextFile(index, mapTo("../x.safetensors")),
      CorruptFileError,
      /index\.json/,
    ],
    ["an empty index", () => Deno.writeTextFile(index, "{}"), CorruptFileError, /index\.json/],
  ];
  for (const [what, damage, kind, message] of steps) {
    await t.step(what, async () => {
      await Deno.remove(folder, { recursive: true });
      await Deno.mkdir(folder);
      await copyFolder(join(golden, "llama_tied"), folder);
      await damage();
      await assert.rejects(
        openModel(folder),
        (error) =>
          error instanceof kind && message.test(error.message) && error.message.includes(folder),
      );
    });
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("openModel() refuses a path with nothing there and files of other kinds", async () => {
  const refusal = (message: RegExp) => (error: unknown) =>
    error instanceof InputError && message.test(error.message);
  await assert.rejects(
    openModel("no/such/model/folder"),
    refusal(/no\/such\/model\/folder.*nothing/),
  );
  await assert.rejects(openModel("missing.gguf"), refusal(/missing\.gguf.*nothing/));
  const weights = join(golden, "llama_tied", "model.safetensors");
  await assert.rejects(openModel(weights), refusal(/got a file model\.safetensors/));
});

Deno.test("openModel() refuses truncated and foreign .gguf files, naming them", async () => {
  const path = await Deno.makeTempFile({ suffix: ".gguf" });
  try {
    const bytes = await Deno.readFile(join(golden, "llama_gguf", "tied.gguf"));
    for (const wrong of [bytes.subarray(0, 20_000), bytes.subarray(0, 3), bytes.toReversed()]) {
      await Deno.writeFile(path, wrong);
      await assert.rejects(
        openModel(path),
        (error) => error instanceof CorruptFileError && error.message.includes(path),
      );
    }
  } finally {
    await Deno.remove(path);
  }
});

Deno.test({
  name: "openModel() dequantises SmolLM2-135M-Instruct as transformers does, bit for bit" +
    (smollm2File ? "" : " (skipped: PANACEA_SMOLLM2_GGUF is not set)"),
  ignore: !smollm2File,
  async fn() {
    using model = disposable(await openModel(smollm2File ?? ""));
    const { weights, config } = model.opened;
    assert.equal(weights.names.length, 272);
    assert.equal(config.kvHeads, 3);
    for (const [name, expected] of Object.entries(smollm2.weightsSha256)) {
      const values = await weights.read(name);
      const hash = createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex");
      assert.equal(hash, expected, name);
    }
  },
});

function disposable(opened: Awaited<ReturnType<typeof openModel>>) {
  return { opened, [Symbol.dispose]: () => opened.close() };
}

function mapTo(file: string): string {
  return JSON.stringify({ weight_map: { "model.norm.weight": file } });
}

async function copyFolder(from: string, to: string): Promise<void> {
  for await (const { name } of Deno.readDir(from)) {
    await Deno.copyFile(join(from, name), join(to, name));
  }
}

Deno.test("textFiles() of a folder are its small files as they are, without its configuration", async () => {
  const model = await openModel(BuiltinModel.folder);
  const files = await model.textFiles();
  model.close();
  assert.deepEqual(Object.keys(files).sort(), ["tokenizer.json", "tokenizer_config.json"]);
  for (const [name, bytes] of Object.entries(files)) {
    assert.deepEqual(bytes, await Deno.readFile(join(BuiltinModel.folder, name)));
  }
});
