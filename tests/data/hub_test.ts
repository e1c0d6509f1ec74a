import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { CorruptFileError, InputError } from "../../core/errors.ts";
import { loadDataset } from "../../data/datasets/mod.ts";
import { hubPlace } from "../../data/datasets/places.ts";
import {
  downloadDataset,
  downloadFiles,
  downloadModel,
  type HubOptions,
  hubOptions,
} from "../../data/hub.ts";
import { openModel } from "../../data/models.ts";
import { statedLicenses } from "../../data/datasets/licenses.ts";
import { localDataset } from "../../workers/hub_data.ts";
import { commit, fakeHub } from "./fake_hub.ts";

const golden = new URL("../golden/", import.meta.url).pathname;

Deno.test("hubOptions() follows the Python libraries' variables", () => {
  const from = (env: Record<string, string>) => hubOptions((name) => env[name]);
  assert.deepEqual(from({ HOME: "/home/me" }), {
    endpoint: undefined,
    token: undefined,
    tokenFile: join("/home/me", ".cache", "huggingface", "token"),
    cacheDir: join("/home/me", ".cache", "huggingface", "hub"),
    offline: false,
  });
  const set = from({
    HOME: "/home/me",
    HF_HOME: "/data/hf",
    HF_TOKEN: " hf_x\n",
    HF_ENDPOINT: "http://mirror:80/",
    HF_HUB_OFFLINE: "1",
  });
  assert.deepEqual(set, {
    endpoint: "http://mirror:80",
    token: "hf_x",
    tokenFile: join("/data/hf", "token"),
    cacheDir: join("/data/hf", "hub"),
    offline: true,
  });
  assert.equal(from({ HF_HUB_CACHE: "/c", HF_HOME: "/h" }).cacheDir, "/c");
  assert.equal(from({ HOME: "/home/me", HF_HUB_OFFLINE: "0" }).offline, false);
});

Deno.test("openModel() downloads a hub id into the Python cache layout, once", async () => {
  await using hub = await fakeHub({ files: await filesOf("llama_untied_sharded") });
  const progress: string[] = [];
  const opened = await openModel("owner/tiny", {
    hub: hub.options,
    onProgress: ({ file, received, total }) => {
      if (received === total) progress.push(file);
    },
  });
  const local = await openModel(join(golden, "llama_untied_sharded"));
  assert.equal(opened.fingerprint, local.fingerprint);
  opened.close();
  local.close();
  assert.deepEqual(progress, [
    "config.json",
    "generation_config.json",
    "model.safetensors.index.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
  ]);
  const store = join(hub.options.cacheDir, "models--owner--tiny");
  assert.equal(await Deno.readTextFile(join(store, "refs", "main")), commit);
  const shard = join(store, "snapshots", commit, "model-00001-of-00002.safetensors");
  const sha256 = createHash("sha256").update(await Deno.readFile(shard)).digest("hex");
  if (Deno.build.os !== "windows") {
    assert.equal(await Deno.readLink(shard), join("..", "..", "blobs", sha256));
  }
  for await (const { name } of Deno.readDir(join(store, "blobs"))) {
    assert.match(name, /^[0-9a-f]+$/);
  }

  hub.requests.length = 0;
  await downloadModel("owner/tiny", { hub: hub.options });
  assert.equal(hub.requests.filter((path) => path.includes("/resolve/")).length, 0);
});

Deno.test("downloadModel() fetches nothing but configuration, text and safetensors", async () => {
  const files = await filesOf("llama_tied");
  for (const extra of ["pytorch_model.bin", "modeling_x.py", "onnx/model.onnx", "README.md"]) {
    files.set(extra, new TextEncoder().encode(extra));
  }
  await using hub = await fakeHub({ files });
  await downloadModel("owner/tiny", { hub: hub.options });
  const fetched = hub.requests.filter((path) => path.includes("/resolve/"));
  assert.deepEqual(
    [...new Set(fetched.map((path) => path.split("/").at(-1)))].sort(),
    ["config.json", "generation_config.json", "model.safetensors"],
  );
});

Deno.test("downloadFiles() fetches the first of each list, in folders too, and once", async () => {
  const text = (name: string) => new TextEncoder().encode(name);
  const names = ["config.json", "onnx/model.onnx", "onnx/model_int8.onnx", "model.safetensors"];
  const files = new Map(names.map((name) => [name, text(name)]));
  await using hub = await fakeHub({ files });
  const wanted = [["config.json"], ["model.onnx", "onnx/model.onnx", "onnx/model_int8.onnx"]];
  const folder = await downloadFiles("owner/tiny", { hub: hub.options, wanted });
  assert.deepEqual(
    await Deno.readFile(join(folder, "onnx", "model.onnx")),
    text("onnx/model.onnx"),
  );
  const fetched = () => hub.requests.filter((path) => path.includes("/resolve/"));
  assert.deepEqual(
    [...new Set(fetched().map((path) => path.split(`${commit}/`).at(-1)))].sort(),
    ["config.json", "onnx/model.onnx"],
  );
  hub.requests.length = 0;
  await downloadFiles("owner/tiny", { hub: hub.options, wanted });
  const offline = { ...hub.options, offline: true };
  assert.equal(await downloadFiles("owner/tiny", { hub: offline, wanted }), folder);
  assert.deepEqual(fetched(), []);
  await assert.rejects(
    downloadFiles("owner/tiny", { hub: hub.options, wanted: [["tokenizer.json"]] }),
    refusal(InputError, /expected tokenizer.json, got none on the hub/),
  );
  files.set("../out.onnx", text("out"));
  await assert.rejects(
    downloadFiles("owner/tiny", { hub: hub.options, wanted: [["../out.onnx"]] }),
    refusal(InputError, /expected a plain name and hash/),
  );
});

Deno.test("downloadModel() refuses a repository of pickled weights by the file's name", async () => {
  for (const name of ["pytorch_model.bin", "model.pt", "last.ckpt", "x.pth", "weights.pkl"]) {
    const files = await filesOf("llama_tied");
    files.delete("model.safetensors");
    files.set(name, new Uint8Array(8));
    await using hub = await fakeHub({ files });
    await assert.rejects(
      downloadModel("owner/tiny", { hub: hub.options }),
      refusal(InputError, new RegExp(`owner/tiny.*${name}, a format that can carry code`)),
    );
    assert.equal(hub.requests.filter((path) => path.includes("/resolve/")).length, 0);
  }
});

Deno.test("downloadModel() uses a complete snapshot offline and when the hub is away", async () => {
  const hub = await fakeHub({ files: await filesOf("llama_tied") });
  const offline: HubOptions = { ...hub.options, offline: true };
  await assert.rejects(
    downloadModel("owner/tiny", { hub: offline }),
    refusal(InputError, /owner\/tiny.*HF_HUB_OFFLINE/),
  );
  const folder = await downloadModel("owner/tiny", { hub: hub.options });
  await hub.stop();
  assert.equal(await downloadModel("owner/tiny", { hub: offline }), folder);
  assert.equal(await downloadModel("owner/tiny", { hub: offline, revision: commit }), folder);
  assert.equal(await downloadModel("owner/tiny", { hub: hub.options }), folder);
  await Deno.remove(join(folder, "model.safetensors"));
  await assert.rejects(
    downloadModel("owner/tiny", { hub: offline }),
    refusal(InputError, /offline/i),
  );
  await hub[Symbol.asyncDispose]();
});

Deno.test("downloadModel() sends the token, and says when access is missing", async () => {
  await using hub = await fakeHub({ files: await filesOf("llama_tied"), token: "hf_secret" });
  await assert.rejects(
    downloadModel("owner/tiny", { hub: hub.options }),
    refusal(InputError, /owner\/tiny.*HF_TOKEN/),
  );
  const tokenFile = join(hub.options.cacheDir, "token");
  await Deno.mkdir(hub.options.cacheDir, { recursive: true });
  await Deno.writeTextFile(tokenFile, "hf_secret\n");
  await downloadModel("owner/tiny", { hub: { ...hub.options, tokenFile } });
  await assert.rejects(
    downloadModel("owner/tiny", { hub: { ...hub.options, token: "secret" } }),
    refusal(InputError, /HF_TOKEN.*starts with hf_/),
  );
});

Deno.test("downloadModel() names an unknown model, revision and an unreachable hub", async () => {
  await using hub = await fakeHub({ files: await filesOf("llama_tied") });
  const options = { hub: hub.options };
  await assert.rejects(
    downloadModel("owner/none", options),
    refusal(InputError, /owner\/none.*no such/),
  );
  await assert.rejects(
    downloadModel("owner/tiny", { ...options, revision: "v2" }),
    refusal(InputError, /no such model or revision/),
  );
  await assert.rejects(
    downloadModel("owner/tiny", { ...options, revision: "../../x" }),
    refusal(InputError, /revision/),
  );
  await hub.stop();
  await assert.rejects(
    downloadModel("owner/tiny", { hub: hub.options }),
    refusal(InputError, /owner\/tiny.*can be reached/),
  );
});

Deno.test("downloadModel() refuses altered files and keeps nothing of them", async () => {
  await using hub = await fakeHub({ files: await filesOf("llama_tied"), damage: "alter" });
  await assert.rejects(
    downloadModel("owner/tiny", { hub: hub.options }),
    refusal(CorruptFileError, /owner\/tiny\/model\.safetensors.*expected/),
  );
  const blobs = await blobsOf(hub.options);
  assert.equal(blobs.length, 2); // config.json and generation_config.json
  assert(blobs.every((name) => /^[0-9a-f]{40}$/.test(name)));
});

Deno.test("downloadModel() goes on where a connection broke, also in a later call", async () => {
  const files = await filesOf("llama_tied");
  const { length } = files.get("model.safetensors") ?? [];
  const half = Math.floor((length ?? NaN) / 2);
  {
    await using hub = await fakeHub({ files, damage: "drop" });
    const folder = await downloadModel("owner/tiny", { hub: hub.options });
    assert.deepEqual(
      await Deno.readFile(join(folder, "model.safetensors")),
      files.get("model.safetensors"),
    );
    assert.deepEqual(hub.ranges, [undefined, `bytes=${half}-${length - 1}`]);
  }
  await using hub = await fakeHub({ files, damage: "refuse" });
  await assert.rejects(downloadModel("owner/tiny", { hub: hub.options }));
  assert.equal(
    (await blobsOf(hub.options)).filter((name) => name.endsWith(".incomplete")).length,
    1,
  );
  hub.damage = undefined;
  hub.ranges.length = 0;
  const folder = await downloadModel("owner/tiny", { hub: hub.options });
  assert.deepEqual(
    await Deno.readFile(join(folder, "model.safetensors")),
    files.get("model.safetensors"),
  );
  assert.deepEqual(hub.ranges, [`bytes=${half}-${length - 1}`]);
});

Deno.test("downloadDataset() fetches the files of a split, once, and loadDataset() reads them", async () => {
  const rows = (name: string) =>
    new TextEncoder().encode(JSON.stringify({ prompt: name, chosen: "a", rejected: "b" }) + "\n");
  const names = ["data/train-0.jsonl", "data/train-1.jsonl", "data/test.jsonl", "x/train.jsonl"];
  const files = new Map(names.map((name) => [name, rows(name)]));
  files.set("script.py", rows("code"));
  await using hub = await fakeHub({ files, kind: "datasets" });
  const place = (text: string) => hubPlace(text) ?? assert.fail(text);
  const fetched = () => {
    const found = hub.requests.filter((path) => path.includes("/resolve/"));
    hub.requests.length = 0;
    return [...new Set(found.map((path) => path.split(`${commit}/`).at(-1)))].sort();
  };
  const options = { hub: hub.options };
  const prompts = async (spec: string) =>
    (await loadDataset(`k=${spec}`)).examples.map(({ prompt }) => prompt[0]?.content);

  const snapshot = join(hub.options.cacheDir, "datasets--owner--tiny", "snapshots", commit);
  const test = await downloadDataset(place("owner/tiny/data:test"), options);
  assert.equal(test, `${join(snapshot, "data")}:test`);
  assert.deepEqual(fetched(), ["data/test.jsonl"]);
  assert.deepEqual(await prompts(test), ["data/test.jsonl"]);

  const train = await downloadDataset(place("owner/tiny/data"), options);
  assert.deepEqual(fetched(), ["data/train-0.jsonl", "data/train-1.jsonl"]);
  assert.deepEqual(await prompts(train), ["data/train-0.jsonl", "data/train-1.jsonl"]);

  const one = await downloadDataset(place("owner/tiny/x/train.jsonl@main"), options);
  assert.deepEqual(await prompts(one), ["x/train.jsonl"]);
  assert.deepEqual(fetched(), ["x/train.jsonl"]);
  await downloadDataset(place("owner/tiny/data"), options);
  assert.deepEqual(fetched(), [], "nothing is fetched twice");

  // Offline, what was fetched whole is used, and nothing that was fetched in part.
  const offline = { hub: { ...hub.options, offline: true } };
  assert.equal(await downloadDataset(place("owner/tiny/data"), offline), train);
  await assert.rejects(
    downloadDataset(place("owner/tiny"), offline),
    refusal(InputError, /dataset owner\/tiny: .*HF_HUB_OFFLINE/),
  );
  await Deno.remove(join(snapshot, "data", "train-1.jsonl"));
  await assert.rejects(
    downloadDataset(place("owner/tiny/data"), offline),
    refusal(InputError, /HF_HUB_OFFLINE/),
  );

  for (
    const [text, message] of [
      ["owner/tiny:validation", /split validation, got those of test, train$/],
      ["owner/tiny/nowhere", /nowhere: expected a \.jsonl.* in it, got none$/],
      ["owner/other", /Cannot open dataset owner\/other: .* no such dataset or revision/],
    ] as const
  ) {
    await assert.rejects(downloadDataset(place(text), options), refusal(InputError, message));
  }
});

Deno.test("localDataset() puts the place in the cache where the hub was named", async () => {
  const row = { prompt: "Q", chosen: "a", rejected: "b" };
  const files = new Map([
    ["data.jsonl", new TextEncoder().encode(JSON.stringify(row))],
    ["README.md", new TextEncoder().encode("---\nlicense: cc-by-4.0\n---\n# Tiny\n")],
  ]);
  await using hub = await fakeHub({ files, kind: "datasets" });
  const variables: Record<string, string> = {
    HF_ENDPOINT: hub.options.endpoint ?? "",
    HF_HUB_CACHE: hub.options.cacheDir,
  };
  const options = { env: (name: string) => variables[name], onEvent: () => {} };
  const here = new URL(import.meta.url).pathname;
  const snapshot = join(hub.options.cacheDir, "datasets--owner--tiny", "snapshots", commit);
  assert.equal(
    await localDataset(`a=owner/tiny+${here},b=owner/tiny`, options),
    `a=${snapshot}+${here},b=${snapshot}`,
  );
  assert.deepEqual(await statedLicenses(snapshot), ["cc-by-4.0"]); // its README came along
  // Of what lies on the disk, or would, nobody is asked.
  hub.requests.length = 0;
  for (const spec of [here, `${here}.jsonl`, "tests/data/missing.jsonl", "builtin", "a=./x/y"]) {
    assert.equal(await localDataset(spec, options), spec);
  }
  assert.deepEqual(hub.requests, []);
});

function refusal(kind: new (m?: string) => Error, message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof kind && message.test(error.message);
}

async function filesOf(folder: string): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for await (const { name } of Deno.readDir(join(golden, folder))) {
    files.set(name, await Deno.readFile(join(golden, folder, name)));
  }
  return files;
}

async function blobsOf({ cacheDir }: HubOptions): Promise<string[]> {
  const folder = join(cacheDir, "models--owner--tiny", "blobs");
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
}
