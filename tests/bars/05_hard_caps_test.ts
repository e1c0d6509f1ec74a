// Bar 5: every cap of HTTP holds at cap + 1, quickly, and a hundred requests over their size leave no
// memory behind. The cap of max_tokens is the chat worker's, whose own test has it.
import assert from "node:assert/strict";
import { openRaw, statusOf } from "../routes/raw_request.ts";
import { startServerProcess } from "../routes/web_server_process.ts";
import { startWebServer, type WebServer } from "../routes/web_server.ts";

const MIB = 2 ** 20;
const LONGEST_MS = 50;

const message = { role: "user", content: "hi" };
const question = { adapter: "tiny", messages: [message] };
const completion = { model: "tiny", messages: [message] };

/** Requests one above a cap, and what is at it. */
const caps: Record<string, { path: string; at?: unknown; above?: unknown }> = {
  "n ≤ 4": {
    path: "/v1/chat/completions",
    at: { ...completion, n: 4 },
    above: { ...completion, n: 5 },
  },
  "messages ≤ 256": {
    path: "/chat",
    at: { ...question, messages: Array(256).fill(message) },
    above: { ...question, messages: Array(257).fill(message) },
  },
  "messages ≤ 256 under /v1": {
    path: "/v1/chat/completions",
    at: { ...completion, messages: Array(256).fill(message) },
    above: { ...completion, messages: Array(257).fill(message) },
  },
  "a message ≤ 262144 characters": {
    path: "/chat",
    at: { ...question, messages: [{ role: "user", content: "a".repeat(262_144) }] },
    above: { ...question, messages: [{ role: "user", content: "a".repeat(262_145) }] },
  },
  "stop ≤ 8": {
    path: "/chat",
    at: { ...question, stop: Array(8).fill("x") },
    above: { ...question, stop: Array(9).fill("x") },
  },
  "λ ≤ 64 weights": {
    path: "/chat",
    above: { ...question, preference: Array(65).fill(0) },
  },
  "temperature ≤ 2": {
    path: "/chat",
    at: { ...question, temperature: 2 },
    above: { ...question, temperature: 2.001 },
  },
  "seed < 2³²": {
    path: "/chat",
    at: { ...question, seed: 2 ** 32 - 1 },
    above: { ...question, seed: 2 ** 32 },
  },
  "max_tokens ≤ the context": {
    path: "/chat",
    at: { ...question, max_tokens: 1024 },
    above: { ...question, max_tokens: 1025 },
  },
};

Deno.test("values at their cap are taken, one above is refused at once", async () => {
  await using server = await startWebServer();
  await post(server, { path: "/chat", body: question }); // the first of all compiles what it runs
  for (const [name, { path, at, above }] of Object.entries(caps)) {
    if (at !== undefined) assert.equal((await post(server, { path, body: at })).status, 200, name);
    const refused = () => post(server, { path, body: above });
    assert.equal((await refused()).status, 400, name);
    await assertFast(refused, name);
  }
  for (const [grid, wanted] of [[1001, 202], [1002, 400]]) {
    const answer = await fetch(`${server.url}/front?adapter=three&grid=${grid}`);
    await answer.body?.cancel();
    assert.equal(answer.status, wanted, `grid ${grid}`);
  }
});

Deno.test("a body above 1 MiB is answered 413, whether it says its length or not", async () => {
  await using server = await startWebServer();
  const tooLong = body(MIB + 1);
  const justRight = body(MIB);
  assert.equal((await post(server, { path: "/chat", body: justRight })).status, 400); // of its schema
  const refused = () => post(server, { path: "/chat", body: tooLong });
  assert.equal((await refused()).status, 413);
  await assertFast(refused, "413");
  assert.equal(statusOf(await sendChunked(server, tooLong)), 413);
  assert.equal(statusOf(await sendChunked(server, justRight)), 400);
  // A length that is a lie is refused before a byte of the body is there.
  using connection = await openRaw(server.port);
  await connection.send(head(`content-length: ${10 * MIB}`));
  assert.equal(statusOf(await connection.read()), 413);
});

Deno.test("headers above 16 KiB are answered 431", async () => {
  await using server = await startWebServer();
  for (
    const [line, status] of [
      ["GET /health HTTP/1.1\r\nx-long: " + "a".repeat(8000), 200],
      ["GET /health HTTP/1.1\r\nx-long: " + "a".repeat(17_000), 431],
      [`GET /health?${"a".repeat(17_000)} HTTP/1.1`, 431],
      [`GET /health?${"a".repeat(1_000_000)} HTTP/1.1`, 431],
    ] satisfies [string, number][]
  ) {
    using connection = await openRaw(server.port);
    await connection.send(`${line}\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
    assert.equal(statusOf(await connection.read()), status, line.slice(0, 40));
  }
});

Deno.test("a hundred bodies above the cap hold less than 50 MiB more than bodies at the cap", async () => {
  await using server = await startServerProcess();
  async function sendHundred(text: string, status: number): Promise<void> {
    for (let i = 0; i < 100; i++) assert.equal(statusOf(await sendChunked(server, text)), status);
  }
  // The garbage that V8 lets lie for bodies of any size, measured alone: about 80 MiB.
  await sendHundred(body(MIB), 400);
  const before = await server.residentMiB();
  await sendHundred(body(2 * MIB), 413);
  const grown = await server.residentMiB() - before;
  assert.ok(grown < 50, `grew by ${grown.toFixed(1)} MiB`);
});

/** The best of three: other tests may run beside this one. */
async function assertFast(ask: () => Promise<{ ms: number }>, name: string): Promise<void> {
  const times = [(await ask()).ms, (await ask()).ms, (await ask()).ms];
  assert.ok(Math.min(...times) < LONGEST_MS, `${name}: ${times.join(", ")} ms`);
}

/** JSON of exactly so many bytes, which is no chat. */
function body(bytes: number): string {
  return `{"pad":"${"a".repeat(bytes - 10)}"}`;
}

async function post(server: WebServer, { path, body }: { path: string; body: unknown }) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const started = performance.now();
  const answer = await fetch(server.url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: text,
  });
  await answer.body?.cancel();
  return { status: answer.status, ms: performance.now() - started };
}

function head(header: string): string {
  return "POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n" +
    `${header}\r\n\r\n`;
}

/** Sends a body in chunks and gives what the server says first. */
async function sendChunked({ port }: { port: number }, text: string): Promise<string> {
  using connection = await openRaw(port);
  await connection.send(head("transfer-encoding: chunked"));
  const answer = connection.read();
  const piece = 64 * 1024;
  try {
    for (let at = 0; at < text.length; at += piece) {
      const part = text.slice(at, at + piece);
      await connection.send(`${part.length.toString(16)}\r\n${part}\r\n`);
    }
    await connection.send("0\r\n\r\n");
  } catch (error) {
    // The server may close as soon as it has heard enough.
    if (
      !(error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset)
    ) {
      throw error;
    }
  }
  return await answer;
}
