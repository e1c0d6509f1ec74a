// Server-sent events out of a fetch body (WHATWG HTML, 9.2.6), because EventSource can send neither
// a body nor an API key. Read by chat/conversation and jobs/watch.

/** One event; `event` is "message" where the stream names none. */
export interface ServerEvent {
  event: string;
  data: string;
  id: string | null;
}

/**
 * The events of a body as they come, until it ends; an event cut off by the end is dropped. Leaving
 * the loop early cancels the body.
 */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  let fields = emptyFields();
  for await (const line of readLines(body)) {
    if (line === "") {
      if (fields.data.length > 0) {
        yield { event: fields.event || "message", data: fields.data.join("\n"), id: fields.id };
      }
      fields = emptyFields();
      continue;
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") fields.data.push(value);
    else if (name === "event") fields.event = value;
    else if (name === "id") fields.id = value;
  }
}

function emptyFields(): { event: string; data: string[]; id: string | null } {
  return { event: "", data: [], id: null };
}

/** Lines ended by LF, CR or CRLF; what follows the last end of line is dropped. */
async function* readLines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder(); // drops a byte order mark
  const reader = body.getReader();
  let text = "";
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      ended = done;
      text += decoder.decode(value, { stream: !done });
      // A CR at the very end may be the first half of a CRLF.
      const whole = done ? text : text.replace(/\r$/, "");
      const lines = whole.split(/\r\n|\r|\n/);
      const rest = lines.pop() ?? "";
      text = rest + text.slice(whole.length);
      yield* lines;
      if (done) return;
    }
  } finally {
    if (!ended) await reader.cancel().catch(() => {}); // it may have failed already
  }
}
