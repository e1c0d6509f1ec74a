import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { CorruptFileError, InputError } from "../../core/errors.ts";
import { downloadFiles, downloadModel, type HubOptions, hubOptions } from "../../data/hub.ts";
import { openModel } from "../../data/models.ts";

const golden = new URL("../golden/", import.meta.url).pathname;
const commit = "0123456789abcdef0123456789abcdef01234567";

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

Deno.test("downloadModel() refuses altered and cut files and keeps nothing of them", async () => {
  for (const damage of ["alter", "cut"] as const) {
    await using hub = await fakeHub({ files: await filesOf("llama_tied"), damage });
    await assert.rejects(
      downloadModel("owner/tiny", { hub: hub.options }),
      refusal(CorruptFileError, /owner\/tiny\/model\.safetensors.*expected/),
    );
    const blobs: string[] = [];
    for await (
      const { name } of Deno.readDir(join(hub.options.cacheDir, "models--owner--tiny", "blobs"))
    ) {
      blobs.push(name);
    }
    assert.equal(blobs.length, 2); // config.json and generation_config.json
    assert(blobs.every((name) => /^[0-9a-f]{40}$/.test(name)));
  }
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

/** The hub's API for one model, owner/tiny, on loopback; *.safetensors are LFS files there. */
async function fakeHub({ files, token, damage }: {
  files: Map<string, Uint8Array<ArrayBuffer>>;
  token?: string;
  damage?: "alter" | "cut";
}) {
  const requests: string[] = [];
  const cache = await Deno.makeTempDir();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const url = new URL(request.url);
    const path = decodeURIComponent(url.pathname);
    requests.push(path);
    if (token && request.headers.get("authorization") !== `Bearer ${token}`) {
      return Response.json({ error: "gated" }, { status: 401 });
    }
    if (path === "/api/models/owner/tiny/revision/main") {
      return Response.json({ _id: "1", id: "owner/tiny", sha: commit, lastModified: "2026-01-01" });
    }
    if (path === `/api/models/owner/tiny/tree/${commit}`) {
      const deep = url.searchParams.get("recursive") === "true";
      return Response.json(tree(files, deep));
    }
    const prefix = `/owner/tiny/resolve/${commit}/`;
    const bytes = path.startsWith(prefix) ? files.get(path.slice(prefix.length)) : undefined;
    if (!bytes) return Response.json({ error: "not found" }, { status: 404 });
    return part(bytes, request, path.endsWith(".safetensors") ? damage : undefined);
  });
  let stopped = false;
  async function stop(): Promise<void> {
    if (!stopped) await server.shutdown();
    stopped = true;
  }
  const options: HubOptions = {
    endpoint: `http://127.0.0.1:${server.addr.port}`,
    cacheDir: join(cache, "hub"),
    offline: false,
  };
  return {
    options,
    requests,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      await Deno.remove(cache, { recursive: true });
    },
  };
}

function tree(files: Map<string, Uint8Array>, deep: boolean): unknown[] {
  return [...files].filter(([path]) => deep || !path.includes("/")).map(([path, bytes]) => {
    const git = createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const lfs = { oid: sha256, size: bytes.length, pointerSize: 130 };
    return {
      type: "file",
      path,
      size: bytes.length,
      oid: git,
      ...path.endsWith(".safetensors") && { lfs },
    };
  });
}

/** The range a request asks for, altered or cut short where a damaged file is wanted. */
function part(
  bytes: Uint8Array<ArrayBuffer>,
  request: Request,
  damage: "alter" | "cut" | undefined,
): Response {
  const [, start, end] = /bytes=(\d+)-(\d+)/.exec(request.headers.get("range") ?? "") ?? [];
  const headers: Record<string, string> = { etag: '"x"' };
  if (start === undefined || end === undefined) {
    const body = bytes.slice(0, damage === "cut" ? bytes.length - 100 : bytes.length);
    if (damage === "alter") body[body.length - 1] = (body.at(-1) ?? 0) ^ 1;
    return new Response(body, { headers });
  }
  const body = bytes.slice(Number(start), Number(end) + 1);
  headers["content-range"] = `bytes ${start}-${end}/${bytes.length}`;
  return new Response(body, { status: 206, headers });
}
