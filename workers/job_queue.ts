// Runs the waiting jobs of the store, one per device at a time, and keeps what they tell. How a job
// is computed is handed in (job_runner.ts): this file knows when it starts and how it may end.
import type { Job } from "../data/store/job.ts";
import type { JobStore } from "../data/store/jobs.ts";
import { oneSentence } from "./one_sentence.ts";
import type { SessionEvent } from "./protocol.ts";
import { deviceNames } from "./shard_plan.ts";

/** What a running job is given. */
export interface JobRun {
  /** Aborted when the job is to stop and save. */
  signal: AbortSignal;
  /** Aborted when it has had time for that: it is to end now, saved or not. */
  cut: AbortSignal;
  onEvent(event: SessionEvent): void;
}

/** Computes a job; `stopped`: it ended early because of the signal, saved. */
export type RunJob = (job: Job, run: JobRun) => Promise<{ stopped: boolean }>;

/** The jobs in motion. */
export interface JobQueue {
  /** Starts what can start: to be called after a job was added or queued again. */
  wake(): void;
  /** Cancels a waiting or running job; throws NotFoundError, ConflictError as the store does. */
  cancel(id: string): Job;
  /** Starts no more jobs, stops the running ones, which are queued again, and waits for that. */
  drain(): Promise<void>;
}

export interface JobQueueOptions {
  /** Time for a stopping job to save before it is cut. */
  graceSeconds: number;
  /** Told what cannot be stored with the job, in one sentence. */
  onTrouble: (message: string) => void;
}

/** Events are written together: each write waits for the disk. */
const FLUSH_MS = 200;
/** Between two reports of how far a preparation is. */
const PROGRESS_MS = 500;

interface Running {
  device: string;
  adapter: string;
  stop: AbortController;
  cut: AbortController;
  cutTimer?: ReturnType<typeof setTimeout>;
  cancelled: boolean;
  done: Promise<void>;
}

/** A queue that starts jobs as soon as it is woken. */
export function createJobQueue(
  store: JobStore<SessionEvent>,
  runJob: RunJob,
  { graceSeconds, onTrouble }: JobQueueOptions,
): JobQueue {
  const running = new Map<string, Running>();
  let draining = false;

  function wake(): void {
    while (!draining) {
      const job = store.claim((waiting) => isFree(waiting));
      if (job === null) return;
      start(job);
    }
  }

  /** Whether no running job has the device or the folder of this one. */
  function isFree({ adapter, request }: Job): boolean {
    return ![...running.values()].some((other) =>
      other.adapter === adapter || sameDevice(other.device, deviceOf(request))
    );
  }

  function start(job: Job): void {
    const entry: Running = {
      device: deviceOf(job.request),
      adapter: job.adapter,
      stop: new AbortController(),
      cut: new AbortController(),
      cancelled: false,
      done: Promise.resolve(),
    };
    running.set(job.id, entry);
    entry.done = run(job, entry).finally(() => {
      clearTimeout(entry.cutTimer);
      running.delete(job.id);
      wake();
    });
  }

  async function run(job: Job, entry: Running): Promise<void> {
    const history = openHistory(store, job.id, (error) => {
      onTrouble(`Cannot keep what job ${job.id} tells: ${oneSentence(error)}`);
      stop(entry);
    });
    let stopped = false;
    let trouble: string | null = null;
    try {
      const { stop: { signal }, cut } = entry;
      ({ stopped } = await runJob(job, { signal, cut: cut.signal, onEvent: history.add }));
    } catch (error) {
      stopped = entry.stop.signal.aborted && (isAbort(error) || entry.cut.signal.aborted);
      if (!stopped) trouble = oneSentence(error);
    }
    trouble = history.close() ?? trouble;
    try {
      if (trouble !== null) store.finish(job.id, { state: "failed", error: trouble });
      else if (!stopped) store.finish(job.id, { state: "done" });
      else if (entry.cancelled) store.finish(job.id, { state: "cancelled" });
      else store.release(job.id);
    } catch (error) {
      onTrouble(`Cannot keep how job ${job.id} ended: ${oneSentence(error)}`);
    }
  }

  function stop(entry: Running): void {
    if (entry.stop.signal.aborted) return;
    entry.stop.abort(new DOMException("The job is to stop", "AbortError"));
    entry.cutTimer = setTimeout(() => entry.cut.abort(), graceSeconds * 1000);
  }

  return {
    wake,
    cancel(id) {
      const job = store.cancel(id);
      const entry = running.get(id);
      if (entry !== undefined) {
        entry.cancelled = true;
        stop(entry);
      }
      return job;
    },
    async drain() {
      draining = true;
      running.forEach(stop);
      await Promise.all([...running.values()].map(({ done }) => done));
    },
  };
}

/** Keeps a job's events in order, a few at a time; `onFailure` once where they cannot be kept. */
function openHistory(
  store: JobStore<SessionEvent>,
  id: string,
  onFailure: (error: unknown) => void,
) {
  let waiting: SessionEvent[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failure: string | null = null;
  let last = { what: "", time: -Infinity };

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    const events = waiting;
    waiting = [];
    if (events.length === 0 || failure !== null) return;
    try {
      store.append(id, events);
      const progress = events.map(progressOf).findLast((found) => found !== null);
      if (progress) store.progress(id, progress);
    } catch (error) {
      failure = oneSentence(error);
      onFailure(error);
    }
  }

  return {
    add(event: SessionEvent): void {
      if (event.type === "progress") {
        const time = performance.now();
        const over = event.done >= event.total;
        if (event.what === last.what && !over && time - last.time < PROGRESS_MS) return;
        last = { what: event.what, time };
      }
      waiting.push(event);
      timer ??= setTimeout(flush, FLUSH_MS);
    },
    /** Writes what is left; tells why something could not be kept, or null. */
    close(): string | null {
      flush();
      return failure;
    },
  };
}

function progressOf(event: SessionEvent) {
  if (event.type === "progress") {
    return { what: event.what, done: event.done, total: event.total };
  }
  return event.type === "step" ? { what: "Training", done: event.step, total: event.steps } : null;
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

/** Whether two jobs would meet on a device: a run on shards may name several, `auto` may be any. */
function sameDevice(one: string, other: string): boolean {
  const [names, others] = [deviceNames(one), deviceNames(other)];
  return [...names, ...others].includes("auto") || names.some((name) => others.includes(name));
}

function deviceOf(request: Job["request"]): string {
  return typeof request.device === "string" ? request.device : "auto";
}
