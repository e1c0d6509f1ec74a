// Bar 11: with a key set, every route and method but the public ones answers 401 to whoever does not
// send exactly that key in exactly that header; the table is the app's own list of routes. And no
// server starts without a key where others could reach it.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { appOf, json } from "../routes/app_of.ts";
import { openRaw, statusOf } from "../routes/raw_request.ts";
import { startWebServer } from "../routes/web_server.ts";

const main = fileURLToPath(new URL("../../main.ts", import.meta.url));
const KEY = "a-long-and-secret-key";
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const PUBLIC = ["/", "/app.js", "/docs", "/docs/init.js", "/health", "/ready", "/version"];
const files = Object.fromEntries(
  ["/", "/app.js"].map((path) => [path, { type: "text/plain", bytes: new Uint8Array(1) }]),
);

/** Ways to be wrong: headers, and what stands in the query. */
const wrong: Record<string, { headers?: Record<string, string>; query?: string }> = {
  none: {},
  empty: { headers: { authorization: "" } },
  "empty bearer": { headers: { authorization: "Bearer " } },
  "another key": { headers: { authorization: "Bearer another-key" } },
  "a longer key": { headers: { authorization: `Bearer ${KEY}x` } },
  "a shorter key": { headers: { authorization: `Bearer ${KEY.slice(0, -1)}` } },
  "another case": { headers: { authorization: `Bearer ${KEY.toUpperCase()}` } },
  "another scheme": { headers: { authorization: `Basic ${btoa(`user:${KEY}`)}` } },
  "no scheme": { headers: { authorization: KEY } },
  "a scheme run together": { headers: { authorization: `Bearer${KEY}` } },
  "two keys in one header": { headers: { authorization: `Bearer ${KEY}, Bearer ${KEY}` } },
  "another header": { headers: { "x-api-key": KEY, "api-key": KEY, cookie: `key=${KEY}` } },
  "in the query": { query: `?api_key=${KEY}&key=${KEY}&access_token=${KEY}` },
};

Deno.test("every route but the public ones wants the key, on every method", async () => {
  const { app } = appOf({ apiKey: KEY, files });
  const paths = [
    ...new Set(app.routes.filter(({ method }) => method !== "ALL").map(({ path }) => path)),
    "/no/such/path",
    "/docs/",
    "/health/",
    "/HEALTH",
    "//health",
    "/v1/health",
  ];
  assert.ok(paths.length > 25, paths.join(" "));
  for (const path of paths.map((pattern) => pattern.replaceAll(/:\w+/g, "tiny"))) {
    for (const method of METHODS) {
      for (const [name, { headers, query = "" }] of Object.entries(wrong)) {
        const { status } = await app.request(path + query, { method, headers });
        const what = `${method} ${path} with ${name}`;
        if (!PUBLIC.includes(path)) assert.equal(status, 401, what);
        else assert.notEqual(status, 401, what);
      }
    }
  }
});

Deno.test("the right key opens every route", async () => {
  const { app } = appOf({ apiKey: KEY, files });
  for (const { method, path } of app.routes.filter(({ method }) => method !== "ALL")) {
    for (const authorization of [`Bearer ${KEY}`, `bearer ${KEY}`]) {
      const answer = await app.request(path.replaceAll(/:\w+/g, "tiny"), {
        method,
        headers: { authorization },
      });
      await answer.body?.cancel();
      assert.notEqual(answer.status, 401, `${method} ${path}`);
    }
  }
});

Deno.test("the header sent twice is refused, and a refusal says how to do better", async () => {
  await using server = await startWebServer({ apiKey: KEY });
  using connection = await openRaw(server.port);
  await connection.send(
    `GET /models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${KEY}\r\n` +
      `authorization: Bearer ${KEY}\r\nconnection: close\r\n\r\n`,
  );
  const answer = await connection.read();
  assert.equal(statusOf(answer), 401);
  assert.match(answer, /^www-authenticate: Bearer\r$/im);
  assert.match(answer, /content-type: application\/problem\+json/i);
  assert.doesNotMatch(answer, new RegExp(KEY));
});

Deno.test("under /v1 a wrong key has OpenAI's shape", async () => {
  const { app } = appOf({ apiKey: KEY });
  const answer = await app.request("/v1/chat/completions", json({}));
  assert.equal(answer.status, 401);
  const { error } = await answer.json();
  assert.equal(error.type, "authentication_error");
  assert.equal(error.code, "invalid_api_key");
});

Deno.test("keys stand in no log line", async () => {
  const { app, lines } = appOf({ apiKey: KEY });
  await app.request(`/models?key=${KEY}`, { headers: { authorization: `Bearer ${KEY}` } });
  await app.request(`/models?key=${KEY}`, { headers: { authorization: `Basic ${KEY}` } });
  assert.equal(lines.length, 2);
  assert.doesNotMatch(JSON.stringify(lines), new RegExp(KEY));
});

Deno.test("no server starts without a key on an address that others can reach", async () => {
  for (const host of ["0.0.0.0", "::", "192.168.0.1"]) {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--quiet", "-A", main, "serve", "--host", host, "--port", "0"],
      env: { PANACEA_API_KEY: "" },
      stdout: "null",
      stderr: "piped",
    }).output();
    assert.notEqual(code, 0, host);
    assert.match(new TextDecoder().decode(stderr), /PANACEA_API_KEY/, host);
  }
});
