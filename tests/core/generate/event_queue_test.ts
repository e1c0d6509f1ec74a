import assert from "node:assert/strict";
import { createEventQueue } from "../../../core/generate/event_queue.ts";

Deno.test("values come in order, those pushed before and those pushed while reading", async () => {
  let left = 0;
  const queue = createEventQueue<number>(() => left++);
  queue.push(1);
  queue.push(2);
  const read = Array.fromAsync(queue);
  queue.push(3);
  await Promise.resolve();
  queue.push(4);
  queue.close();
  queue.close(new Error("too late"));
  assert.deepEqual(await read, [1, 2, 3, 4]);
  assert.equal(left, 0);
});

Deno.test("an error comes after the values before it", async () => {
  const queue = createEventQueue<number>(() => {});
  queue.push(1);
  queue.close(new RangeError("broken"));
  const values: number[] = [];
  await assert.rejects(async () => {
    for await (const value of queue) values.push(value);
  }, RangeError);
  assert.deepEqual(values, [1]);
});

Deno.test("onLeave is called when the reader leaves early, and not after the end", async () => {
  let left = 0;
  const early = createEventQueue<number>(() => left++);
  early.push(1);
  for await (const _ of early) break;
  assert.equal(left, 1);
  const closed = createEventQueue<number>(() => left++);
  closed.push(1);
  closed.close();
  for await (const _ of closed) break;
  assert.equal(left, 1);
});
