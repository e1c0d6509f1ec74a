import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import {
  BusyError,
  ConflictError,
  CorruptFileError,
  DivergedError,
  InputError,
  NotFoundError,
  StorageError,
} from "../../../core/errors.ts";
import { Job } from "../../../data/store/job.ts";
import { JOBS, JobStore } from "../../../data/store/jobs.ts";
import { jobsSchema } from "../../../data/store/jobs_schema.ts";
import { temporaryFolder } from "./fixtures.ts";

type Notice = { type: "notice"; message: string };
const notice = (message: string): Notice => ({ type: "notice", message });

const request = { grid: 11, deep: { list: [1, null, "ü"] } };
const job = (adapter = "a") => ({ kind: "train" as const, adapter, request });

async function withStore(
  work: (store: JobStore<Notice>, path: string) => void | Promise<void>,
): Promise<void> {
  await using folder = await temporaryFolder();
  const path = join(folder.path, JOBS);
  await using store = await JobStore.open<Notice>(path);
  await work(store, path);
}

Deno.test("create() gives a queued job that get() and list() read back", () =>
  withStore((store) => {
    const first = store.create(job());
    const second = store.create({ kind: "front", adapter: "b", request: {} });
    assert.deepEqual(Job.parse(first), first);
    assert.equal(first.state, "queued");
    assert.deepEqual(first.request, request);
    assert.deepEqual(store.get(first.id), first);
    assert.deepEqual(store.list(), [second, first]);
    assert.deepEqual(store.list({ limit: 1 }), [second]);
  }));

Deno.test("create() refuses a request that is not plain, finite JSON", () =>
  withStore((store) => {
    const bad = (value: unknown) => ({ ...job(), request: { value } });
    assert.throws(() => store.create(bad(NaN)), DivergedError);
    assert.throws(() => store.create(bad(1n)), TypeError);
    assert.deepEqual(store.list(), []);
  }));

Deno.test("claim() takes the jobs in the order they were asked for, one by one", () =>
  withStore((store) => {
    const ids = ["a", "b", "c"].map((name) => store.create(job(name)).id);
    const claimed = ids.map(() => store.claim());
    assert.deepEqual(claimed.map((job) => job?.id), ids);
    assert.ok(claimed.every((job) => job?.state === "running" && job.started !== null));
    assert.equal(store.claim(), null);
  }));

Deno.test("claim() passes over jobs that are not accepted", () =>
  withStore((store) => {
    store.create(job("a"));
    const second = store.create(job("b"));
    assert.equal(store.claim(({ adapter }) => adapter !== "a")?.id, second.id);
    assert.equal(store.claim(() => false), null);
  }));

Deno.test("active() lists what runs, then what waits, of one adapter where one is named", () =>
  withStore((store) => {
    const [a, b, c] = ["a", "b", "a"].map((name) => store.create(job(name)).id);
    store.claim(({ id }) => id === c);
    assert.deepEqual(store.active().map(({ id }) => id), [c, a, b]);
    assert.deepEqual(store.active("a").map(({ id }) => id), [c, a]);
    store.finish(c ?? "", { state: "done" });
    assert.deepEqual(store.active("a").map(({ id }) => id), [a]);
  }));

Deno.test("progress() is kept for a running job and ignored for any other", () =>
  withStore((store) => {
    const { id } = store.create(job());
    const progress = { what: "Training", done: 3, total: 10 };
    store.progress(id, progress);
    assert.equal(store.get(id).progress, null);
    store.claim();
    store.progress(id, progress);
    assert.deepEqual(store.get(id).progress, progress);
  }));

Deno.test("append() numbers events from 1 without gaps, changes of state among them", () =>
  withStore((store) => {
    const { id } = store.create(job());
    const other = store.create(job("b"));
    store.claim();
    const added = store.append(id, [notice("one"), notice("two")]);
    store.append(other.id, [notice("elsewhere")]);
    store.finish(id, { state: "failed", error: "it broke" });
    const events = store.events(id);
    assert.deepEqual(events.map(({ seq }) => seq), [1, 2, 3, 4, 5]);
    assert.deepEqual(events.map(({ event }) => event), [
      { type: "state", state: "queued", error: null },
      { type: "state", state: "running", error: null },
      notice("one"),
      notice("two"),
      { type: "state", state: "failed", error: "it broke" },
    ]);
    assert.deepEqual(events.slice(2, 4), added);
    assert.deepEqual(store.events(id, { after: 3 }).map(({ seq }) => seq), [4, 5]);
    assert.deepEqual(store.events(id, { after: 1, limit: 2 }).map(({ seq }) => seq), [2, 3]);
    assert.deepEqual(store.events(id, { after: 5 }), []);
  }));

Deno.test("append() writes all of its events or none", () =>
  withStore((store) => {
    const { id } = store.create(job());
    const circular = { type: "notice" as const, message: "", self: {} };
    circular.self = circular;
    assert.throws(() => store.append(id, [notice("one"), circular]), TypeError);
    assert.equal(store.events(id).length, 1);
    assert.equal(store.append(id, [notice("two")])[0]?.seq, 2);
  }));

Deno.test("a number in an event that is not finite reads back as null", () =>
  withStore((store) => {
    const { id } = store.create(job());
    const rate = { ...notice("rate"), perSecond: Infinity };
    const [added] = store.append(id, [rate]);
    assert.deepEqual(added?.event, { ...rate, perSecond: null });
    assert.deepEqual(store.events(id)[1], added);
  }));

Deno.test("onEvent is told of every addition once it is stored", () =>
  withStore((store) => {
    const told: string[] = [];
    store.onEvent = (id, added) => {
      for (const { seq, event } of added) {
        assert.deepEqual(store.events(id, { after: seq - 1, limit: 1 })[0]?.event, event);
        told.push("state" in event ? event.state : event.message);
      }
    };
    const { id } = store.create(job());
    store.claim();
    store.append(id, [notice("one"), notice("two")]);
    store.finish(id, { state: "done" });
    assert.deepEqual(told, ["queued", "running", "one", "two", "done"]);
  }));

Deno.test("finish() ends a running job and no other", () =>
  withStore((store) => {
    const { id } = store.create(job());
    assert.throws(() => store.finish(id, { state: "done" }), ConflictError);
    store.claim();
    const ended = store.finish(id, { state: "failed", error: "no memory" });
    assert.deepEqual([ended.state, ended.error], ["failed", "no memory"]);
    assert.ok(ended.ended !== null);
    assert.throws(() => store.finish(id, { state: "done" }), ConflictError);
  }));

Deno.test("cancel() ends a waiting job, marks a running one and refuses one that has ended", () =>
  withStore((store) => {
    const [waiting, running] = [store.create(job("a")).id, store.create(job("b")).id];
    assert.equal(store.cancel(waiting).state, "cancelled");
    assert.throws(() => store.cancel(waiting), ConflictError);
    assert.equal(store.claim()?.id, running);
    assert.equal(store.cancel(running).state, "running");
    assert.equal(store.finish(running, { state: "cancelled" }).state, "cancelled");
  }));

Deno.test("requeue() puts a failed or cancelled job at the end, as new", () =>
  withStore((store) => {
    const [a, b] = [store.create(job("a")).id, store.create(job("b")).id];
    assert.throws(() => store.requeue(a), ConflictError);
    store.claim();
    store.progress(a, { what: "Training", done: 1, total: 2 });
    store.cancel(a);
    store.finish(a, { state: "failed", error: "lost" });
    const again = store.requeue(a);
    assert.deepEqual(
      [again.state, again.error, again.progress, again.started, again.ended],
      ["queued", null, null, null, null],
    );
    assert.deepEqual(store.active().map(({ id }) => id), [b, a]);
    store.claim(({ id }) => id === a);
    store.finish(a, { state: "done" });
    assert.throws(() => store.requeue(a), ConflictError);
  }));

Deno.test("release() puts a running job back where it waited", () =>
  withStore((store) => {
    const [a, b] = [store.create(job("a")).id, store.create(job("b")).id];
    store.claim();
    assert.equal(store.release(a).state, "queued");
    assert.throws(() => store.release(a), ConflictError);
    assert.deepEqual(store.active().map(({ id }) => id), [a, b]);
  }));

Deno.test("an unknown job is refused by every method that names one", () =>
  withStore((store) => {
    const id = "\0'; DROP TABLE jobs; --".repeat(1000);
    const calls = [
      () => store.get(id),
      () => store.append(id, [notice("")]),
      () => store.events(id),
      () => store.finish(id, { state: "done" }),
      () => store.cancel(id),
      () => store.requeue(id),
      () => store.release(id),
    ];
    for (const call of calls) {
      assert.throws(call, (error) => error instanceof NotFoundError && error.message.length < 200);
    }
    assert.deepEqual(store.list(), []);
  }));

Deno.test("a file is held by one store at a time", () =>
  withStore(async (store, path) => {
    await assert.rejects(JobStore.open(path), BusyError);
    store.create(job());
    await store.close();
    await store.close();
    await using again = await JobStore.open(path);
    assert.equal(again.list().length, 1);
  }));

Deno.test("open() refuses what is no database, naming the file", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, JOBS);
  await Deno.writeTextFile(path, "not a database, but long enough to be one\n".repeat(200));
  await assert.rejects(
    JobStore.open(path),
    (error) => error instanceof CorruptFileError && error.message.includes(path),
  );
});

Deno.test("open() refuses another program's database and leaves it as it is", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, JOBS);
  const database = new DatabaseSync(path);
  database.exec("CREATE TABLE jobs (a)");
  database.close();
  const before = await Deno.readFile(path);
  await assert.rejects(JobStore.open(path), CorruptFileError);
  assert.deepEqual(await Deno.readFile(path), before);
});

Deno.test("open() refuses a folder that cannot be written, naming the path", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "missing", JOBS);
  await assert.rejects(
    JobStore.open(path),
    (error) => error instanceof StorageError && error.message.includes(path),
  );
});

Deno.test("a damaged page is refused by name on opening or on the first use of it", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, JOBS);
  const store = await JobStore.open<Notice>(path);
  const { id } = store.create(job());
  store.append(id, Array.from({ length: 500 }, (_, i) => notice(`event ${i} `.repeat(20))));
  await store.close();
  const bytes = await Deno.readFile(path);
  for (let page = 1; page < bytes.length / 4096; page += 5) {
    const damaged = bytes.slice();
    damaged.fill(0xa5, page * 4096, page * 4096 + 64); // the page's header and cell pointers
    await Deno.writeFile(path, damaged);
    const use = async () => {
      await using again = await JobStore.open(path);
      again.events(id);
    };
    await assert.rejects(
      use(),
      (error) => error instanceof CorruptFileError && error.message.includes(path),
      `page ${page}`,
    );
  }
});

Deno.test("the newest schema is what the migrations make of the oldest", async () => {
  await using folder = await temporaryFolder();
  const tables = (database: DatabaseSync) =>
    database.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").all();
  const old = new DatabaseSync(join(folder.path, "old"));
  for (const statements of jobsSchema.migrations) old.exec(statements);
  const expected = tables(old);
  old.close();
  const path = join(folder.path, JOBS);
  await (await JobStore.open(path)).close();
  const database = new DatabaseSync(path);
  assert.deepEqual(tables(database), expected);
  assert.deepEqual(
    { ...database.prepare("PRAGMA user_version").get() },
    { user_version: jobsSchema.migrations.length },
  );
  database.close();
});

Deno.test("open() names the version of a newer schema and leaves the file as it is", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, JOBS);
  await (await JobStore.open(path)).close();
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA user_version = ${jobsSchema.migrations.length + 7}`);
  database.close();
  await assert.rejects(
    JobStore.open(path),
    (error) =>
      error instanceof InputError && error.message.includes(path) &&
      error.message.includes(`version ${jobsSchema.migrations.length + 7}`),
  );
});
