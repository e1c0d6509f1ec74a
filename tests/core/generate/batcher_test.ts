// The batcher's logic, on a decoder whose logits tell every mistake apart. What needs real sums is
// in real_decoder_test.ts.
import assert from "node:assert/strict";
import { InputError, OverloadedError } from "../../../core/errors.ts";
import type { GenerateEvent, GenerateRequest } from "../../../core/generate/request.ts";
import { Random } from "../../../core/random.ts";
import { answerOf, ask, askAlone, requestOf, roomyBatcher, until } from "./answers.ts";
import { certain, smallModel } from "./small_decoder.ts";

const never = new AbortController().signal;

/** λ of two dimensions, of an adapter that `decoder` accepts. */
function adapterOf(id: string) {
  return { id, objectives: 2, bytes: 0 };
}

Deno.test("generate() answers token by token until the end token, which is not shown", async () => {
  const script = [3, 4, 1, 5, 0];
  const model = smallModel({ logitsOf: ({ tokens }) => certain(script[tokens.length - 3] ?? 9) });
  const batcher = roomyBatcher();
  const events: GenerateEvent[] = [];
  for await (const event of batcher.generate(requestOf(model), never)) events.push(event);
  assert.deepEqual(events, [
    { type: "text", text: "b" },
    { type: "text", text: "c" },
    { type: "text", text: "d" }, // 1 is special: nothing to show
    { type: "end", reason: "stop", promptTokens: 3, cachedTokens: 0, completionTokens: 5 },
  ]);
  assert.deepEqual(model.decoder.calls.map(({ kind, count }) => [kind, count]), [
    ["prefill", 3],
    ["step", 1],
    ["step", 1],
    ["step", 1],
    ["step", 1],
  ]);
});

Deno.test("generate() ends after max_tokens, and at a stop string", async () => {
  const model = smallModel({ logitsOf: ({ tokens }) => certain(2 + tokens.length % 5) });
  const batcher = roomyBatcher();
  const long = await ask(batcher, requestOf(model, { maxTokens: 7 }));
  assert.deepEqual([long.text, long.end.reason], ["deabcde", "length"]);
  const stopped = await ask(batcher, requestOf(model, { stop: ["bcd"] }));
  assert.deepEqual([stopped.text, stopped.end.reason, stopped.end.completionTokens], [
    "dea",
    "stop",
    6,
  ]);
  const cut = await ask(batcher, requestOf(model, { stop: ["bcx"], maxTokens: 5 }));
  assert.deepEqual([cut.text, cut.end.reason], ["deabc", "length"]);
});

Deno.test("generate() answers the same in company as alone, whoever joins and leaves", async () => {
  const random = new Random(4);
  const adapters = [null, adapterOf("x"), adapterOf("y")];
  const model = smallModel();
  const requests = Array.from({ length: 60 }, (_, i): GenerateRequest => {
    const adapter = adapters[random.integer(3)] ?? null;
    const weight = random.integer(11) / 10;
    return requestOf(model, {
      adapter,
      preference: adapter ? [weight, 1 - weight] : [],
      prompt: Array.from({ length: 1 + random.integer(200) }, () => 2 + random.integer(30)),
      maxTokens: 1 + random.integer(30),
      temperature: [0, 0.5, 1, 2][random.integer(4)] ?? 1,
      topP: [0.5, 0.9, 1][random.integer(3)] ?? 1,
      seed: i,
      stop: random.integer(2) ? ["ab", "q"] : [],
    });
  });
  const alone = [];
  for (const request of requests) alone.push(await askAlone(request));

  const batcher = roomyBatcher({ maxRows: 12 });
  const together = requests.map(async (request, i) => {
    await until(() => model.decoder.calls.length > 3 * i, "its turn came");
    return await ask(batcher, request);
  });
  model.decoder.calls.length = 0;
  assert.deepEqual(await Promise.all(together), alone);
  const steps = model.decoder.calls.filter(({ kind }) => kind === "step");
  assert.ok(steps.some(({ rows }) => rows.length >= 4), "rows shared steps");
  assert.ok(Math.max(...steps.map(({ rows }) => rows.length)) <= 12);
  await until(() => batcher.state().rows === 0, "all rows left");
  assert.deepEqual(model.decoder.live, { sequences: 0, bytes: 0 });
});

Deno.test("rows of different λ share a step; adapters are stepped in turn", async () => {
  const model = smallModel();
  const batcher = roomyBatcher();
  const [x, y] = [adapterOf("x"), adapterOf("y")];
  const requests = [x, y, x, y, x].map((adapter, i) =>
    requestOf(model, { adapter, preference: [i / 4, 1 - i / 4], seed: i })
  );
  await Promise.all(requests.map((request) => ask(batcher, request)));
  const steps = model.decoder.calls.filter(({ kind }) => kind === "step");
  assert.deepEqual(steps.slice(0, 4).map(({ adapter, rows }) => [adapter, rows.length]), [
    ["x", 3],
    ["y", 2],
    ["x", 3],
    ["y", 2],
  ]);
  assert.deepEqual(steps[0]?.rows.map(({ preference }) => preference[0]), [0, 0.5, 1]);
});

Deno.test("a long prompt is computed in pieces between the steps of those that run", async () => {
  const model = smallModel();
  const batcher = roomyBatcher();
  const running = ask(batcher, requestOf(model, { maxTokens: 30 }));
  await until(() => model.decoder.calls.length >= 5, "the first one runs");
  const from = model.decoder.calls.length;
  await ask(batcher, requestOf(model, { prompt: Array(150).fill(8), maxTokens: 1 }));
  await running;
  const after = model.decoder.calls.slice(from).map(({ kind, count }) => `${kind} ${count}`);
  const first = after.indexOf("prefill 64");
  assert.deepEqual(after.slice(first, first + 5), [
    "prefill 64",
    "step 1",
    "prefill 64",
    "step 1",
    "prefill 22",
  ]);
});

Deno.test("requests wait in the order they came; beyond the limit they are refused", async () => {
  const model = smallModel();
  const batcher = roomyBatcher({ maxRows: 2, maxWaiting: 3 });
  const order: number[] = [];
  const answers = Array.from(
    { length: 5 },
    (_, i) => ask(batcher, requestOf(model, { maxTokens: 4, seed: i })).then(() => order.push(i)),
  );
  assert.equal(batcher.room(), 0);
  assert.throws(
    () => batcher.generate(requestOf(model), never),
    (error) => error instanceof OverloadedError && error.retryAfterSeconds >= 1,
  );
  await Promise.all(answers);
  assert.deepEqual(order, [0, 1, 2, 3, 4]);
  assert.ok(model.decoder.calls.every(({ rows }) => rows.length <= 2));
  await until(() => batcher.state().rows === 0, "all left");
  assert.equal(batcher.room(), 5);
});

Deno.test("Retry-After grows with the queue and with the time that answers take", async () => {
  const slow = async (milliseconds: number, waiting: number) => {
    const model = smallModel({
      onCall: () => new Promise((resolve) => setTimeout(resolve, milliseconds)),
    });
    const batcher = roomyBatcher({ maxRows: 1, maxWaiting: 200 });
    await ask(batcher, requestOf(model, { maxTokens: 4 }));
    await until(() => batcher.state().rows === 0, "it left");
    const controller = new AbortController();
    const all = Array.from(
      { length: waiting },
      () => ask(batcher, requestOf(model), controller.signal),
    );
    const { retryAfterSeconds } = batcher.overload();
    controller.abort();
    await Promise.all(all);
    return retryAfterSeconds;
  };
  assert.equal(await slow(0, 1), 1);
  const [short, long] = [await slow(50, 20), await slow(50, 100)]; // 0.2 s an answer
  assert.ok(short >= 4 && long > 2 * short && long <= 60, `${short} and ${long} s`);
});

Deno.test("rows are taken in only as far as their keys and values fit the memory", async () => {
  const model = smallModel(); // 1000 bytes a token, room for 64 at least
  const batcher = roomyBatcher({ maxCacheBytes: 300_000 });
  const answers = Array.from({ length: 7 }, () => ask(batcher, requestOf(model)));
  await until(() => batcher.state().rows > 0, "some run");
  assert.equal(batcher.state().rows, 4); // 4 · 64 · 1000; eight slots would be next
  assert.equal(batcher.state().reservedBytes, 256_000);
  await Promise.all(answers);
  assert.ok(model.decoder.calls.every(({ rows }) => rows.length <= 4));
  await until(() => batcher.state().rows === 0, "all left");
  assert.equal(batcher.state().reservedBytes, 0);
});

Deno.test("a request that can never be answered is refused, naming both numbers", () => {
  const model = smallModel({ maxPositions: 600 });
  const refused = (changes: Partial<GenerateRequest>, expected: RegExp, maxCacheBytes = 2 ** 30) =>
    assert.throws(
      () => roomyBatcher({ maxCacheBytes }).generate(requestOf(model, changes), never),
      (error) => error instanceof InputError && expected.test(error.message),
    );
  refused({ prompt: [] }, /prompt of at least one token/);
  refused({ prompt: Array(100).fill(3), maxTokens: 501 }, /context of 600 tokens, got 100 \+ 501/);
  refused({ prompt: Array(100).fill(3), maxTokens: 300 }, /\(0 MiB\), got 100 \+ 300/, 2 ** 18);
});

Deno.test("an aborted request ends before the next token, waiting or running", async () => {
  const model = smallModel();
  const batcher = roomyBatcher({ maxRows: 1 });
  const [running, waiting] = [new AbortController(), new AbortController()];
  const first = ask(batcher, requestOf(model, { maxTokens: 900 }), running.signal);
  const second = ask(batcher, requestOf(model), waiting.signal);
  await until(() => model.decoder.calls.length >= 5, "the first one runs");
  waiting.abort();
  assert.deepEqual((await second).end, {
    type: "end",
    reason: "cancelled",
    promptTokens: 3,
    cachedTokens: 0,
    completionTokens: 0,
  });
  assert.equal(batcher.state().waiting, 0);
  const calls = model.decoder.calls.length;
  running.abort();
  const { end } = await first;
  assert.equal(end.reason, "cancelled");
  await until(() => batcher.state().rows === 0, "it left");
  assert.ok(model.decoder.calls.length <= calls + 1);
  assert.deepEqual(model.decoder.live, { sequences: 0, bytes: 0 });
  const { end: gone } = await ask(batcher, requestOf(model), AbortSignal.abort());
  assert.equal(gone.reason, "cancelled");
  assert.equal(model.decoder.calls.length, calls);
});

Deno.test("a reader that leaves ends its request", async () => {
  const model = smallModel();
  const batcher = roomyBatcher();
  for await (const event of batcher.generate(requestOf(model, { maxTokens: 900 }), never)) {
    assert.equal(event.type, "text");
    break;
  }
  await until(() => batcher.state().rows === 0, "it left");
  assert.equal(batcher.state().ended.cancelled, 1);
  assert.ok(model.decoder.calls.length < 10);
});

Deno.test("messages come in between steps although the decoder never waits", async () => {
  const model = smallModel({ maxPositions: 100_000, logitsOf: () => certain(3) });
  const batcher = roomyBatcher();
  const { port1, port2 } = new MessageChannel();
  const controller = new AbortController();
  port1.onmessage = () => controller.abort();
  const answer = ask(batcher, requestOf(model, { maxTokens: 50_000 }), controller.signal);
  await until(() => model.decoder.calls.length > 10, "it runs");
  const before = model.decoder.calls.length;
  port2.postMessage("leave");
  assert.equal((await answer).end.reason, "cancelled");
  assert.ok(model.decoder.calls.length - before < 100, "the message waited for many steps");
  port1.close();
});

Deno.test("close() takes nothing in and waits for what is in; finish() ends that", async () => {
  const model = smallModel({
    maxPositions: 100_000,
    logitsOf: () => certain(3),
    onCall: () => new Promise((resolve) => setTimeout(resolve, 1)),
  });
  const batcher = roomyBatcher({ maxRows: 2 });
  const [long, other] = [7, 8].map((seed) =>
    ask(batcher, requestOf(model, { maxTokens: seed === 7 ? 50_000 : 8, seed }))
  );
  const waited = ask(batcher, requestOf(model));
  const endless = ask(batcher, requestOf(model, { maxTokens: 50_000 }));
  await until(() => model.decoder.calls.length > 3, "they run");
  let isClosed = false;
  const closed = batcher.close().then(() => isClosed = true);
  assert.equal(batcher.room(), 0);
  assert.throws(() => batcher.generate(requestOf(model), never), OverloadedError);
  assert.equal((await other)?.end.reason, "length", "what runs goes on");
  assert.equal((await waited).end.reason, "length", "what waits gets its turn");
  const late = requestOf(model, { maxTokens: 9 });
  assert.throws(() => batcher.generate(late, never), /shutting down/);
  assert.ok(!isClosed);
  batcher.finish();
  for (const cut of [await long, await endless]) {
    assert.equal(cut?.end.reason, "shutdown");
    assert.equal(cut?.text.length, cut?.end.completionTokens);
  }
  await closed;
  assert.deepEqual(model.decoder.live, { sequences: 0, bytes: 0 });
  await roomyBatcher().close(); // with nothing to wait for it is over at once
});

Deno.test("a prompt met before is not computed again, under the same λ and adapter alone", async () => {
  const model = smallModel();
  const batcher = roomyBatcher({ prefixCacheBytes: 10 ** 7 });
  const [x, y] = [adapterOf("x"), adapterOf("y")];
  const prompt = Array.from({ length: 200 }, (_, i) => 2 + i % 30);
  const request = requestOf(model, { adapter: x, preference: [0.3, 0.7], prompt });
  const cached = async (changes: Partial<GenerateRequest>) => {
    const { end, text } = await ask(batcher, { ...request, ...changes });
    const fresh = await askAlone({ ...request, ...changes });
    assert.equal(text, fresh.text);
    return end.cachedTokens;
  };
  assert.equal(await cached({}), 0);
  const before = model.decoder.calls.length;
  assert.equal((await ask(batcher, request)).end.cachedTokens, 200);
  const again = model.decoder.calls.slice(before);
  assert.ok(again.every(({ kind }) => kind === "step"), "a whole prompt needs no prefill");
  assert.equal(await cached({ preference: [0.30000000000000004, 0.7] }), 0);
  assert.equal(await cached({ adapter: y }), 0);
  assert.equal(await cached({ prompt: [...prompt.slice(0, 150), 3, 3, 3] }), 150);
  assert.equal(await cached({ prompt: prompt.slice(0, 60) }), 59);
  const { prefixHits, prefixMisses, prefixBytes } = batcher.state();
  assert.deepEqual([prefixHits, prefixMisses], [3, 3]);
  assert.ok(prefixBytes > 0 && prefixBytes <= 10 ** 7);
  batcher.forget(model.id);
  assert.equal(batcher.state().prefixBytes, 0);
});

Deno.test("the next turn of a dialogue goes on after the last answer", async () => {
  const model = smallModel({ logitsOf: ({ tokens }) => certain(tokens.length < 30 ? 4 : 0) });
  const batcher = roomyBatcher({ prefixCacheBytes: 10 ** 7 });
  const prompt = Array.from({ length: 20 }, (_, i) => 2 + i);
  const first = await ask(batcher, requestOf(model, { prompt, maxTokens: 50 }));
  assert.equal(first.end.completionTokens, 11);
  await until(() => batcher.state().rows === 0, "it left");
  const next = [...prompt, ...Array(10).fill(4), 0, 7, 8, 9];
  const second = await ask(batcher, requestOf(model, { prompt: next, maxTokens: 5 }));
  assert.equal(second.end.cachedTokens, 30);
  assert.deepEqual(model.decoder.calls.findLast(({ kind }) => kind === "prefill")?.count, 4);
});

Deno.test("an error of the decoder ends the rows that were in the call, and no others", async () => {
  const model = smallModel({
    onCall: ({ kind, adapter, rows }) => {
      const broken = kind === "step" && adapter === "x" && (rows[0]?.tokens.length ?? 0) > 6;
      if (broken) throw new Error("out of memory");
    },
  });
  const batcher = roomyBatcher();
  const failing = [1, 2].map((seed) =>
    ask(batcher, requestOf(model, { adapter: adapterX, preference: [1, 0], seed }))
  );
  const fine = ask(batcher, requestOf(model));
  for (const answer of failing) await assert.rejects(answer, /out of memory/);
  assert.equal((await fine).end.reason, "length");
  await until(() => batcher.state().rows === 0, "all left");
  assert.deepEqual(batcher.state().ended, {
    stop: 0,
    length: 1,
    cancelled: 0,
    shutdown: 0,
    failed: 2,
  });
  assert.deepEqual(model.decoder.live, { sequences: 0, bytes: 0 });
});

const adapterX = adapterOf("x");

Deno.test("logits that are not finite end their row alone", async () => {
  const model = smallModel({
    logitsOf: ({ preference }) => preference[0] === 1 ? new Float32Array(40).fill(NaN) : certain(3),
  });
  const batcher = roomyBatcher();
  const bad = ask(batcher, requestOf(model, { adapter: adapterX, preference: [1, 0] }));
  const good = ask(batcher, requestOf(model, { adapter: adapterX, preference: [0, 1] }));
  await assert.rejects(bad, { name: "DivergedError" });
  assert.equal((await good).text, "bbbbbbbbbb");
});

Deno.test("state() counts what was computed", async () => {
  const model = smallModel();
  const batcher = roomyBatcher();
  const requests = [1, 2, 3].map((seed) => requestOf(model, { seed }));
  const answers = requests.map((request) => batcher.generate(request, never));
  assert.deepEqual([batcher.state().rows, batcher.state().waiting], [3, 0]);
  await Promise.all(answers.map(answerOf));
  const { steps, promptTokens, tokens, tokensPerSecond, ended, waiting } = batcher.state();
  assert.deepEqual({ steps, promptTokens, tokens, waiting }, {
    steps: 9,
    promptTokens: 9,
    tokens: 30,
    waiting: 0,
  });
  assert.ok(tokensPerSecond > 0 && tokensPerSecond <= 30 / 5);
  await until(() => batcher.state().rows === 0, "all left");
  assert.equal(batcher.state().ended.length, 3);
  assert.equal(ended.failed, 0);
});
