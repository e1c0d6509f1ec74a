import assert from "node:assert/strict";
import { join } from "node:path";
import { ConflictError, StorageError } from "../../core/errors.ts";
import type { Job, JobState } from "../../data/store/job.ts";
import { JOBS, JobStore } from "../../data/store/jobs.ts";
import { createJobHistory } from "../../workers/job_history.ts";
import { createJobQueue, type JobQueue, type RunJob } from "../../workers/job_queue.ts";
import type { SessionEvent } from "../../workers/protocol.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";

type Store = JobStore<SessionEvent>;

interface Parts {
  store: Store;
  queue: JobQueue;
  troubles: string[];
  /** Resolves when the job reaches the state. */
  reached(id: string, state: JobState): Promise<Job>;
}

async function withQueue(run: RunJob, work: (parts: Parts) => Promise<void>): Promise<void> {
  await using folder = await temporaryFolder();
  await using store = await JobStore.open<SessionEvent>(join(folder.path, JOBS));
  const troubles: string[] = [];
  const waiting = new Set<() => void>();
  store.onEvent = () => [...waiting].forEach((check) => check());
  const queue = createJobQueue(store, run, {
    graceSeconds: 0.2,
    onTrouble: (message) => troubles.push(message),
  });
  await work({
    store,
    queue,
    troubles,
    reached: (id, state) =>
      new Promise((resolve) => {
        const check = () => {
          const job = store.get(id);
          if (job.state !== state) return;
          waiting.delete(check);
          resolve(job);
        };
        waiting.add(check);
        check();
      }),
  });
}

const train = (adapter: string, device?: string) => ({
  kind: "train" as const,
  adapter,
  request: { name: adapter, ...(device !== undefined && { device }) },
});

/** A run that goes on until it is told to stop, and then says that it saved. */
const untilStopped: RunJob = (_job, { signal }) =>
  new Promise((resolve) => signal.addEventListener("abort", () => resolve({ stopped: true })));

const step = (step: number, steps: number): SessionEvent => ({
  type: "step",
  step,
  steps,
  loss: 0.5,
  losses: {},
  accuracies: {},
  learningRate: 1e-3,
  gradNorm: 1,
  tokens: 1,
  seconds: 1,
  tokensPerSecond: 1,
  etaSeconds: 1,
});

Deno.test("a job runs when the queue is woken, and its events and progress are kept", () =>
  withQueue(
    (_job, { onEvent }) => {
      onEvent({ type: "notice", message: "hello" });
      onEvent(step(1, 2));
      onEvent(step(2, 2));
      return Promise.resolve({ stopped: false });
    },
    async ({ store, queue, reached }) => {
      const { id } = store.create(train("a"));
      queue.wake();
      const job = await reached(id, "done");
      assert.deepEqual(job.progress, { what: "Training", done: 2, total: 2 });
      assert.equal(job.error, null);
      assert.deepEqual(
        store.events(id).map(({ event }) => event.type === "state" ? event.state : event.type),
        ["queued", "running", "notice", "step", "step", "done"],
      );
    },
  ));

Deno.test("one job at a time runs on a device, and `auto` shares with none", async () => {
  let running: string[] = [];
  const most: string[][] = [];
  const ends = new Map<string, () => void>();
  const run: RunJob = ({ adapter }) => {
    running.push(adapter);
    most.push([...running]);
    return new Promise((resolve) =>
      ends.set(adapter, () => {
        running = running.filter((other) => other !== adapter);
        resolve({ stopped: false });
      })
    );
  };
  await withQueue(run, async ({ store, queue, reached }) => {
    const devices = { a: "gpu:0", b: "gpu:0", c: "gpu:1", e: "gpu:2,gpu:0", d: undefined };
    const jobs = Object.entries(devices).map(([name, device]) => store.create(train(name, device)));
    queue.wake();
    for (const name of ["a", "c", "b", "e", "d"]) {
      const id = jobs.find(({ adapter }) => adapter === name)?.id ?? "";
      await reached(id, "running");
      ends.get(name)?.();
      await reached(id, "done");
    }
    assert.deepEqual(most, [["a"], ["a", "c"], ["c", "b"], ["e"], ["d"]]);
  });
});

Deno.test("jobs of one adapter do not run beside each other", async () => {
  let most = 0;
  let running = 0;
  const run: RunJob = async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve));
    running--;
    return { stopped: false };
  };
  await withQueue(run, async ({ store, queue, reached }) => {
    const ids = ["cpu", "gpu:0"].map((device) => store.create(train("a", device)).id);
    queue.wake();
    for (const id of ids) await reached(id, "done");
    assert.equal(most, 1);
  });
});

Deno.test("a job that throws has failed with the first line of the reason", () =>
  withQueue(
    () => Promise.reject(new StorageError("Cannot write a: expected room, got none\n    at x")),
    async ({ store, queue, reached }) => {
      const { id } = store.create(train("a"));
      queue.wake();
      const { error } = await reached(id, "failed");
      assert.equal(error, "Cannot write a: expected room, got none");
    },
  ));

Deno.test("a cancelled job is stopped, and can be resumed", () =>
  withQueue(untilStopped, async ({ store, queue, reached }) => {
    const { id } = store.create(train("a"));
    queue.wake();
    await reached(id, "running");
    queue.cancel(id);
    await reached(id, "cancelled");
    assert.throws(() => queue.cancel(id), ConflictError);
    store.requeue(id);
    queue.wake();
    await reached(id, "running");
    queue.cancel(id);
    await reached(id, "cancelled");
  }));

Deno.test("a job that does not stop is cut after its time, and is cancelled all the same", () =>
  withQueue(
    (_job, { cut }) =>
      new Promise((_, reject) =>
        cut.addEventListener("abort", () => reject(new Error("the train thread was stopped")))
      ),
    async ({ store, queue, reached }) => {
      const { id } = store.create(train("a"));
      queue.wake();
      await reached(id, "running");
      queue.cancel(id);
      assert.equal((await reached(id, "cancelled")).error, null);
    },
  ));

Deno.test("a job whose saving fails when it is cancelled has failed", () =>
  withQueue(
    (_job, { signal }) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(new StorageError("Cannot write b")))
      ),
    async ({ store, queue, reached }) => {
      const { id } = store.create(train("a"));
      queue.wake();
      await reached(id, "running");
      queue.cancel(id);
      assert.equal((await reached(id, "failed")).error, "Cannot write b");
    },
  ));

Deno.test("drain() stops what runs, puts it back in its place and starts nothing more", () =>
  withQueue(untilStopped, async ({ store, queue, reached }) => {
    const first = store.create(train("a"));
    const second = store.create(train("b"));
    queue.wake();
    await reached(first.id, "running");
    await queue.drain();
    assert.deepEqual(store.active().map(({ id, state }) => [id, state]), [
      [first.id, "queued"],
      [second.id, "queued"],
    ]);
  }));

Deno.test("progress is told twice a second at most, but every preparation once", () =>
  withQueue(
    (_job, { onEvent }) => {
      for (let done = 0; done <= 1000; done++) {
        onEvent({ type: "progress", what: "Loading", done, total: 1000 });
      }
      onEvent({ type: "progress", what: "Measuring", done: 0, total: 7 });
      return Promise.resolve({ stopped: false });
    },
    async ({ store, queue, reached }) => {
      const { id } = store.create(train("a"));
      queue.wake();
      const { progress } = await reached(id, "done");
      assert.deepEqual(progress, { what: "Measuring", done: 0, total: 7 });
      const told = store.events(id).flatMap(({ event }) =>
        event.type === "progress" ? [[event.what, event.done]] : []
      );
      assert.deepEqual(told, [["Loading", 0], ["Loading", 1000], ["Measuring", 0]]);
    },
  ));

Deno.test("a job whose history cannot be kept is stopped and has failed", () =>
  withQueue(
    async (job, run) => {
      run.onEvent({ type: "notice", message: { toJSON: () => 1n } as unknown as string });
      return await untilStopped(job, run);
    },
    async ({ store, queue, reached, troubles }) => {
      const { id } = store.create(train("a"));
      queue.wake();
      const { error } = await reached(id, "failed");
      assert.match(error ?? "", /BigInt/);
      assert.match(troubles[0] ?? "", /^Cannot keep what job/);
    },
  ));

Deno.test("watch() gives what is stored, then what is added, and ends with the job", async () => {
  await using folder = await temporaryFolder();
  await using store = await JobStore.open<SessionEvent>(join(folder.path, JOBS));
  const history = createJobHistory(store);
  const { id } = store.create(train("a"));
  store.claim();
  store.append(id, [{ type: "notice", message: "one" }]);
  const seen: string[] = [];
  for await (const { seq, event } of history.watch({ id, after: 1 }, AbortSignal.timeout(5000))) {
    seen.push(`${seq} ${event.type === "state" ? event.state : event.type}`);
    if (seq === 3) store.append(id, [{ type: "notice", message: "two" }]);
    if (seq === 4) queueMicrotask(() => store.finish(id, { state: "done" }));
  }
  assert.deepEqual(seen, ["2 running", "3 notice", "4 notice", "5 done"]);
});

Deno.test("watch() ends when its reader leaves, and when the server closes it", async () => {
  await using folder = await temporaryFolder();
  await using store = await JobStore.open<SessionEvent>(join(folder.path, JOBS));
  const history = createJobHistory(store);
  const { id } = store.create(train("a"));
  const left = new AbortController();
  for await (const { seq } of history.watch({ id, after: 0 }, left.signal)) {
    assert.equal(seq, 1);
    left.abort();
  }
  const read = Array.fromAsync(history.watch({ id, after: 0 }, new AbortController().signal));
  store.claim();
  store.release(id);
  history.close();
  assert.deepEqual((await read).map(({ seq }) => seq), [1, 2, 3]);
  await assert.rejects(
    Array.fromAsync(history.watch({ id: "none", after: 0 }, left.signal)),
    { name: "NotFoundError" },
  );
});
