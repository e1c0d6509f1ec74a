// The history of a job as whoever watches it reads it: what is stored, then what is added, until the
// job ends. Every watcher reads from the store; additions only wake it, so none can pile up.
import type { JobStore } from "../data/store/jobs.ts";
import type { SessionEvent } from "./protocol.ts";
import type { JobEvent } from "./service.ts";

/** Watches the jobs of a store. */
export interface JobHistory {
  /** Events after number `after`, until the job has ended. Throws NotFoundError. */
  watch(request: { id: string; after: number }, signal: AbortSignal): AsyncIterable<JobEvent>;
  /** Ends every watch after what is stored by now. */
  close(): void;
}

/** Events read from the store at once. */
const PAGE = 256;

/** Takes over `store.onEvent`. */
export function createJobHistory(store: JobStore<SessionEvent>): JobHistory {
  const watchers = new Map<string, Set<() => void>>();
  let closed = false;
  const wakeAll = (of: Iterable<() => void>) => [...of].forEach((wake) => wake());
  store.onEvent = (id) => wakeAll(watchers.get(id) ?? []);

  async function* watch(
    { id, after }: { id: string; after: number },
    signal: AbortSignal,
  ): AsyncGenerator<JobEvent> {
    store.get(id); // is there such a job
    let changed = Promise.withResolvers<void>();
    const wake = () => changed.resolve();
    const own = watchers.get(id) ?? new Set();
    watchers.set(id, own.add(wake));
    signal.addEventListener("abort", wake);
    try {
      for (let last = after; !signal.aborted;) {
        const isLast = closed || ["done", "failed", "cancelled"].includes(store.get(id).state);
        const events = store.events(id, { after: last, limit: PAGE });
        yield* events;
        last = events.at(-1)?.seq ?? last;
        if (events.length > 0) continue;
        if (isLast) return;
        await changed.promise;
        changed = Promise.withResolvers();
      }
    } finally {
      signal.removeEventListener("abort", wake);
      own.delete(wake);
      if (own.size === 0) watchers.delete(id);
    }
  }

  return {
    watch,
    close() {
      closed = true;
      for (const own of watchers.values()) wakeAll(own);
    },
  };
}
