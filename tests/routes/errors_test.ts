import assert from "node:assert/strict";
import * as errors from "../../core/errors.ts";
import type { Service } from "../../workers/service.ts";
import { appOf, json } from "./app_of.ts";
import { memoryService } from "./memory_service.ts";

/** An app whose service fails with `error` at every question. */
function failing(error: unknown) {
  const fail = () => Promise.reject(error);
  const service: Service = {
    ...memoryService(),
    listAdapters: fail,
    listModels: fail,
    getJob: fail,
  };
  return appOf({ service });
}

const SECRET = "Cannot read /secret/folder/adapter_model.safetensors: expected 8 bytes, got 3";

Deno.test("every class of error has its status, on both sides", async () => {
  const statuses = {
    InputError: 400,
    NotFoundError: 404,
    ConflictError: 409,
    BusyError: 409,
    OverloadedError: 429,
    CorruptFileError: 500,
    DivergedError: 500,
    StorageError: 500,
    ShardError: 500,
  };
  for (const [name, status] of Object.entries(statuses)) {
    const kind: new (message: string) => Error = errors[name as keyof typeof statuses];
    const error = new kind(SECRET);
    const { app } = failing(error);
    const answer = await app.request("/adapters", { headers: { "x-request-id": "my-id" } });
    assert.equal(answer.status, status, name);
    assert.equal(answer.headers.get("content-type"), "application/problem+json");
    const { type, title, ...problem } = await answer.json();
    assert.match(type, /^urn:panacea:[a-z-]+$/);
    assert.ok(title.length > 0);
    assert.deepEqual(problem, {
      status,
      detail: "Cannot read adapter_model.safetensors: expected 8 bytes, got 3",
      instance: "/adapters",
      request_id: "my-id",
    });
    const openAi = await app.request("/v1/models");
    assert.equal(openAi.status, status, name);
    const body = await openAi.json();
    assert.deepEqual(Object.keys(body), ["error"]);
    assert.deepEqual(Object.keys(body.error).sort(), ["code", "message", "param", "type"]);
    assert.doesNotMatch(body.error.message, /secret/);
  }
});

Deno.test("what nobody expected is a 500 that says nothing; the log has its cause", async () => {
  for (
    const thrown of [new RangeError(SECRET), new TypeError(SECRET), { odd: true }, "text", null]
  ) {
    const { app, lines } = failing(thrown);
    const answer = await app.request("/adapters");
    assert.equal(answer.status, 500);
    const text = await answer.text();
    assert.doesNotMatch(text, /secret|safetensors|odd|\.ts\b|\bat \w+ \(/);
    assert.equal(lines[0]?.level, "error");
    assert.equal(typeof lines[0]?.stack, "string");
  }
});

Deno.test("an overload says when to come again", async () => {
  const { app } = failing(new errors.OverloadedError("Full", { retryAfterSeconds: 2.2 }));
  for (const path of ["/adapters", "/v1/models"]) {
    assert.equal((await app.request(path)).headers.get("retry-after"), "3");
  }
});

Deno.test("paths and methods that are not there are 404 and 405 with Allow", async () => {
  const { app } = appOf();
  assert.equal((await app.request("/none")).status, 404);
  assert.equal((await (await app.request("/v1/none")).json()).error.code, "unknown_url");
  const allowed: Record<string, string> = {
    "DELETE /runs": "GET, HEAD, POST",
    "PUT /chat": "GET, POST",
    "HEAD /chat": "GET, POST",
    "HEAD /front": "GET",
    "HEAD /runs/job-1/events": "GET",
    "POST /front": "GET",
    "POST /adapters/tiny": "DELETE, GET, HEAD",
    "GET /v1/chat/completions": "POST",
    "OPTIONS /health": "GET, HEAD",
  };
  for (const [request, methods] of Object.entries(allowed)) {
    const [method, path = ""] = request.split(" ");
    const answer = await app.request(path, { method });
    assert.equal(answer.status, 405, request);
    assert.equal(answer.headers.get("allow")?.split(", ").sort().join(", "), methods, request);
  }
});

Deno.test("a body that is no JSON is 400, whatever else it is", async () => {
  const { app } = appOf();
  for (const body of ["", "{", "nul", "\u0000", "[".repeat(100_000), '{"a":1}}', "\ufeff{}"]) {
    for (const path of ["/chat", "/runs", "/v1/chat/completions"]) {
      assert.equal((await app.request(path, json(body))).status, 400, body.slice(0, 10));
    }
  }
});
