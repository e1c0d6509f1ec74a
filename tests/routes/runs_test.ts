import assert from "node:assert/strict";
import { appOf, json } from "./app_of.ts";
import { readFrames } from "./frames.ts";
import { memoryService } from "./memory_service.ts";

Deno.test("a run is made, listed, looked at, cancelled and resumed", async () => {
  const { app } = appOf();
  const made = await app.request("/runs", json({ name: "first", preset: "builtin", max_steps: 5 }));
  assert.equal(made.status, 201);
  assert.equal(made.headers.get("location"), "/runs/job-1");
  const job = await made.json();
  assert.equal(job.state, "queued");
  assert.deepEqual(job.request, { name: "first", preset: "builtin", max_steps: 5 });
  assert.deepEqual(await (await app.request("/runs")).json(), [job]);
  assert.deepEqual(await (await app.request("/runs/job-1")).json(), job);

  const state = async (path: string, method = "POST") => {
    const answer = await app.request(path, { method });
    return answer.status === 200 ? (await answer.json()).state : answer.status;
  };
  assert.equal(await state("/runs/job-1/resume"), 409);
  assert.equal(await state("/runs/job-1/cancel"), "cancelled");
  assert.equal(await state("/runs/job-1/cancel"), 409);
  assert.equal(await state("/runs/job-1/resume"), "queued");
  for (const path of ["/runs/none/cancel", "/runs/none/resume"]) {
    assert.equal(await state(path), 404);
  }
  assert.equal(await state("/runs/none", "GET"), 404);
});

Deno.test("a run whose name is taken, or whose settings are none, is refused", async () => {
  const { app } = appOf();
  assert.equal((await app.request("/runs", json({ name: "tiny" }))).status, 409);
  for (
    const body of [
      {},
      { name: "../up" },
      { name: "new", output_dir: "elsewhere" },
      { name: "new", max_steps: -1 },
      { name: "new", no_such: 1 },
      [],
      "{",
      "",
    ]
  ) {
    assert.equal((await app.request("/runs", json(body))).status, 400, JSON.stringify(body));
  }
});

Deno.test("events of a job come numbered, from where the client was, without folders", async () => {
  const service = memoryService();
  const { app } = appOf({ service });
  await app.request("/runs", json({ name: "first" }));
  service.tell("job-1", { type: "notice", message: "reading /data/pairs.jsonl" });
  service.tell("job-1", { type: "checkpoint", step: 3, path: "/runs/first/checkpoint-3" });
  service.tell("job-1", { type: "state", state: "done", error: null });
  const read = async (path: string, headers?: Record<string, string>) =>
    readFrames(await (await app.request(path, { headers })).text());
  const all = await read("/runs/job-1/events");
  assert.deepEqual(all.map(({ event, id }) => `${id} ${event}`), [
    "1 state",
    "2 notice",
    "3 checkpoint",
    "4 state",
  ]);
  assert.deepEqual(all.map(({ data }) => data.seq), [1, 2, 3, 4]);
  assert.equal(all[1]?.data.event.message, "reading pairs.jsonl");
  assert.equal(all[2]?.data.event.path, "checkpoint-3");
  const rest = await read("/runs/job-1/events", { "last-event-id": "2" });
  assert.deepEqual(rest.map(({ id }) => id), ["3", "4"]);
  assert.deepEqual((await read("/runs/job-1/events?after=3")).map(({ id }) => id), ["4"]);
  // An EventSource connects again after every end; 204 tells it not to.
  assert.equal((await app.request("/runs/job-1/events?after=4")).status, 204);
  const odd = await app.request("/runs/job-1/events", { headers: { "last-event-id": "x" } });
  assert.equal(odd.status, 400);
  assert.equal((await app.request("/runs/none/events")).status, 404);
});

Deno.test("a job that runs is followed as it goes, until it or the server ends", async () => {
  const service = memoryService();
  const { app } = appOf({ service });
  await app.request("/runs", json({ name: "first" }));
  const answer = await app.request("/runs/job-1/events");
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  const next = async () => readFrames((await reader?.read())?.value ?? "");
  assert.deepEqual((await next()).map(({ event }) => event), ["state"]);
  service.tell("job-1", { type: "progress", what: "pairs", done: 1, total: 2 });
  assert.deepEqual((await next()).map(({ event }) => event), ["progress"]);
  const ended = app.drain.end(1);
  const [last] = await next();
  assert.deepEqual([last?.event, last?.data], ["end", { reason: "shutdown" }]);
  assert.equal((await reader?.read())?.done, true);
  await ended;
});
