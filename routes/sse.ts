// Server-sent events (WHATWG HTML, 9.2): events are taken from their source as they come and wait in
// an outbox until the client reads them. A client that stopped reading is cut, so that it holds
// neither memory nor a place in the batch; one that left ends the source at once.
import type { Context } from "hono";
import type { AppEnv, WebConfig } from "./context.ts";
import { createOutbox } from "./outbox.ts";

/** One event; `data` is a single line. */
export interface Frame {
  event?: string;
  id?: number;
  data: string;
}

export interface EventStreamOptions {
  limits: Pick<WebConfig, "stalled_reader_seconds" | "stream_buffer_bytes">;
  /** For a client that reads too slowly: `cut` it where events are live, `wait` in a replay. */
  whenFull: "cut" | "wait";
  /** Ends the source: the client has left, or was cut. */
  abort: () => void;
  /** The last event of a source that throws. */
  onError: (error: unknown) => Frame;
  /** A comment is sent where nothing else was for so long, so that nobody takes it for dead. */
  heartbeatSeconds?: number;
}

const encoder = new TextEncoder();

/** Answers with `frames` as they come. */
export function eventStream(
  c: Context<AppEnv>,
  frames: AsyncIterable<Frame>,
  { limits, whenFull, abort, onError, heartbeatSeconds = 15 }: EventStreamOptions,
): Response {
  const outbox = createOutbox({
    limitBytes: limits.stream_buffer_bytes,
    stalledSeconds: limits.stalled_reader_seconds,
    whenFull,
    onCut: () => {
      abort();
      finish();
      c.env?.outgoing?.destroy();
    },
  });
  const streamed = Promise.withResolvers<void>();
  let quiet: ReturnType<typeof setTimeout> | undefined;

  function listen(): void {
    clearTimeout(quiet);
    quiet = setTimeout(() => send(": \n\n"), heartbeatSeconds * 1000);
  }
  function send(text: string): void {
    if (!outbox.open) return;
    listen();
    outbox.push(encoder.encode(text));
  }
  function finish(): void {
    clearTimeout(quiet);
    streamed.resolve();
  }
  async function pump(): Promise<void> {
    try {
      for await (const frame of frames) {
        send(encodeFrame(frame));
        await outbox.room();
        if (!outbox.open) return;
      }
    } catch (error) {
      if (error instanceof Error) c.error = error; // for the log
      send(encodeFrame(onError(error)));
    } finally {
      outbox.end();
    }
  }

  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const piece = await outbox.take();
      if (piece !== undefined) return controller.enqueue(piece);
      finish();
      controller.close();
    },
    cancel() {
      abort();
      finish();
      outbox.drop();
    },
  }, { highWaterMark: 0 });
  c.set("streamed", streamed.promise);
  listen();
  void pump();
  return c.body(body, 200, {
    "content-type": "text/event-stream; charset=utf-8",
    "x-accel-buffering": "no", // a proxy is to pass on what comes as it comes
  });
}

function encodeFrame({ event, id, data }: Frame): string {
  return (event === undefined ? "" : `event: ${event}\n`) +
    (id === undefined ? "" : `id: ${id}\n`) +
    `data: ${data}\n\n`;
}
