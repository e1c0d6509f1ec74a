// Run by 04_egress_test.ts where there is no network: a server, a run, a front and a chat.
import assert from "node:assert/strict";
import type { Job } from "../../data/store/job.ts";
import { startServerProcess } from "../commands/server_process.ts";
import { ask, finished, post, smallRun, watch } from "../workers/serving.ts";

const [runs = ""] = Deno.args;
await using server = await startServerProcess(runs);
const { url } = server;
// `auto` without the library: it cannot be fetched, so WebAssembly computes.
const { id } = await post<Job>(`${url}/runs`, smallRun("a", { engine: "auto" }));
const events = await watch(url, id);
assert.equal((await finished(url, id)).state, "done");
assert.ok(
  events.some(({ event }) =>
    event.type === "notice" && event.message.startsWith("Using WebAssembly")
  ),
);
await ask(`${url}/front?adapter=a&grid=3&bootstrap=10`);
const chat = await ask<{ text: string }>(`${url}/chat?adapter=a&message=hello&max_tokens=8`);
assert.ok(chat.text.length > 0);
server.kill("SIGTERM");
assert.equal(await server.code, 0);
