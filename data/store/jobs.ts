// The service's jobs and their histories in one SQLite file: what waits, runs and is done survives
// the server. The supervisor is its only user; a job is one training run or one front.
import { ConflictError, CorruptFileError, NotFoundError } from "../../core/errors.ts";
import { Job, type JobProgress, type JobState, type StateEvent, type StoredEvent } from "./job.ts";
import { jobsSchema } from "./jobs_schema.ts";
import { describeIssues, encodeJson } from "./json.ts";
import { type Row, Sqlite } from "./sqlite.ts";

/** Name of the file in the runs folder; no adapter can be called this. */
export const JOBS = ".jobs.sqlite";

/** What a new job is. */
export interface NewJob {
  kind: Job["kind"];
  adapter: string;
  request: Record<string, unknown>; // plain JSON
}

/**
 * The jobs of a runs folder, held by this process until `close()`. Methods are synchronous; those
 * that change something return once it is on the disk, and tell `onEvent` what they added to the
 * history. `E`: what is logged besides changes of state; a number in it that is not finite reads
 * back as null. Any method throws StorageError (disk full, no permission) and CorruptFileError
 * (damaged), both naming the file.
 */
export class JobStore<E extends { type: string }> {
  /** Called after each addition to a job's history, with what was added. */
  onEvent: ((id: string, added: StoredEvent<E>[]) => void) | undefined;
  readonly #file: Sqlite;

  private constructor(file: Sqlite) {
    this.#file = file;
  }

  /**
   * Opens or makes the file `path`. Jobs that a killed server left running are queued again where
   * they stood, or cancelled where that was asked for.
   *
   * @throws {BusyError} another server holds it, naming pid and host
   * @throws {CorruptFileError} not a sound database of this program, naming it
   * @throws {InputError} made by a newer version of this program
   * @throws {StorageError} it cannot be written
   */
  static async open<E extends { type: string }>(path: string): Promise<JobStore<E>> {
    const file = await Sqlite.open(path, jobsSchema);
    try {
      const store = new JobStore<E>(file);
      store.#recover();
      return store;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** A new job at the end of the queue. */
  create({ kind, adapter, request }: NewJob): Job {
    const id = crypto.getRandomValues(new Uint8Array(6)).toHex();
    const text = encodeJson(request, { name: `request of job ${id}`, indent: 0 });
    return this.#change(id, "queued", () => {
      this.#file.run(
        `INSERT INTO jobs (id, kind, adapter, state, place, created, request)
         VALUES (?, ?, ?, 'queued', (SELECT coalesce(max(place), 0) + 1 FROM jobs), ?, ?)`,
        ...[id, kind, adapter, now(), text],
      );
    });
  }

  /** Throws NotFoundError. */
  get(id: string): Job {
    return this.#toJob(this.#row(id));
  }

  /** All jobs, the newest first; at most `limit`. */
  list({ limit = -1 }: { limit?: number } = {}): Job[] {
    return this.#file.all("SELECT * FROM jobs ORDER BY number DESC LIMIT ?", limit)
      .map((row) => this.#toJob(row));
  }

  /** Jobs that run or wait, in the order they run; those of one adapter where one is named. */
  active(adapter?: string): Job[] {
    return this.#file.all(
      `SELECT * FROM jobs WHERE state IN ('running', 'queued') AND adapter = coalesce(?, adapter)
       ORDER BY state DESC, place`,
      adapter ?? null,
    ).map((row) => this.#toJob(row));
  }

  /** Sets the next waiting job (of those that `accept` takes) running; null where there is none. */
  claim(accept: (job: Job) => boolean = () => true): Job | null {
    const next = this.active().find((job) => job.state === "queued" && accept(job));
    if (next === undefined) return null;
    return this.#change(next.id, "running", () => {
      this.#file.run("UPDATE jobs SET state = 'running', started = ? WHERE id = ?", now(), next.id);
    });
  }

  /** Keeps how far a running job is; a job that runs no more stays as it is. */
  progress(id: string, progress: JobProgress): void {
    this.#file.run(
      "UPDATE jobs SET progress = ? WHERE id = ? AND state = 'running'",
      JSON.stringify(progress),
      id,
    );
  }

  /** Appends to the job's history, all or nothing; throws NotFoundError. */
  append(id: string, events: E[]): StoredEvent<E>[] {
    const { number } = this.#row(id);
    const added = this.#file.transaction(() => this.#log(Number(number), events));
    this.onEvent?.(id, added);
    return added;
  }

  /** The history after event number `after`, at most `limit` entries; throws NotFoundError. */
  events(
    id: string,
    { after = 0, limit = -1 }: { after?: number; limit?: number } = {},
  ): StoredEvent<E>[] {
    const { number } = this.#row(id);
    return this.#file.all(
      "SELECT seq, time, event FROM events WHERE job = ? AND seq > ? ORDER BY seq LIMIT ?",
      ...[Number(number), after, limit],
    ).map(({ seq, time, event }) => ({
      seq: Number(seq),
      time: String(time),
      event: this.#parse(event, `event ${seq} of job ${id}`),
    }));
  }

  /** Ends a running job; throws NotFoundError, and ConflictError for one that does not run. */
  finish(
    id: string,
    { state, error = null }: { state: "done" | "failed" | "cancelled"; error?: string | null },
  ): Job {
    this.#require(id, "end", ["running"]);
    return this.#end(id, state, error);
  }

  /** Puts a running job back where it waited, as when the server ends; throws as finish() does. */
  release(id: string): Job {
    this.#require(id, "put back", ["running"]);
    return this.#queue(id);
  }

  /**
   * A waiting job is cancelled at once. A running one goes on running, marked, until finish() or,
   * where the server is killed first, until the next open(). Throws NotFoundError, and
   * ConflictError for a job that has ended.
   */
  cancel(id: string): Job {
    const { state } = this.#require(id, "cancel", ["queued", "running"]);
    if (state === "queued") return this.#end(id, "cancelled", null);
    this.#file.run("UPDATE jobs SET cancelling = 1 WHERE id = ?", id);
    return this.get(id);
  }

  /** Queues a failed or cancelled job again, at the end; throws NotFoundError, ConflictError. */
  requeue(id: string): Job {
    this.#require(id, "resume", ["failed", "cancelled"]);
    return this.#queue(id, "(SELECT max(place) + 1 FROM jobs)");
  }

  /** Closes the file and gives its lock back; more calls do nothing. */
  close(): Promise<void> {
    return this.#file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #recover(): void {
    for (const row of this.#file.all("SELECT id, cancelling FROM jobs WHERE state = 'running'")) {
      const id = String(row.id);
      if (row.cancelling === 1) this.#end(id, "cancelled", null);
      else this.#queue(id);
    }
  }

  #end(id: string, state: JobState, error: string | null): Job {
    return this.#change(id, state, () => {
      this.#file.run(
        "UPDATE jobs SET state = ?, ended = ?, error = ?, cancelling = 0 WHERE id = ?",
        ...[state, now(), error, id],
      );
    });
  }

  #queue(id: string, place = "place"): Job {
    return this.#change(id, "queued", () => {
      this.#file.run(
        `UPDATE jobs SET state = 'queued', place = ${place}, started = NULL, ended = NULL,
         progress = NULL, error = NULL, cancelling = 0 WHERE id = ?`,
        id,
      );
    });
  }

  /** A change of state and its line in the history, as one. */
  #change(id: string, state: JobState, write: () => void): Job {
    const { job, added } = this.#file.transaction(() => {
      write();
      const row = this.#row(id);
      const job = this.#toJob(row);
      const event: StateEvent = { type: "state", state, error: job.error };
      return { job, added: this.#log(Number(row.number), [event]) };
    });
    this.onEvent?.(id, added);
    return job;
  }

  #log(job: number, events: (E | StateEvent)[]): StoredEvent<E>[] {
    const [last] = this.#file.all("SELECT max(seq) AS seq FROM events WHERE job = ?", job);
    const time = now();
    return events.map((event, i) => {
      const seq = Number(last?.seq ?? 0) + 1 + i;
      const text = JSON.stringify(event);
      this.#file.run(
        "INSERT INTO events (job, seq, time, event) VALUES (?, ?, ?, ?)",
        ...[job, seq, time, text],
      );
      return { seq, time, event: JSON.parse(text) };
    });
  }

  #require(id: string, action: string, states: JobState[]): Job {
    const job = this.get(id);
    if (states.includes(job.state)) return job;
    throw new ConflictError(
      `Cannot ${action} job ${id}: expected it ${states.join(" or ")}, got it ${job.state}`,
    );
  }

  #row(id: string): Row {
    const row = this.#file.all("SELECT * FROM jobs WHERE id = ?", id)[0];
    if (row !== undefined) return row;
    throw new NotFoundError(
      `Cannot find job ${JSON.stringify(id.slice(0, 40))}: expected the id of a job, got none's`,
    );
  }

  #toJob({ number: _number, place: _place, cancelling: _cancelling, ...columns }: Row): Job {
    const what = `job ${columns.id}`;
    const progress = this.#parse(columns.progress, what);
    const request = this.#parse(columns.request, what);
    const parsed = Job.safeParse({ ...columns, progress, request });
    if (parsed.success) return parsed.data;
    throw new CorruptFileError(
      `Cannot read ${what} in ${this.#file.path}: expected its schema, got ` +
        describeIssues(parsed.error),
    );
  }

  #parse(text: unknown, what: string) {
    try {
      return JSON.parse(String(text));
    } catch {
      throw new CorruptFileError(
        `Cannot read ${what} in ${this.#file.path}: expected JSON, got ${
          String(text).slice(0, 40)
        }`,
      );
    }
  }
}

function now(): string {
  return new Date().toISOString();
}
