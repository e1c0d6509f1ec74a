// A job as it goes: its resource and the events of its history, followed until it ends. A broken
// connection is taken up again after the last event seen.
import { batch, type Signal, signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { StepEvent } from "../../../workers/protocol.ts";
import type { Job, JobEvent } from "../../../workers/service.ts";
import { getEvents, getJson, RequestError, sentenceOf } from "../server/api.ts";
import type { Resource } from "../server/resource.ts";
import { isOpen } from "../server/resources.ts";
import { type LoggedStep, stepOfEvent } from "./curves.ts";

/** What is known of a job. */
export interface WatchedJob {
  job: Signal<Resource<Job>>;
  steps: Signal<LoggedStep[]>;
  latest: Signal<StepEvent | null>;
  notices: Signal<string[]>;
  /** Loads the job anew and follows it again: after it was resumed. */
  refresh: () => void;
}

const FLUSH_MS = 80; // events come in by the hundred when a history is read
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;

/** Follows a job while the component is on the page. `onEnd` is told of its last state once. */
export function useJob(id: string, onEnd?: (job: Job) => void): WatchedJob {
  const watched = useMemo(() => {
    const round = signal(0);
    return {
      round,
      job: signal<Resource<Job>>({ state: "loading" }),
      steps: signal<LoggedStep[]>([]),
      latest: signal<StepEvent | null>(null),
      notices: signal<string[]>([]),
      refresh: () => void round.value++,
    };
  }, [id]);
  useEffect(() => {
    const controller = new AbortController();
    void follow(id, watched, { signal: controller.signal, onEnd });
    return () => controller.abort();
  }, [id, watched, watched.round.value]);
  return watched;
}

async function follow(
  id: string,
  watched: WatchedJob,
  { signal, onEnd }: { signal: AbortSignal; onEnd: ((job: Job) => void) | undefined },
): Promise<void> {
  const path = `/runs/${encodeURIComponent(id)}`;
  const load = async () => {
    const value = await getJson<Job>(path, { signal });
    watched.job.value = { state: "ready", value };
    return value;
  };
  batch(() => {
    watched.steps.value = [];
    watched.notices.value = [];
    watched.latest.value = null;
  });
  let [after, wait] = [0, FIRST_WAIT_MS];
  while (!signal.aborted) {
    try {
      await load();
      const buffer = eventBuffer(watched);
      try {
        for await (const { data } of getEvents(`${path}/events?after=${after}`, { signal })) {
          const told = JSON.parse(data) as JobEvent;
          if (typeof told.seq !== "number") throw new RequestError(0, "The history broke off");
          after = told.seq;
          wait = FIRST_WAIT_MS;
          buffer.add(told);
          if (told.event.type === "state") await load();
        }
      } finally {
        buffer.flush();
      }
      const job = await load();
      if (!isOpen(job)) return onEnd?.(job);
    } catch (error) {
      if (signal.aborted) return;
      const lasting = error instanceof RequestError && error.status >= 400 && error.status < 500;
      if (lasting || watched.job.peek().state !== "ready") {
        watched.job.value = { state: "failed", error: sentenceOf(error) };
      }
      if (lasting) return;
    }
    await pause(wait, signal);
    wait = Math.min(LONGEST_WAIT_MS, 2 * wait);
  }
}

/** Puts events into the signals a few times a second instead of one by one. */
function eventBuffer(watched: WatchedJob) {
  let held: JobEvent[] = [];
  let timer: ReturnType<typeof setTimeout> | null = null;
  function flush() {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    const events = held;
    held = [];
    batch(() => applyEvents(watched, events));
  }
  return {
    add(event: JobEvent) {
      held.push(event);
      timer ??= setTimeout(flush, FLUSH_MS);
    },
    flush,
  };
}

function applyEvents({ job, steps, latest, notices }: WatchedJob, events: JobEvent[]): void {
  const logged: LoggedStep[] = [];
  const said: string[] = [];
  for (const { event } of events) {
    if (event.type === "step") {
      logged.push(stepOfEvent(event));
      latest.value = event;
      showProgress(job, { what: "steps", done: event.step, total: event.steps });
    } else if (event.type === "progress") {
      showProgress(job, event);
    } else if (event.type === "notice") {
      said.push(event.message);
    } else if (event.type === "checkpoint") {
      said.push(`Checkpoint at step ${event.step}`);
    }
  }
  if (logged.length > 0) steps.value = [...steps.value, ...logged];
  if (said.length > 0) notices.value = [...notices.value, ...said];
}

function showProgress(
  job: Signal<Resource<Job>>,
  { what, done, total }: { what: string; done: number; total: number },
): void {
  const resource = job.peek();
  if (resource.state !== "ready" || resource.value.state !== "running") return;
  job.value = { state: "ready", value: { ...resource.value, progress: { what, done, total } } };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
