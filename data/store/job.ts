// A job as it is stored and shown: the schemas that jobs.ts keeps in SQLite and routes/ puts into
// the OpenAPI document. Apart from jobs.ts, so that the web process loads no database.
import { z } from "zod";
import { AdapterId } from "./adapter_id.ts";

/** Life of a job. A job that was running when the server ended is queued again on the next start. */
export const JobState = z.enum(["queued", "running", "done", "failed", "cancelled"]);
export type JobState = z.infer<typeof JobState>;

/** How far a running job is: `done` of `total` units of `what`. */
export const JobProgress = z.strictObject({
  what: z.string().describe("what is being done, for people"),
  done: z.number(),
  total: z.number(),
});
export type JobProgress = z.infer<typeof JobProgress>;

/** A job as it is stored and shown. */
export const Job = z.strictObject({
  id: z.string(),
  kind: z.enum(["train", "front"]),
  adapter: AdapterId,
  state: JobState,
  created: z.iso.datetime(),
  started: z.iso.datetime().nullable(),
  ended: z.iso.datetime().nullable(),
  progress: JobProgress.nullable(),
  error: z.string().nullable().describe("one sentence, where it failed"),
  request: z.record(z.string(), z.unknown()).describe("the RunConfig or front settings"),
});
export type Job = z.infer<typeof Job>;

/** A change of state in a job's history; the store adds it by itself. */
export interface StateEvent {
  type: "state";
  state: JobState;
  error: string | null;
}

/** One line of a job's history: `seq` rises by 1 from 1, so that a reader can go on where it was. */
export interface StoredEvent<E> {
  seq: number;
  time: string; // ISO 8601
  event: E | StateEvent;
}
