// Bar 9, web side: a client that stops reading its stream is cut, its generation ends, what waits for
// it stays within its limit, and nobody else's stream becomes slower. How many bytes may wait is
// counted in tests/routes/outbox_test.ts.
import assert from "node:assert/strict";
import { ServeConfig } from "../../workers/serve_config.ts";
import { memoryChat } from "../routes/memory_service.ts";
import { openRaw, type RawConnection } from "../routes/raw_request.ts";
import { startWebServer } from "../routes/web_server.ts";
import { until } from "../routes/until.ts";

const MIB = 2 ** 20;
const STALLED = 8;
const request = (message: string) =>
  `GET /chat?adapter=tiny&stream=true&message=${message} HTTP/1.1\r\nhost: localhost\r\n\r\n`;

Deno.test("a reader may stall 20 seconds and have 256 KiB waiting unless the user says otherwise", () => {
  const defaults = ServeConfig.parse({});
  assert.equal(defaults.stalled_reader_seconds, 20);
  assert.equal(defaults.stream_buffer_bytes, 256 * 1024);
});

Deno.test("a reader that stalls is cut when more than its share waits", async () => {
  const chat = endless({ bytes: 16 * 1024, ms: 1 });
  await using server = await startWebServer({ chat });
  using stalled = await openRaw(server.port);
  await stalled.send(request("flood"));
  await stalled.read();
  await until(() => chat.running === 1, 1000);
  // The kernel takes some megabytes before anything waits here.
  await until(() => chat.running === 0, 10_000);
  assert.ok(chat.sent * 16 * 1024 < 32 * MIB, `${chat.sent} pieces were made for it`);
});

Deno.test("a reader that stalls is cut when it took nothing for too long", async () => {
  const seconds = 1;
  const chat = memoryChat({
    *pieces() {
      for (let i = 0; i < 256; i++) yield "a".repeat(64 * 1024); // 16 MiB: more than kernels take
      for (;;) yield "and no end";
    },
    pace: () => wait(chat.sent < 256 ? 0 : 100),
    contextTokens: Infinity,
  });
  const config = { stalled_reader_seconds: seconds, stream_buffer_bytes: 64 * MIB };
  await using server = await startWebServer({ chat, config });
  using stalled = await openRaw(server.port);
  await stalled.send(request("flood"));
  await until(() => chat.sent >= 256, 10_000);
  const started = performance.now();
  await until(() => chat.running === 0, 5000 * seconds);
  assert.ok(performance.now() - started < 2000 * seconds, "cut too late");
});

Deno.test(`${STALLED} stalled readers slow nobody else by a tenth`, async () => {
  // Said often enough to count, and so short that stalled readers are not cut meanwhile.
  const chat = endless({ bytes: 4, ms: 5 });
  await using server = await startWebServer({ chat });
  const shares: number[] = [];
  for (let round = 0; round < 3; round++) {
    const alone = await countTexts(server.port, { seconds: 1 });
    const stalled: RawConnection[] = [];
    for (let i = 0; i < STALLED; i++) {
      const connection = await openRaw(server.port);
      await connection.send(request("stall"));
      stalled.push(connection);
    }
    await until(() => chat.running === STALLED, 1000);
    shares.push(await countTexts(server.port, { seconds: 1 }) / alone);
    for (const connection of stalled) connection.close();
    await until(() => chat.running === 0, 1000);
  }
  // The best round: other tests may run beside this one.
  assert.ok(Math.max(...shares) > 0.9, `${shares.join(", ")} of the texts came`);
});

/** Texts of four streams that are read. */
async function countTexts(port: number, { seconds }: { seconds: number }): Promise<number> {
  const counts = Array.from({ length: 4 }, async () => {
    using connection = await openRaw(port);
    await connection.send(request("count"));
    const ends = performance.now() + 1000 * seconds;
    let count = 0;
    while (performance.now() < ends) {
      count += (await connection.read()).split("event: text").length - 1;
    }
    return count;
  });
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

function endless({ bytes, ms }: { bytes: number; ms: number }) {
  return memoryChat({
    *pieces() {
      for (;;) yield "a".repeat(bytes);
    },
    pace: () => wait(ms),
    contextTokens: Infinity,
  });
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
