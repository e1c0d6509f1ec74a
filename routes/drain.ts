// The end of the server as the web process sees it: after `begin` no chat starts and streams that
// only watch end; when the time is over, generations that still run are ended too. Begun by
// web_worker.ts on the supervisor's word.
import { Refusal } from "./errors.ts";

/** Where the server stands on its way to its end. */
export interface Drain {
  readonly draining: boolean;
  /** Aborted as soon as draining begins. */
  readonly begun: AbortSignal;
  /** Aborted when the time given to running generations is over. */
  readonly over: AbortSignal;
  /** Throws a refusal once draining has begun: what is new does not start. */
  refuseNew(): void;
  /** Counts an answer as open until the returned function is called. */
  open(): () => void;
  /**
   * Begins to end; generations are given `seconds`. Resolves once no answer is open: until then the
   * server goes on listening, so that whoever asks is told that it is ending.
   */
  end(seconds: number): Promise<void>;
}

/** A server that is not ending yet. */
export function createDrain(): Drain {
  const begun = new AbortController();
  const over = new AbortController();
  const empty = Promise.withResolvers<void>();
  let answers = 0;
  const check = () => begun.signal.aborted && answers === 0 && empty.resolve();
  return {
    get draining() {
      return begun.signal.aborted;
    },
    begun: begun.signal,
    over: over.signal,
    refuseNew() {
      if (begun.signal.aborted) throw endingRefusal();
    },
    open() {
      answers++;
      return () => {
        answers--;
        check();
      };
    },
    async end(seconds) {
      begun.abort(new DOMException("The server is ending", "AbortError"));
      const timer = setTimeout(() => over.abort(begun.signal.reason), seconds * 1000);
      check();
      await empty.promise;
      clearTimeout(timer);
    },
  };
}

/** The answer to who asks for something new. */
export function endingRefusal(): Refusal {
  return new Refusal(
    "Draining",
    "Cannot start anything new: expected a server that goes on, got one that is ending",
    { "retry-after": "5" },
  );
}

/**
 * The items of `source` until it ends (true) or `signal` is aborted (false). Left early or not, the
 * source is told that nobody reads on; one that is waiting hears of it when it wakes.
 */
export async function* takeUntil<T>(
  source: AsyncIterator<T>,
  signal: AbortSignal,
): AsyncGenerator<T, boolean> {
  const stopped = Promise.withResolvers<null>();
  const stop = () => stopped.resolve(null);
  signal.addEventListener("abort", stop);
  try {
    while (!signal.aborted) {
      const next = source.next();
      const result = await Promise.race([next, stopped.promise]);
      if (result === null) {
        next.catch(() => {}); // nobody is left to be told
        return false;
      }
      if (result.done) return true;
      yield result.value;
    }
    return false;
  } finally {
    signal.removeEventListener("abort", stop);
    source.return?.().catch(() => {});
  }
}
