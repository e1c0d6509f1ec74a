import assert from "node:assert/strict";
import { appOf } from "./app_of.ts";
import { memoryChat, memoryService } from "./memory_service.ts";

Deno.test("/health, /ready and /version ask nobody", async () => {
  const service = new Proxy(memoryService(), {
    get() {
      throw new Error("asked");
    },
  });
  const { app } = appOf({ service });
  assert.deepEqual(await (await app.request("/health")).json(), { status: "ok" });
  assert.deepEqual(await (await app.request("/ready")).json(), { status: "ready" });
  const version = await (await app.request("/version")).json();
  assert.deepEqual(version, { name: "panacea", version: "0.0.0" });
});

Deno.test("/metrics counts by route, with the gauges of the others, without one that does not answer", async () => {
  const service = { ...memoryService(), gauges: () => Promise.reject(new Error("gone")) };
  const { app } = appOf({ service });
  await app.request("/adapters/tiny");
  await app.request("/adapters/three");
  await app.request("/none");
  await app.request("/chat?adapter=tiny&message=hi");
  const answer = await app.request("/metrics");
  assert.equal(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const text = await answer.text();
  const lines = text.split("\n");
  const count = (route: string, status: number) =>
    `panacea_http_requests_total{method="GET",route="${route}",status="${status}"}`;
  assert.ok(lines.includes(`${count("/adapters/:id", 200)} 2`), text);
  assert.ok(lines.includes(`${count("unmatched", 404)} 1`));
  assert.ok(lines.includes("panacea_chat_first_token_seconds_count 1"));
  assert.ok(lines.includes("panacea_chats_open 0"));
  assert.ok(lines.includes('panacea_chats_ended_total{reason="stop"} 1'));
  assert.ok(lines.includes("panacea_chat_running 0"));
  assert.doesNotMatch(text, /tiny|message/);
  // The text format: comments, or a name with labels and a number.
  for (const line of lines) {
    assert.match(line, /^(|# (HELP|TYPE) .+|[a-z_]+(\{[^}]*\})? (\d+(\.\d+)?(e-?\d+)?|\+Inf))$/i);
  }
});

Deno.test("each request is one line of the log, with the id that its answer has", async () => {
  const { app, lines } = appOf();
  const given = { headers: { "x-request-id": "client-1_A" } };
  const answer = await app.request("/chat?adapter=tiny&message=secret-words", given);
  assert.equal(answer.headers.get("x-request-id"), "client-1_A");
  assert.equal(lines.length, 1);
  const { ms, ...line } = lines[0] ?? {};
  assert.equal(typeof ms, "number");
  assert.deepEqual(line, {
    level: "info",
    request_id: "client-1_A",
    method: "GET",
    route: "/chat",
    path: "/chat",
    status: 200,
  });
  for (const odd of ["", "a b", "x".repeat(65), "ü", 'a"b']) {
    const { headers } = await app.request("/health", { headers: { "x-request-id": odd } });
    assert.match(headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/, odd);
  }
});

Deno.test("the line of a stream is written when it has ended, and tells how it failed", async () => {
  const chat = memoryChat({
    *pieces({ messages }) {
      yield "so far";
      if (messages[0]?.content === "fail") throw new RangeError("Cannot go on");
    },
  });
  const { app, lines } = appOf({ chat });
  for (const message of ["go on", "fail"]) {
    const answer = await app.request(`/chat?adapter=tiny&message=${message}&stream=true`);
    const before = lines.length;
    await answer.text();
    assert.equal(lines.length, before + 1);
  }
  assert.deepEqual(lines.map(({ level, error }) => [level, error]), [
    ["info", undefined],
    ["error", "RangeError"],
  ]);
});

Deno.test("a line break in a path makes no line of its own", async () => {
  const { app, lines } = appOf();
  await app.request("/adapters/a%0D%0A%7B%22level%22%3A%22info%22%7D");
  assert.equal(lines.length, 1);
  assert.doesNotMatch(JSON.stringify(lines[0]), /[\r\n]/);
});

Deno.test("scripts come from our own files alone, on every answer", async () => {
  const { app } = appOf();
  for (const path of ["/", "/docs", "/health", "/none", "/chat", "/front?adapter=tiny"]) {
    const { headers } = await app.request(path);
    const policy = headers.get("content-security-policy") ?? "";
    const script = /script-src ([^;]+)/.exec(policy)?.[1];
    assert.equal(script, "'self'", path);
    assert.match(policy, /default-src 'none'.*base-uri 'none'.*frame-ancestors 'none'/, path);
    assert.equal(headers.get("x-content-type-options"), "nosniff", path);
    assert.equal(headers.get("access-control-allow-origin"), null, path);
  }
});

Deno.test("files are served with their type and tag; without a bundle there is no page", async () => {
  const bytes = new TextEncoder().encode("export {}");
  const files = { "/app.js": { type: "text/javascript; charset=utf-8", bytes } };
  const { app } = appOf({ files });
  const answer = await app.request("/app.js");
  assert.equal(await answer.text(), "export {}");
  assert.equal(answer.headers.get("content-type"), "text/javascript; charset=utf-8");
  const tag = answer.headers.get("etag") ?? "";
  const again = await app.request("/app.js", { headers: { "if-none-match": tag } });
  assert.equal(again.status, 304);
  assert.equal(await again.text(), "");
  const page = await app.request("/");
  assert.equal(page.status, 404);
  assert.match((await page.json()).detail, /deno task page/);
});
