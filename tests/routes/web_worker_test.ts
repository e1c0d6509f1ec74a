import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { OverloadedError } from "../../core/errors.ts";
import { readFrames } from "./frames.ts";
import { memoryChat, memoryService } from "./memory_service.ts";
import { until } from "./until.ts";
import { startWebServer } from "./web_server.ts";

const streamed = "/chat?adapter=tiny&message=hi&stream=true";
const endless = () =>
  memoryChat({
    *pieces() {
      for (;;) yield "a";
    },
    pace: () => new Promise((resolve) => setTimeout(resolve, 1)),
    contextTokens: Infinity,
  });

Deno.test("the worker answers over its ports: values, errors with their class, streams", async () => {
  const service = memoryService();
  const lines: string[] = [];
  await using server = await startWebServer({
    service: {
      ...service,
      listModels: () => Promise.reject(new OverloadedError("Full", { retryAfterSeconds: 4 })),
    },
    onLog: (line) => lines.push(line),
  });
  const adapters = await (await fetch(`${server.url}/adapters`)).json();
  assert.deepEqual(adapters, await service.listAdapters());
  const models = await fetch(`${server.url}/models`);
  assert.equal(models.status, 429);
  assert.equal(models.headers.get("retry-after"), "4");
  await models.body?.cancel();
  const frames = readFrames(await (await fetch(server.url + streamed)).text());
  assert.equal(frames.at(-1)?.event, "end");
  await until(() => lines.length === 3, 1000);
  assert.deepEqual(lines.map((line) => JSON.parse(line).status), [200, 429, 200]);
});

Deno.test("a client that closes its connection ends the generation, streamed or not", async () => {
  const chat = endless();
  await using server = await startWebServer({ chat });
  for (const path of [streamed, streamed.replace("&stream=true", "")]) {
    for (let i = 0; i < 10; i++) {
      const leaving = new AbortController();
      const answer = fetch(server.url + path, { signal: leaving.signal });
      const body = answer.then((one) => one.text());
      await until(() => chat.running === 1, 1000);
      const sent = chat.sent;
      await until(() => chat.sent > sent + 2, 1000);
      const left = performance.now();
      leaving.abort();
      await assert.rejects(body, { name: "AbortError" });
      await until(() => chat.running === 0, 1000);
      assert.ok(performance.now() - left < 250);
    }
  }
});

Deno.test("a chat worker that dies ends its streams with an error; the next one answers", async () => {
  const first = endless();
  await using server = await startWebServer({ chat: first });
  const answer = await fetch(server.url + streamed);
  await until(() => first.sent > 2, 1000);
  const next = memoryChat();
  server.replaceChat(next, "the chat thread failed: out of memory");
  const last = readFrames(await answer.text()).at(-1);
  assert.equal(last?.event, "error");
  assert.equal(last?.data.status, 503);
  assert.match(last?.data.detail, /out of memory/);
  assert.equal((await fetch(server.url + streamed.replace("&stream=true", ""))).status, 200);
  assert.equal(next.asked.length, 1);
});

Deno.test("while it drains it listens and says so; then it is gone", async () => {
  const chat = endless();
  await using server = await startWebServer({ chat, config: { drain_seconds: 0.5 } });
  const streams = Array.from({ length: 20 }, async () => {
    const answer = await fetch(`${server.url}${streamed}&max_tokens=1000000`);
    return readFrames(await answer.text());
  });
  await until(() => chat.running === 20, 2000);
  const began = performance.now();
  const drained = server.drain();
  let ready = await fetch(`${server.url}/ready`);
  while (ready.status !== 503) {
    await ready.body?.cancel();
    ready = await fetch(`${server.url}/ready`);
  }
  await ready.body?.cancel();
  assert.ok(performance.now() - began < 200, "not ready too late");
  for (const frames of await Promise.all(streams)) {
    assert.equal(frames.at(-1)?.event, "end");
    assert.equal(frames.at(-1)?.data.reason, "shutdown");
  }
  await drained;
  await assert.rejects(fetch(`${server.url}/health`), TypeError);
  await until(() => chat.running === 0, 1000);
});

Deno.test("an address that is taken is told in one sentence", async () => {
  await using server = await startWebServer();
  await assert.rejects(startWebServer({ config: { port: server.port } }), {
    name: "InputError",
    message: /^Cannot listen on 127\.0\.0\.1:\d+: expected an address that is ours and free, got /,
  });
});

Deno.test("the worker loads no tensor code, no library and no database", async () => {
  const worker = fileURLToPath(new URL("../../routes/web_worker.ts", import.meta.url));
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", worker],
    stdout: "piped",
  }).output();
  const graph = JSON.parse(new TextDecoder().decode(stdout)) as ModuleGraph;
  const loaded = [...modulesOf(graph)];
  assert.ok(loaded.some((name) => name.includes("hono")), loaded.join(" "));
  const unwanted = /tensorflow|onnx|linkedom|plot|huggingface|core\/engine|node:sqlite|data\/hub/;
  assert.deepEqual(loaded.filter((name) => unwanted.test(name)), []);
});

interface ModuleGraph {
  roots: string[];
  modules: { specifier: string; dependencies?: { code?: { specifier: string } }[] }[];
}

/** Modules that are run; those of which only types are imported are not. */
function modulesOf({ roots, modules }: ModuleGraph): Set<string> {
  const seen = new Set<string>();
  const queue = [...roots];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const dependencies = modules.find(({ specifier }) => specifier === name)?.dependencies ?? [];
    queue.push(...dependencies.flatMap(({ code }) => code === undefined ? [] : [code.specifier]));
  }
  return seen;
}
