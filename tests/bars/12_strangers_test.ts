// Bar 12: a stranger's web page reaches nothing, whichever method it uses: not by another name of our
// address (DNS rebinding), not from its own origin (CSRF), not with a body that needs no preflight;
// and no way of writing a path leads around the guard.
import assert from "node:assert/strict";
import { ServeConfig } from "../../workers/serve_config.ts";
import { appOf } from "../routes/app_of.ts";
import { openRaw, statusOf } from "../routes/raw_request.ts";
import { startWebServer } from "../routes/web_server.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const PATHS = ["/", "/docs", "/health", "/ready", "/version", "/front?adapter=tiny", "/chat"]
  .concat("/v1/models", "/v1/chat/completions", "/runs", "/runs/x/cancel", "/adapters/tiny")
  .concat("/models", "/metrics", "/openapi.json", "/none");

const hosts = [
  "evil.example",
  "evil.example:8000",
  "localhost.evil.example",
  "127.0.0.1.evil.example",
  "127.0.0.1@evil.example",
  "evil.example#localhost",
  "localhost, evil.example",
  "169.254.169.254",
  "192.168.0.1",
  "0.0.0.0",
  "[::ffff:127.0.0.1]",
  "localhost:99999999",
  "localhost.",
  " ",
];
const origins = [
  "null",
  "http://evil.example",
  "https://evil.example",
  "http://localhost.evil.example",
  "http://localhost:8001",
  "http://127.0.0.1",
  "file://",
  "chrome-extension://abc",
  "localhost",
  "",
];

Deno.test("a foreign Host is refused on every method and path", async () => {
  const { app } = appOf();
  for (const path of PATHS) {
    for (const method of METHODS) {
      for (const host of hosts) {
        const { status } = await app.request(path, { method, headers: { host } });
        assert.equal(status, 403, `${method} ${path} of ${host}`);
      }
    }
  }
});

Deno.test("a foreign Origin is refused on every method and path", async () => {
  const { app } = appOf();
  for (const path of PATHS) {
    for (const method of METHODS) {
      for (const origin of origins) {
        const headers = { host: "localhost:8000", origin };
        const { status } = await app.request(path, { method, headers });
        assert.equal(status, 403, `${method} ${path} from ${origin}`);
      }
    }
  }
});

Deno.test("a fetch that a browser calls cross-site is refused; a link to the page may be followed", async () => {
  const { app } = appOf();
  const image = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" };
  const link = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };
  const neighbour = { "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors" };
  const work = ["/chat?adapter=tiny&message=hi", "/front?adapter=tiny", "/v1/models", "/docs"];
  for (const path of work) {
    for (const headers of [image, neighbour]) {
      assert.equal((await app.request(path, { headers })).status, 403, path);
    }
  }
  assert.equal((await app.request(work[0] ?? "", { headers: link })).status, 403);
  assert.equal((await app.request("/docs", { headers: link })).status, 200);
  for (const site of ["same-origin", "none"]) {
    const headers = { "sec-fetch-site": site, "sec-fetch-mode": "cors" };
    assert.equal((await app.request("/v1/models", { headers })).status, 200);
  }
});

Deno.test("our own names and origins are answered, and those the user allows", async () => {
  const { app } = appOf({ config: { allowed_hosts: "panacea.example" } });
  for (const host of ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000"]) {
    const headers = { host, origin: `http://${host}` };
    assert.equal((await app.request("/models", { headers })).status, 200, host);
  }
  for (const origin of ["https://panacea.example", "http://panacea.example:81"]) {
    const headers = { host: "panacea.example", origin };
    assert.equal((await app.request("/models", { headers })).status, 200, origin);
  }
});

Deno.test("a server on every address answers to any address, but to no strange name", async () => {
  const { app } = appOf({ config: { host: "0.0.0.0" }, apiKey: "key" });
  for (const [host, status] of Object.entries({ "192.168.0.7:8000": 200, "evil.example": 403 })) {
    assert.equal((await app.request("/health", { headers: { host } })).status, status, host);
  }
});

Deno.test("JSON that comes as a form or as text is answered 415 on every method that has a body", async () => {
  const { app } = appOf();
  const types = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""];
  for (
    const path of ["/chat", "/runs", "/v1/chat/completions", "/runs/x/cancel", "/adapters/tiny"]
  ) {
    for (const method of ["POST", "DELETE", "PUT", "PATCH"]) {
      for (const type of [...types, "text/json", "application/jsonp", "application/json5"]) {
        const body = JSON.stringify({ adapter: "tiny" });
        const headers = { "content-type": type, "content-length": String(body.length) };
        const { status } = await app.request(path, { method, headers, body });
        assert.equal(status, 415, `${method} ${path} as ${type}`);
      }
    }
  }
});

Deno.test("the default address is 127.0.0.1, and the listener is on no other", async () => {
  assert.equal(ServeConfig.parse({}).host, "127.0.0.1");
  await using server = await startWebServer();
  const port = server.port.toString(16).toUpperCase().padStart(4, "0");
  const listening: string[] = [];
  for (const table of ["tcp", "tcp6"]) {
    const lines = await Deno.readTextFile(`/proc/net/${table}`).catch(() => "");
    for (const line of lines.split("\n").slice(1)) {
      const [, local = "", , state] = line.trim().split(/\s+/);
      if (state === "0A" && local.endsWith(`:${port}`)) listening.push(local); // 0A: LISTEN
    }
  }
  assert.deepEqual(listening, [`0100007F:${port}`]); // 127.0.0.1, lowest byte first
});

Deno.test("no way of writing a path or a target leads around the guard", async () => {
  const secret = "key";
  await using server = await startWebServer({ apiKey: secret });
  const targets = [
    "//models",
    "/./models",
    "/docs/../models",
    "/health/../models",
    "/health/..%2Fmodels",
    "/health%2F..%2Fmodels",
    "/health%2f%2e%2e%2fmodels",
    "/health\\..\\models",
    "/health%5C..%5Cmodels",
    "/health;/../models",
    "/%6dodels",
    "/models%00",
    "/models%20",
    "/models/",
    "/MODELS",
    "/models?/health",
    "/models#/health",
    "/health/%2e%2e/models",
    "/docs/init.js/../../models",
    "http://localhost/models",
    "http://localhost/health/../models",
    "http://localhost\\@evil.example/models",
    "http://evil.example/models",
    "http://evil.example/health",
    "*",
    "models",
  ];
  for (const target of targets) {
    using connection = await openRaw(server.port);
    await connection.send(`GET ${target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
    const status = statusOf(await connection.read());
    assert.ok([400, 401, 403].includes(status), `${status} for ${target}`);
  }
  const headers = { authorization: `Bearer ${secret}` };
  assert.equal((await fetch(`${server.url}/models`, { headers })).status, 200);
});

Deno.test("requests that smuggle another are refused", async () => {
  await using server = await startWebServer();
  const post = "POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
  const inner = "GET /models HTTP/1.1\r\nhost: localhost\r\n\r\n";
  for (
    const text of [
      `${post}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
      `${post}content-length: 2\r\ncontent-length: 40\r\n\r\n{}${inner}`,
      `${post}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n${inner}`,
      `GET /models HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n`,
      `GET /models HTTP/1.1\r\n\r\n`,
      `GET /models HTTP/1.1\r\nhost : localhost\r\n\r\n`,
    ]
  ) {
    using connection = await openRaw(server.port);
    await connection.send(text);
    const status = statusOf(await connection.read());
    assert.ok([400, 403].includes(status), `${status} for ${JSON.stringify(text)}`);
  }
});
