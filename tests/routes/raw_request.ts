// Bytes on a connection, for what no HTTP client sends.

/** A connection to a server on this machine. */
export interface RawConnection extends Disposable {
  send(text: string | Uint8Array): Promise<void>;
  /** All that comes until the server closes, with the milliseconds that took; null at `withinMs`. */
  untilClosed(withinMs: number): Promise<{ text: string; ms: number } | null>;
  /** The next bytes as text; empty where the server has closed. */
  read(): Promise<string>;
  close(): void;
}

export async function openRaw(port: number): Promise<RawConnection> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const buffer = new Uint8Array(65_536);
  const decoder = new TextDecoder();
  let closed = false;
  function close(): void {
    if (!closed) connection.close();
    closed = true;
  }
  async function read(): Promise<string> {
    try {
      const length = await connection.read(buffer);
      return length === null ? "" : decoder.decode(buffer.subarray(0, length), { stream: true });
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionReset) return "";
      throw error;
    }
  }
  return {
    read,
    close,
    async send(text) {
      const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
      for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    },
    async untilClosed(withinMs) {
      const started = performance.now();
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        close();
      }, withinMs);
      try {
        let text = "";
        for (let part = await read(); part !== ""; part = await read()) text += part;
        return late ? null : { text, ms: performance.now() - started };
      } catch (error) {
        if (late) return null;
        throw error;
      } finally {
        clearTimeout(timer);
      }
    },
    [Symbol.dispose]: close,
  };
}

/** The status of an answer. */
export function statusOf(text: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
}
