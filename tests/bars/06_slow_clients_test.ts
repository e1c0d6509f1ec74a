// Bar 6: a client that sends half its headers, half its body or nothing is closed in time, and three
// hundred of them hold nobody else up. The times are shortened in the test; that the defaults are the
// bar's is a test of its own.
import assert from "node:assert/strict";
import { ServeConfig } from "../../workers/serve_config.ts";
import { openRaw, type RawConnection, statusOf } from "../routes/raw_request.ts";
import { startWebServer } from "../routes/web_server.ts";

const SOCKETS = 300;
const config = { header_timeout_seconds: 2, body_timeout_seconds: 3, idle_timeout_seconds: 2.5 };
/** What a loaded machine may add. */
const SLACK_MS = 500;

const post = "POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";

Deno.test("the times allowed are 10, 30 and 75 seconds unless the user says otherwise", () => {
  const defaults = ServeConfig.parse({});
  assert.equal(defaults.header_timeout_seconds, 10);
  assert.equal(defaults.body_timeout_seconds, 30);
  assert.equal(defaults.idle_timeout_seconds, 75);
});

Deno.test("half-sent and unused connections are closed in time", async () => {
  await using server = await startWebServer({ config });
  const sent: Record<string, { text: string; seconds: number; status: number }> = {
    nothing: { text: "", seconds: config.header_timeout_seconds, status: 408 },
    "half a header": {
      text: "GET /health HTTP/1.1\r\nhost: localhost\r\nx-a",
      seconds: config.header_timeout_seconds,
      status: 408,
    },
    "half a body": {
      text: `${post}content-length: 100\r\n\r\n{"mess`,
      seconds: config.body_timeout_seconds,
      status: 408,
    },
    "half a chunked body": {
      text: `${post}transfer-encoding: chunked\r\n\r\n64\r\n{"mess`,
      seconds: config.body_timeout_seconds,
      status: 408,
    },
    "one request and no other": {
      text: "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n",
      seconds: config.idle_timeout_seconds,
      status: 200,
    },
  };
  await Promise.all(
    Object.entries(sent).map(async ([name, { text, seconds, status }]) => {
      using connection = await openRaw(server.port);
      await connection.send(text);
      const answer = await connection.untilClosed(2 * (seconds * 1000 + SLACK_MS));
      assert.ok(answer !== null, `${name}: still open`);
      assert.equal(statusOf(answer.text), status, name);
      assert.ok(answer.ms <= seconds * 1000 + SLACK_MS, `${name}: closed after ${answer.ms} ms`);
    }),
  );
});

Deno.test("a body that drips in is closed in time", async () => {
  await using server = await startWebServer({ config });
  using connection = await openRaw(server.port);
  await connection.send(`${post}content-length: 1000\r\n\r\n`);
  const drip = setInterval(() => connection.send(" ").catch(() => clearInterval(drip)), 100);
  try {
    const seconds = config.body_timeout_seconds;
    const answer = await connection.untilClosed(2 * seconds * 1000);
    assert.ok(answer !== null && answer.ms <= seconds * 1000 + SLACK_MS, `${answer?.ms} ms`);
  } finally {
    clearInterval(drip);
  }
});

Deno.test(`${SOCKETS} half-open connections leave /health under 100 ms at p95`, async () => {
  await using server = await startWebServer();
  const open: RawConnection[] = [];
  try {
    for (let i = 0; i < SOCKETS; i++) {
      const connection = await openRaw(server.port);
      open.push(connection);
      const texts = [
        "",
        "GET / HT",
        "GET /health HTTP/1.1\r\nhost: loc",
        `${post}content-length: 9\r\n\r\n{`,
      ];
      await connection.send(texts[i % texts.length] ?? "");
    }
    const times: number[] = [];
    for (let i = 0; i < 100; i++) {
      const started = performance.now();
      const answer = await fetch(`${server.url}/health`);
      await answer.body?.cancel();
      assert.equal(answer.status, 200);
      times.push(performance.now() - started);
    }
    times.sort((a, b) => a - b);
    assert.ok((times[94] ?? Infinity) < 100, `p95 ${times[94]} ms`);
  } finally {
    for (const connection of open) connection.close();
  }
});
