import assert from "node:assert/strict";
import { createDrain, takeUntil } from "../../routes/drain.ts";
import { appOf, json } from "./app_of.ts";
import { readFrames } from "./frames.ts";
import { memoryChat } from "./memory_service.ts";
import { until } from "./until.ts";

const question = { adapter: "tiny", messages: [{ role: "user", content: "hi" }] };
const completion = { model: "tiny", messages: question.messages };
const anew = {
  "/chat": question,
  "/v1/chat/completions": completion,
  "/runs": { name: "new" },
};
const endless = () =>
  memoryChat({
    *pieces() {
      for (;;) yield "a";
    },
    pace: () => new Promise((resolve) => setTimeout(resolve, 1)),
    contextTokens: Infinity,
  });

Deno.test("a server that is ending says so, starts nothing new, and waits for what is open", async () => {
  const step = Promise.withResolvers<void>();
  const chat = memoryChat({ pace: () => step.promise });
  const { app } = appOf({ chat });
  const streamed = await app.request("/chat", json({ ...question, stream: true }));
  const whole = app.request("/chat", json(question));
  await until(() => chat.running === 2, 1000);
  let ended = false;
  const ending = app.drain.end(60).then(() => ended = true);

  const ready = await app.request("/ready");
  assert.equal(ready.status, 503);
  assert.equal(ready.headers.get("connection"), "close");
  assert.equal((await app.request("/health")).status, 200);
  for (const [path, body] of Object.entries(anew)) {
    const answer = await app.request(path, json(body));
    assert.equal(answer.status, 503, path);
    assert.ok(Number(answer.headers.get("retry-after")) > 0, path);
  }
  assert.equal(ended, false);
  step.resolve();
  assert.equal(readFrames(await streamed.text()).at(-1)?.data.reason, "stop");
  assert.equal((await (await whole).json()).reason, "stop");
  await ending;
});

Deno.test("when the time is over, generations that go on end as cut off by the server's end", async () => {
  const chat = endless();
  const { app } = appOf({ chat });
  const streamed = await app.request("/chat", json({ ...question, stream: true }));
  const whole = app.request("/chat", json(question));
  const chunks = await app.request("/v1/chat/completions", json({ ...completion, stream: true }));
  const openAi = app.request("/v1/chat/completions", json(completion));
  await until(() => chat.running === 4 && chat.sent > 10, 1000);
  const ending = app.drain.end(0.05);
  const [frames, last] = (await Promise.all([streamed.text(), chunks.text()])).map(readFrames);
  await ending;
  assert.equal(frames?.at(-1)?.event, "end");
  assert.equal(frames?.at(-1)?.data.reason, "shutdown");
  assert.equal((await (await whole).json()).reason, "shutdown");
  // OpenAI has no word for it: an error, so that nobody takes the answer for a whole one.
  assert.equal(last?.at(-1)?.data.error.code, "shutting_down");
  assert.equal((await openAi).status, 503);
  await until(() => chat.running === 0, 1000);
});

Deno.test("a server with nothing open ends at once", async () => {
  const drain = createDrain();
  const close = drain.open();
  close();
  await drain.end(60);
  assert.throws(() => drain.refuseNew(), /ending/);
});

Deno.test("takeUntil() says whether its source ended or was stopped, and closes it", async () => {
  let closed = 0;
  async function* source(count: number): AsyncGenerator<number> {
    try {
      for (let i = 0; i < count; i++) yield i;
      await Promise.resolve();
    } finally {
      closed++;
    }
  }
  const all: number[] = [];
  const whole = takeUntil(source(3), new AbortController().signal);
  for (let next = await whole.next();; next = await whole.next()) {
    if (next.done) {
      assert.equal(next.value, true);
      break;
    }
    all.push(next.value);
  }
  assert.deepEqual(all, [0, 1, 2]);

  const stop = new AbortController();
  const stopped = takeUntil(source(3), stop.signal);
  assert.deepEqual(await stopped.next(), { done: false, value: 0 });
  stop.abort();
  assert.deepEqual(await stopped.next(), { done: true, value: false });

  const left = takeUntil(source(3), new AbortController().signal);
  await left.next();
  await left.return(false);
  assert.equal(closed, 3);
});
