import assert from "node:assert/strict";
import { createOutbox, type OutboxOptions } from "../../routes/outbox.ts";
import { until } from "./until.ts";

function outboxOf(options: Partial<OutboxOptions> = {}) {
  const cuts: string[] = [];
  const outbox = createOutbox({
    limitBytes: 100,
    stalledSeconds: 60,
    whenFull: "cut",
    onCut: () => cuts.push("cut"),
    ...options,
  });
  return { outbox, cuts };
}

const bytes = (count: number) => new Uint8Array(count).fill(7);

Deno.test("bytes come out joined and in order; undefined once all is said", async () => {
  const { outbox } = outboxOf();
  outbox.push(new Uint8Array([1, 2]));
  outbox.push(new Uint8Array([3]));
  assert.deepEqual([...await outbox.take() ?? []], [1, 2, 3]);
  const later = outbox.take();
  outbox.push(new Uint8Array([4]));
  outbox.end();
  assert.deepEqual([...await later ?? []], [4]);
  assert.equal(await outbox.take(), undefined);
  assert.equal(outbox.open, false);
});

Deno.test("what waits is handed over in pieces of about 64 KiB", async () => {
  const { outbox } = outboxOf({ limitBytes: 2 ** 20 });
  for (let i = 0; i < 100; i++) outbox.push(bytes(10_000));
  const sizes: number[] = [];
  outbox.end();
  for (let piece = await outbox.take(); piece; piece = await outbox.take()) {
    sizes.push(piece.length);
  }
  assert.equal(sizes.reduce((sum, size) => sum + size), 1_000_000);
  assert.ok(sizes.every((size) => size < 64 * 1024 + 10_000), sizes.join(" "));
});

Deno.test("a reader for whom more than the limit waits is cut, and nothing is kept for it", async () => {
  const { outbox, cuts } = outboxOf();
  outbox.push(bytes(100));
  assert.deepEqual(cuts, []);
  outbox.push(bytes(1));
  assert.deepEqual(cuts, ["cut"]);
  outbox.push(bytes(1));
  assert.equal(outbox.open, false);
  assert.equal(await outbox.take(), undefined);
});

Deno.test("a source that may wait is held until there is room", async () => {
  const { outbox, cuts } = outboxOf({ whenFull: "wait" });
  outbox.push(bytes(101));
  let room = false;
  const waiting = outbox.room().then(() => room = true);
  await Promise.resolve();
  assert.equal(room, false);
  await outbox.take();
  await waiting;
  assert.deepEqual(cuts, []);
});

Deno.test("a reader that takes nothing for too long is cut; one that takes now and then is not", async () => {
  const { outbox, cuts } = outboxOf({ stalledSeconds: 0.05 });
  for (let i = 0; i < 4; i++) {
    outbox.push(bytes(1));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await outbox.take();
  }
  assert.deepEqual(cuts, []);
  outbox.push(bytes(1));
  await until(() => cuts.length === 1, 1000);
  assert.equal(outbox.open, false);
});

Deno.test("an empty outbox waits for its source without end", async () => {
  const { outbox, cuts } = outboxOf({ stalledSeconds: 0.01 });
  const next = outbox.take();
  await new Promise((resolve) => setTimeout(resolve, 50));
  outbox.push(bytes(1));
  assert.equal((await next)?.length, 1);
  assert.deepEqual(cuts, []);
  outbox.drop();
});
