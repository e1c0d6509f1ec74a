// Bar 10: a server that is told to end tells everybody, ends every stream with a last event and
// leaves with 0; told twice, it leaves at once.
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Job } from "../../data/store/job.ts";
import { startServerProcess } from "../commands/server_process.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";
import { finished, post, smallRun, watch } from "../workers/serving.ts";

const CHATS = 30;
const WATCHERS = 4;

/** A stream of server-sent events, as far as it has come. */
interface Stream {
  text: string;
  ended: Promise<void>;
}

async function openStream(url: string, init: RequestInit = {}): Promise<Stream> {
  const response = await fetch(url, init);
  assert.equal(response.status, 200, await (response.ok ? "" : response.text()));
  const stream: Stream = { text: "", ended: Promise.resolve() };
  const begun = Promise.withResolvers<void>();
  const read = async () => {
    for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      stream.text += piece;
      begun.resolve();
    }
  };
  // A connection that breaks leaves a stream without its last event, which is what is looked at.
  stream.ended = read().catch((error) => begun.reject(error));
  await begun.promise;
  return stream;
}

/** The data of the last event of a stream. */
function lastEvent({ text }: Stream) {
  const data = text.trim().split("\n").findLast((line) => line.startsWith("data: "));
  return JSON.parse(data?.slice(6) ?? "null");
}

Deno.test("SIGTERM with 20 and more live chats: /ready says so, every stream ends with an event, exit 0", async () => {
  await using folder = await temporaryFolder();
  // One chat at a time, so that most wait for their turn when the signal comes.
  const limits = ["--chat_batch", "1", "--prefix_cache_mb", "0", "--drain_seconds", "0.3"];
  await using server = await startServerProcess(folder.path, limits);
  const { url } = server;
  await finished(url, (await post<Job>(`${url}/runs`, smallRun("a"))).id);
  const { id } = await post<Job>(`${url}/runs`, smallRun("b", { max_steps: 10_000, threads: 1 }));
  await watch(url, id, ({ event }) => event.type === "step");

  const watchers = await Promise.all(
    Array.from({ length: WATCHERS }, () => openStream(`${url}/runs/${id}/events`)),
  );
  const body = JSON.stringify({
    messages: [{ role: "user", content: "hello" }],
    stream: true,
    temperature: 2,
    max_tokens: 110,
  });
  const headers = { "content-type": "application/json" };
  const chats = await Promise.all(Array.from({ length: CHATS }, (_, n) => {
    const preference = `helpful=${n / CHATS}&harmless=${1 - n / CHATS}`;
    return openStream(`${url}/chat?adapter=a&${preference}`, { method: "POST", headers, body });
  }));
  const live = chats.filter(({ text }) => !text.includes("event: end")).length;

  const start = performance.now();
  server.kill("SIGTERM");
  let status = 200;
  while (status === 200) {
    const response = await fetch(`${url}/ready`);
    await response.body?.cancel();
    status = response.status;
  }
  const unready = performance.now() - start;
  assert.equal(status, 503);
  const late = await fetch(`${url}/chat?adapter=a`, { method: "POST", headers, body });
  assert.equal(late.status, 503);
  await late.body?.cancel();

  await Promise.all([...chats, ...watchers].map(({ ended }) => ended));
  for (const chat of chats) assert.equal(lastEvent(chat).type, "end", chat.text.slice(-200));
  const shutDown = chats.filter((chat) => lastEvent(chat).reason === "shutdown").length;
  for (const watcher of watchers) assert.match(watcher.text, /\n\n$/);
  assert.equal(await server.code, 0);
  const seconds = (performance.now() - start) / 1000;
  assert.ok(live >= 20, `only ${live} of ${CHATS} chats were live`);
  assert.ok(shutDown > 0, "every chat ended by itself: there was nothing to cut");
  assert.ok(unready <= 200, `/ready said 503 after ${unready} ms`);
  assert.ok(seconds <= 20, `ended after ${seconds} s`);
});

Deno.test("a second SIGTERM ends the server within a second", async () => {
  await using folder = await temporaryFolder();
  await using server = await startServerProcess(join(folder.path, "runs"), [], {
    env: { XDG_CACHE_HOME: join(folder.path, "cache") }, // the reference is scored, and told
  });
  // A step of several seconds, between whose ends a run does not stop.
  const slow = smallRun("a", { engine: "wasm", gradient_accumulation_steps: 16 });
  const { id } = await post<Job>(`${server.url}/runs`, slow);
  await watch(
    server.url,
    id,
    ({ event }) =>
      event.type === "progress" && event.what === "Reference on training pairs" &&
      event.done === event.total,
  );
  await new Promise((resolve) => setTimeout(resolve, 500)); // into the first step
  server.kill("SIGTERM");
  // The first signal counts as one for a second: `deno task` passes Ctrl-C on beside the terminal.
  await new Promise((resolve) => setTimeout(resolve, 1300));
  const start = performance.now();
  server.kill("SIGTERM");
  const code = await server.code;
  const milliseconds = performance.now() - start;
  assert.equal(code, 143);
  assert.ok(milliseconds <= 1000, `ended ${milliseconds} ms after the second signal`);
});
