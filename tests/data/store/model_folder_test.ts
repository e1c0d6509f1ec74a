import assert from "node:assert/strict";
import { join } from "node:path";
import { fileSource } from "../../../data/files.ts";
import { openSafetensors, toFloat32 } from "../../../core/models/safetensors.ts";
import { readFolderVerified } from "../../../data/store/manifest.ts";
import { type StoredType, writeModelFolder } from "../../../data/store/model_folder.ts";

const shapes = new Map([["b.weight", [2, 3]], ["a.weight", [4]]]);
const values: Record<string, Float32Array> = {
  "a.weight": Float32Array.of(1, -2, 0.5, 1 + 2 ** -9),
  "b.weight": Float32Array.of(1, 2, 3, 4, 5, 6),
};

function model(dtype: StoredType, own: Record<string, Float32Array> = {}) {
  return {
    files: { "config.json": "{}\n", "raw.bin": Uint8Array.of(1, 2, 3) },
    shapes,
    read: (name: string) => Promise.resolve(own[name] ?? values[name] as Float32Array),
    dtype,
  };
}

async function inFolder(run: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("writeModelFolder() writes every weight once, exactly or rounded, and a manifest", async () => {
  await inFolder(async (folder) => {
    for (
      const [dtype, last] of [["F32", 1 + 2 ** -9], ["BF16", 1], ["F16", 1 + 2 ** -9]] as const
    ) {
      const path = join(folder, "model");
      await writeModelFolder(path, model(dtype)); // the second replaces the first
      const files = await readFolderVerified(path);
      assert.deepEqual(Object.keys(files).sort(), ["config.json", "model.safetensors", "raw.bin"]);
      assert.deepEqual(files["raw.bin"], Uint8Array.of(1, 2, 3));
      const source = fileSource(join(path, "model.safetensors"));
      const file = await openSafetensors(source);
      assert.deepEqual(file.metadata, { format: "pt" });
      assert.deepEqual([...file.tensors.keys()].sort(), ["a.weight", "b.weight"]);
      const a = await file.read("a.weight");
      assert.deepEqual([a.dtype, a.shape], [dtype, [4]]);
      assert.deepEqual([...toFloat32(a)], [1, -2, 0.5, last]);
      assert.deepEqual(toFloat32(await file.read("b.weight")), values["b.weight"]);
      source.close();
    }
    assert.deepEqual((await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name), [
      "model",
    ]);
  });
});

Deno.test("writeModelFolder() puts more than shardBytes into several files and an index", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "model");
    // b takes 24 bytes, a 16: together 40. A weight larger than a file has one of its own.
    for (const [shardBytes, files] of [[40, 1], [39, 2], [1, 2]] as const) {
      await writeModelFolder(path, model("F32"), { shardBytes });
      const names = Object.keys(await readFolderVerified(path));
      assert.equal(names.filter((name) => name.endsWith(".safetensors")).length, files);
      assert.equal(names.includes("model.safetensors.index.json"), files > 1);
    }
    const index = await Deno.readTextFile(join(path, "model.safetensors.index.json"));
    assert.deepEqual(JSON.parse(index), {
      metadata: { total_size: 40 },
      weight_map: {
        "b.weight": "model-00001-of-00002.safetensors",
        "a.weight": "model-00002-of-00002.safetensors",
      },
    });
    const source = fileSource(join(path, "model-00002-of-00002.safetensors"));
    const file = await openSafetensors(source);
    assert.deepEqual(toFloat32(await file.read("a.weight")), values["a.weight"]);
    source.close();
  });
});

Deno.test("writeModelFolder() leaves the old folder where a weight is not finite", async () => {
  // The last is finite in float32 and rounds up to infinity in bfloat16; the one before it is a NaN
  // that rounding would turn into a number.
  const hidden = new Float32Array(Uint32Array.of(0x7fffffff, 0, 0, 0).buffer);
  const cases: [StoredType, Float32Array][] = [
    ["F32", Float32Array.of(1, Infinity, 1, 1)],
    ["BF16", hidden],
    ["BF16", Float32Array.of(3.4e38, 1, 1, 1)],
    ["F16", Float32Array.of(1, 65520, 1, 1)],
  ];
  await inFolder(async (folder) => {
    const path = join(folder, "model");
    await writeModelFolder(path, model("F32"));
    const before = await readFolderVerified(path);
    for (const [dtype, bad] of cases) {
      await assert.rejects(writeModelFolder(path, model(dtype, { "a.weight": bad })), {
        name: "DivergedError",
        message:
          /expected finite values as b?float\d+, got NaN or infinity in a\.weight at element [01]$/,
      });
      assert.deepEqual(await readFolderVerified(path), before);
    }
  });
});

Deno.test("writeModelFolder() refuses values that do not fit, and says where it cannot write", async () => {
  await inFolder(async (folder) => {
    const short = model("F32", { "a.weight": new Float32Array(3) });
    await assert.rejects(writeModelFolder(join(folder, "model"), short), TypeError);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(folder)), []);
    await assert.rejects(writeModelFolder(join(folder, "missing", "model"), model("F32")), {
      name: "StorageError",
      message: /Cannot write .*model: expected a writable place with \d+ bytes free/,
    });
  });
});
