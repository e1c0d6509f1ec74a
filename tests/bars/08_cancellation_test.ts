// Bar 8: clients that leave in the middle of their stream. What was computed for them stops, and
// everything they held comes back.
import assert from "node:assert/strict";
import { after, longChat, startChatServer } from "./chat_server.ts";

const DISCONNECTS = 200;
const AT_ONCE = 10;
const STOPS_WITHIN_MS = 250;
const TOKENS = 3000; // seconds
const MIB = 2 ** 20;

Deno.test(`${DISCONNECTS} clients that leave stop their chats within ${STOPS_WITHIN_MS} ms and leave nothing behind`, async () => {
  const flags = ["--chat_batch", `${AT_ONCE}`, "--chat_queue", "0"];
  await using server = await startChatServer(flags);
  await (await longChat(server.url, { seed: 1, tokens: 10 })).text(); // the model is loaded
  const before = {
    bytes: await server.metric("chat_model_bytes"),
    cancelled: await server.metric("chat_cancelled_total"),
  };
  const times: number[] = [];
  for (let done = 0; done < DISCONNECTS; done += AT_ONCE) {
    // All of them leave once all have begun, some after their first piece, some after more.
    const leave = new AbortController();
    const begun = await Promise.all(
      Array.from({ length: AT_ONCE }, async (_, i) => {
        const { status, body } = await longChat(server.url, {
          seed: done + i,
          tokens: TOKENS,
          signal: leave.signal,
        });
        assert.equal(status, 200);
        const reader = body?.getReader();
        for (let pieces = 0; pieces <= i % 3; pieces++) await reader?.read();
        return reader;
      }),
    );
    const left = performance.now();
    leave.abort();
    await Promise.all(begun.map((reader) => reader?.cancel().catch(() => {})));
    while (await server.metric("chat_active_rows") > 0) await after(1);
    times.push(performance.now() - left);
  }
  assert.ok(Math.max(...times) <= STOPS_WITHIN_MS, `${Math.max(...times)} ms until all stopped`);
  const cancelled = await server.metric("chat_cancelled_total") - before.cancelled;
  assert.equal(cancelled, DISCONNECTS);
  const tokens = await server.metric("chat_tokens_total");
  await after(100);
  assert.equal(await server.metric("chat_tokens_total"), tokens, "something goes on");
  assert.equal(await server.metric("chat_reserved_bytes"), 0);
  assert.equal(await server.metric("chat_queue_depth"), 0);
  const grown = await server.metric("chat_model_bytes") - before.bytes;
  assert.ok(Math.abs(grown) <= MIB, `${grown} bytes more than before`);
  // every place is free again
  const again = Array.from(
    { length: AT_ONCE },
    (_, seed) => longChat(server.url, { seed, tokens: 10 }),
  );
  for (const response of await Promise.all(again)) {
    assert.equal(response.status, 200);
    assert.match(await response.text(), /^event: end$/m);
  }
});
