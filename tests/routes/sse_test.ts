import assert from "node:assert/strict";
import { Hono } from "hono";
import type { AppEnv } from "../../routes/context.ts";
import { eventStream, type EventStreamOptions, type Frame } from "../../routes/sse.ts";

/** The answer that streams `frames`, and whether its source was ended. */
async function streamOf(frames: AsyncIterable<Frame>, options: Partial<EventStreamOptions> = {}) {
  const seen = { aborted: 0 };
  const app = new Hono<AppEnv>().get("/", (c) =>
    eventStream(c, frames, {
      limits: { stalled_reader_seconds: 60, stream_buffer_bytes: 1000 },
      whenFull: "cut",
      abort: () => seen.aborted++,
      onError: () => ({ event: "error", data: "{}" }),
      ...options,
    }));
  return { answer: await app.request("/"), seen };
}

async function* fromList(list: Frame[]): AsyncGenerator<Frame> {
  await Promise.resolve();
  yield* list;
}

Deno.test("events are written by their fields, in order", async () => {
  const { answer, seen } = await streamOf(fromList([
    { event: "start", id: 1, data: '{"a":"é\\n"}' },
    { data: "[DONE]" },
  ]));
  assert.equal(await answer.text(), 'event: start\nid: 1\ndata: {"a":"é\\n"}\n\ndata: [DONE]\n\n');
  assert.equal(answer.headers.get("content-type"), "text/event-stream; charset=utf-8");
  assert.equal(seen.aborted, 0);
});

Deno.test("a source that fails ends with one last event", async () => {
  async function* failing(): AsyncGenerator<Frame> {
    yield { data: "1" };
    await Promise.reject(new Error("no more"));
  }
  const { answer } = await streamOf(failing());
  assert.equal(await answer.text(), "data: 1\n\nevent: error\ndata: {}\n\n");
});

Deno.test("an idle stream is kept alive by comments", async () => {
  const end = Promise.withResolvers<void>();
  async function* idle(): AsyncGenerator<Frame> {
    yield { data: "1" };
    await end.promise;
  }
  const { answer } = await streamOf(idle(), { heartbeatSeconds: 0.02 });
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (text.split(": \n\n").length < 4) text += (await reader?.read())?.value;
  end.resolve();
  assert.equal((await reader?.read())?.done, true);
});

Deno.test("a reader that leaves ends the source once", async () => {
  let closed = false;
  async function* endless(): AsyncGenerator<Frame> {
    try {
      for (;;) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        yield { data: "1" };
      }
    } finally {
      closed = true;
    }
  }
  const { answer, seen } = await streamOf(endless());
  const reader = answer.body?.getReader();
  await reader?.read();
  await reader?.cancel();
  assert.equal(seen.aborted, 1);
  while (!closed) await new Promise((resolve) => setTimeout(resolve, 1));
});

Deno.test("a reader that takes nothing is cut at the limit, and the source is ended", async () => {
  let made = 0;
  async function* flood(): AsyncGenerator<Frame> {
    for (; made < 1000; made++) {
      await Promise.resolve();
      yield { data: "x".repeat(100) };
    }
  }
  const { seen } = await streamOf(flood());
  while (seen.aborted === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.ok(made <= 10, `${made} events were made`); // 108 bytes each, at most 1000 may wait
});

Deno.test("a replay waits for its reader and loses nothing", async () => {
  async function* replay(): AsyncGenerator<Frame> {
    for (let id = 0; id < 500; id++) yield { id, data: "x".repeat(100) };
    await Promise.resolve();
  }
  const { answer, seen } = await streamOf(replay(), { whenFull: "wait" });
  await new Promise((resolve) => setTimeout(resolve, 10)); // not read at first
  const ids = [...(await answer.text()).matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
  assert.deepEqual(ids, Array.from({ length: 500 }, (_, id) => id));
  assert.equal(seen.aborted, 0);
});
