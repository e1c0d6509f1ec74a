import assert from "node:assert/strict";
import fc from "fast-check";
import { readEvents, type ServerEvent } from "../../../routes/page/server/event_stream.ts";

function bodyOf(pieces: Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
}

const encoder = new TextEncoder();

function eventsOf(...pieces: string[]): Promise<ServerEvent[]> {
  return Array.fromAsync(readEvents(bodyOf(pieces.map((piece) => encoder.encode(piece)))));
}

Deno.test("events are read by name, number and data, comments left out", async () => {
  assert.deepEqual(
    await eventsOf(": hello\n\nevent: text\nid: 7\ndata: {}\n\ndata:plain\n\n"),
    [{ event: "text", data: "{}", id: "7" }, { event: "message", data: "plain", id: null }],
  );
});

Deno.test("several data lines are one text, and only one space is taken off", async () => {
  const [event] = await eventsOf("data: a\ndata\ndata:  b\n\n");
  assert.equal(event?.data, "a\n\n b");
});

Deno.test("an event that the end cut off is dropped", async () => {
  assert.deepEqual(await eventsOf("data: whole\n\ndata: cut"), [
    { event: "message", data: "whole", id: null },
  ]);
  assert.deepEqual(await eventsOf("data: cut\n"), []);
});

Deno.test("lines may end with LF, CR or CRLF, and pieces may end anywhere", async () => {
  const lines = ["event: text", "data: grüße 世界 🙂", "", "data: b", ""];
  const wanted = [
    { event: "text", data: "grüße 世界 🙂", id: null },
    { event: "message", data: "b", id: null },
  ];
  for (const end of ["\n", "\r", "\r\n"]) {
    const bytes = encoder.encode(lines.map((line) => line + end).join(""));
    await fc.assert(fc.asyncProperty(fc.array(fc.nat(bytes.length)), async (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      const pieces = places.slice(1).map((to, i) => bytes.slice(places[i], to));
      assert.deepEqual(await Array.fromAsync(readEvents(bodyOf(pieces))), wanted);
    }));
  }
});

Deno.test("leaving the events early cancels the body", async () => {
  const { promise: cancelled, resolve } = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(encoder.encode("data: again\n\n")),
    cancel: () => resolve(),
  });
  for await (const { data } of readEvents(body)) {
    assert.equal(data, "again");
    break;
  }
  await cancelled;
});
