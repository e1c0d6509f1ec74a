// Jobs over HTTP: start a training run, list and look at jobs, follow one as it goes, end it, go on
// with it. What a job is doing comes as server-sent events numbered by `seq`, so that a client whose
// connection broke goes on where it was.
import { createRoute, z } from "@hono/zod-openapi";
import { InputError } from "../core/errors.ts";
import type { JobEvent, Service } from "../workers/service.ts";
import type { Parts } from "./context.ts";
import { takeUntil } from "./drain.ts";
import { errorData } from "./errors.ts";
import { createRouter, problems } from "./router.ts";
import { CreateRun, eventSchema, Job, numberText } from "./schemas.ts";
import { eventStream, type Frame } from "./sse.ts";
import { withoutFolders } from "./without_folders.ts";

const JobPath = z.object({ id: z.string().min(1).max(200).describe("id of a job") });
const job = (description: string) => ({
  description,
  content: { "application/json": { schema: Job } },
});

/** What can be done with the job of an answer. */
export const jobLinks = Object.fromEntries(
  ["getRun", "watchRun", "cancelRun", "resumeRun"].map((operationId) => [
    operationId,
    { operationId, parameters: { id: "$response.body#/id" } },
  ]),
);

const createRun = createRoute({
  operationId: "createRun",
  tags: ["runs"],
  method: "post",
  path: "/runs",
  summary: "Start a training run",
  request: { body: { required: true, content: { "application/json": { schema: CreateRun } } } },
  responses: {
    201: {
      ...job("the job, queued"),
      headers: z.object({ location: z.string().describe("address of the job") }),
      links: jobLinks,
    },
    ...problems(400, 404, 409, 413, 415, 429, 503),
  },
});

const listRuns = createRoute({
  operationId: "listRuns",
  tags: ["runs"],
  method: "get",
  path: "/runs",
  summary: "Every job, newest first",
  responses: {
    200: { description: "jobs", content: { "application/json": { schema: z.array(Job) } } },
    ...problems(),
  },
});

const getRun = createRoute({
  operationId: "getRun",
  tags: ["runs"],
  method: "get",
  path: "/runs/{id}",
  summary: "One job",
  request: { params: JobPath },
  responses: { 200: job("the job"), ...problems(400, 404) },
});

const cancelRun = createRoute({
  operationId: "cancelRun",
  tags: ["runs"],
  method: "post",
  path: "/runs/{id}/cancel",
  summary: "End a job; training saves a checkpoint",
  request: { params: JobPath },
  responses: { 200: job("the job, ending"), ...problems(400, 404, 409, 413, 415) },
});

const resumeRun = createRoute({
  operationId: "resumeRun",
  tags: ["runs"],
  method: "post",
  path: "/runs/{id}/resume",
  summary: "Go on with a failed or cancelled job",
  request: { params: JobPath },
  responses: { 200: job("the job, queued"), ...problems(400, 404, 409, 413, 415, 503) },
});

const watchRun = createRoute({
  operationId: "watchRun",
  tags: ["runs"],
  method: "get",
  path: "/runs/{id}/events",
  summary: "What a job has done and does, as server-sent events",
  request: {
    params: JobPath,
    query: z.strictObject({
      after: numberText(z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional()).describe(
        "`seq` of the last event seen; the header Last-Event-ID says the same",
      ),
    }),
  },
  responses: {
    200: {
      description: "events named by their type, `id` their number; `error` where it fails, `end` " +
        "where the server ends first",
      content: {
        "text/event-stream": { schema: eventSchema("JobEvent") },
      },
    },
    204: { description: "the job has ended and nothing followed `after`" },
    ...problems(400, 404),
  },
});

/** The routes under `/runs`. */
export function runRoutes({ service, config, drain, directory }: Parts) {
  return createRouter()
    .openapi(createRun, async (c) => {
      drain.refuseNew();
      const made = await service.createRun(c.req.valid("json"));
      directory.forget();
      const location = `/runs/${encodeURIComponent(made.id)}`;
      return c.json(withoutFolders(made), 201, { location });
    })
    .openapi(listRuns, async (c) => c.json(withoutFolders(await service.listJobs()), 200))
    .openapi(getRun, async (c) => {
      return c.json(withoutFolders(await service.getJob(c.req.valid("param").id)), 200);
    })
    .openapi(cancelRun, async (c) => {
      return c.json(withoutFolders(await service.cancelJob(c.req.valid("param").id)), 200);
    })
    .openapi(resumeRun, async (c) => {
      drain.refuseNew();
      return c.json(withoutFolders(await service.resumeJob(c.req.valid("param").id)), 200);
    })
    .openapi(watchRun, async (c) => {
      const { id } = c.req.valid("param");
      const after = c.req.valid("query").after ?? readLastEventId(c.req.header("last-event-id"));
      const left = new AbortController();
      const events = await openEvents(service, { id, after }, left.signal);
      if (events === undefined) return c.body(null, 204);
      return eventStream(c, writeFrames(takeUntil(events, drain.begun)), {
        limits: config,
        whenFull: "wait",
        abort: () => left.abort(new DOMException("The client left", "AbortError")),
        onError: (error) => ({ event: "error", data: JSON.stringify(errorData(error, c)) }),
      });
    });
}

/** The job's events; undefined where it has ended and none are left: a 204 stops an EventSource. */
async function openEvents(
  service: Service,
  from: { id: string; after: number },
  signal: AbortSignal,
): Promise<AsyncIterator<JobEvent> | undefined> {
  const { ended } = await service.getJob(from.id);
  const events = service.watchJob(from, signal)[Symbol.asyncIterator]();
  if (ended === null) return events;
  const first = await events.next();
  return first.done ? undefined : startingWith(first.value, events);
}

async function* startingWith<T>(first: T, rest: AsyncIterator<T>): AsyncGenerator<T> {
  yield first;
  yield* { [Symbol.asyncIterator]: () => rest };
}

async function* writeFrames(events: AsyncGenerator<JobEvent, boolean>): AsyncGenerator<Frame> {
  for (;;) {
    const { done, value } = await events.next();
    if (!done) {
      yield {
        event: value.event.type,
        id: value.seq,
        data: JSON.stringify(withoutFolders(value)),
      };
      continue;
    }
    if (value === false) yield { event: "end", data: JSON.stringify({ reason: "shutdown" }) };
    return;
  }
}

function readLastEventId(header: string | undefined): number {
  if (header === undefined || header === "") return 0;
  const seq = /^\d{1,15}$/.test(header) ? Number(header) : NaN;
  if (!Number.isNaN(seq)) return seq;
  throw new InputError("Cannot read Last-Event-ID: expected the id of an event, got another");
}
