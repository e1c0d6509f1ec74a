// Bytes on their way to one client: what it has not read yet, how much of it may wait, and how long.
// Filled by sse.ts as events come, emptied by the connection as it can take more.

/** A queue of bytes between a source and a reader. */
export interface Outbox {
  /** False once the reader has left, was cut, or everything is said. */
  readonly open: boolean;
  push(bytes: Uint8Array): void;
  /** Resolves when less than the limit waits, or the outbox is closed. */
  room(): Promise<void>;
  /** What waits, at most about 64 KiB; undefined once the outbox is closed and empty. */
  take(): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Nothing more will be pushed; what waits can still be taken. */
  end(): void;
  /** Drops what waits. */
  drop(): void;
}

export interface OutboxOptions {
  /** Most bytes that wait. */
  limitBytes: number;
  /** Longest time in which a reader takes nothing although something waits. */
  stalledSeconds: number;
  /** What happens above the limit: `cut` the reader, or let the source `wait` in `room`. */
  whenFull: "cut" | "wait";
  /** Called once, when a reader is too slow; the outbox is closed then. */
  onCut: () => void;
}

const MOST_AT_ONCE = 64 * 1024; // bytes handed over in one piece

/** An empty outbox. */
export function createOutbox(
  { limitBytes, stalledSeconds, whenFull, onCut }: OutboxOptions,
): Outbox {
  const waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let open = true;
  let stalled: ReturnType<typeof setTimeout> | undefined;
  let wakeReader = () => {};
  let wakeSource = () => {};

  /** Starts the clock of a reader that has something to take. */
  function watch(): void {
    clearTimeout(stalled);
    if (waiting.length > 0) stalled = setTimeout(cut, stalledSeconds * 1000);
  }
  function cut(): void {
    drop();
    onCut();
  }
  function end(): void {
    open = false;
    wakeReader();
    wakeSource();
  }
  function drop(): void {
    waiting.length = 0;
    waitingBytes = 0;
    watch();
    end();
  }
  return {
    get open() {
      return open;
    },
    push(bytes) {
      if (!open) return;
      waiting.push(bytes);
      waitingBytes += bytes.length;
      if (waiting.length === 1) watch();
      wakeReader();
      if (waitingBytes > limitBytes && whenFull === "cut") cut();
    },
    async room() {
      while (open && waitingBytes > limitBytes) {
        await new Promise<void>((resolve) => wakeSource = resolve);
      }
    },
    async take() {
      while (open && waiting.length === 0) {
        await new Promise<void>((resolve) => wakeReader = resolve);
      }
      if (waiting.length === 0) return undefined;
      const piece = takePiece(waiting);
      waitingBytes -= piece.length;
      watch();
      wakeSource();
      return piece;
    },
    end,
    drop,
  };
}

/** Removes the first pieces of `waiting` and joins them. */
function takePiece(waiting: Uint8Array[]): Uint8Array<ArrayBuffer> {
  let [count, length] = [0, 0];
  while (count < waiting.length && (count === 0 || length < MOST_AT_ONCE)) {
    length += waiting[count++]?.length ?? 0;
  }
  const piece = new Uint8Array(length);
  let at = 0;
  for (const bytes of waiting.splice(0, count)) {
    piece.set(bytes, at);
    at += bytes.length;
  }
  return piece;
}
