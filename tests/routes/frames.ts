// Server-sent events out of a whole text.

/** One event, its data as JSON (`[DONE]` as a text). */
export interface ReadFrame {
  event: string | undefined;
  id: string | undefined;
  // deno-lint-ignore no-explicit-any -- JSON of a test's own making
  data: any;
}

/** The events of a stream that has ended; comments are left out. */
export function readFrames(text: string): ReadFrame[] {
  return text.split("\n\n").filter((block) => block !== "" && !block.startsWith(":")).map(
    (block) => {
      const fields = Object.fromEntries(
        block.split("\n").map((line) => {
          const at = line.indexOf(": ");
          return [line.slice(0, at), line.slice(at + 2)];
        }),
      );
      const { event, id, data = "" } = fields;
      return { event, id, data: data === "[DONE]" ? data : JSON.parse(data) };
    },
  );
}
