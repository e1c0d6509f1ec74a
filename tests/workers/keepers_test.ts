// What the supervisor does when one of its Workers dies.
import assert from "node:assert/strict";
import { join } from "node:path";
import { JOBS, JobStore } from "../../data/store/jobs.ts";
import { keepChatThread } from "../../workers/chat_thread.ts";
import { createDownloads } from "../../workers/downloads.ts";
import { createJobRunner } from "../../workers/job_runner.ts";
import { placesOf } from "../../workers/places.ts";
import type { SessionEvent } from "../../workers/protocol.ts";
import { createRestarts } from "../../workers/restarts.ts";
import { type Client, connect } from "../../workers/rpc.ts";
import type { ChatEvent } from "../../workers/service.ts";
import { ServeConfig } from "../../workers/serve_config.ts";
import { keepWebThread } from "../../workers/web_thread.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";

const module = (name: string) => new URL(name, import.meta.url);
const MOST = 5; // deaths within a minute that are forgiven

async function partsIn(runs: string) {
  const config = ServeConfig.parse({ port: 0, runs });
  const places = await placesOf(config, Deno.env.get);
  return { config, places, downloads: createDownloads({ places, env: Deno.env.get }) };
}

Deno.test("a Worker may die five times within a minute, and again a minute later", () => {
  let time = 0;
  const mayRestart = createRestarts(() => time);
  for (let death = 1; death <= MOST; death++) assert.equal(mayRestart(), true);
  assert.equal(mayRestart(), false);
  time = 60_001;
  assert.equal(mayRestart(), true);
});

Deno.test("a dead web Worker is replaced on the same address, until it died too often", async () => {
  const troubles: string[] = [];
  const web = await keepWebThread({
    url: module("mortal_web_worker.ts"),
    init: { config: ServeConfig.parse({ port: 0 }), files: {}, apiKey: null },
    service: {},
    openChatPort: () => new MessageChannel().port1,
    onTrouble: (message) => troubles.push(message),
  });
  const { host, port } = web.address;
  const get = async (path: string) => await (await fetch(`http://${host}:${port}${path}`)).text();
  for (let death = 1; death <= MOST; death++) {
    assert.equal(await get("/die"), "alive");
    while (troubles.length < death) await new Promise((resolve) => setTimeout(resolve, 5));
    // The new one listens within moments.
    let alive = "";
    while (alive === "") alive = await get("/").catch(() => "");
    assert.equal(alive, "alive");
  }
  assert.match(troubles[0] ?? "", /: the web thread ended by itself$/);
  await get("/die");
  await assert.rejects(web.failed, /^Error: Cannot go on serving: the web thread ended/);
  web.stop();
});

Deno.test("a chat Worker that dies ends its chats with the reason, and the next one answers", async () => {
  await using folder = await temporaryFolder();
  const replaced: string[] = [];
  const ports: Client[] = [];
  const chat = keepChatThread({
    ...await partsIn(folder.path),
    env: Deno.env.get,
    models: [],
    url: module("mortal_chat_worker.ts"),
    onTrouble: () => {},
    onReplaced: (reason) => {
      replaced.push(reason);
      ports.at(-1)?.fail(new Error(reason));
      ports.push(connect(chat.openPort()));
    },
  });
  ports.push(connect(chat.openPort()));
  const say = async (content: string) => {
    const request = { messages: [{ role: "user", content }] };
    const port = ports.at(-1);
    assert.ok(port);
    return (await Array.fromAsync(port.stream<ChatEvent>("chat", request))).length;
  };
  assert.equal(await say("hello"), 3);
  assert.deepEqual(await chat.service.models(), [{ name: "builtin", format: "int8", bytes: 1 }]);
  for (let death = 1; death <= MOST; death++) {
    await assert.rejects(say("die"), /^Error: the chat thread ended by itself/);
    assert.equal(replaced.length, death);
    assert.equal(await say("hello"), 3);
  }
  await assert.rejects(say("die"), /ended by itself/);
  await assert.rejects(say("hello"), /^Error: Cannot chat: the chat thread ended/);
  assert.deepEqual(await chat.service.models(), []);
  chat.stop();
});

Deno.test("a job whose Worker dies fails with the reason", async () => {
  await using folder = await temporaryFolder();
  const { places, downloads } = await partsIn(folder.path);
  await using store = await JobStore.open<SessionEvent>(join(folder.path, JOBS));
  const url = module("mortal_job_worker.ts");
  const run = createJobRunner({ places, downloads, env: Deno.env.get, url });
  const request = { name: "a", engine: "wasm" };
  const job = store.create({ kind: "train", adapter: "a", request });
  const events: SessionEvent[] = [];
  const { signal } = new AbortController();
  const { signal: cut } = new AbortController();
  await assert.rejects(
    run(job, { signal, cut, onEvent: (event) => events.push(event) }),
    { message: "Cannot go on: the train thread ended by itself" },
  );
  assert.deepEqual(events, [{ type: "notice", message: "begun" }]);
});
