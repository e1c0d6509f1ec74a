// GET /front: the Pareto front of an adapter as JSON, picture or table, and the λ that meets a goal
// on it. What is stored is answered at once; otherwise a job measures it, which the client follows
// at /runs/ID/events or waits for.
import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { InputError } from "../core/errors.ts";
import { Goal, GoalAnswer, reachGoal } from "../core/front/goal.ts";
import { FrontReport } from "../core/front/report.ts";
import { type FrontAnswer, FrontJob, type Job } from "../workers/service.ts";
import { negotiate } from "./accept.ts";
import type { AppEnv, Parts } from "./context.ts";
import { takeUntil } from "./drain.ts";
import { Refusal } from "./errors.ts";
import { createRouter, problems } from "./router.ts";
import { jobLinks } from "./runs.ts";
import { Job as JobSchema, numberText, repeated } from "./schemas.ts";
import { withoutFolders } from "./without_folders.ts";

const JSON_TYPE = "application/json";
const TYPES = [JSON_TYPE, "image/svg+xml", "text/csv"] as const;

const AT_LEAST = /^(.+):(-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)$/;

const shape = FrontJob.shape;
const Front = FrontReport.openapi("FrontReport");
const Answer = GoalAnswer.openapi("GoalAnswer");

const FrontQuery = z.strictObject({
  adapter: shape.adapter,
  metric: shape.metric,
  grid: numberText(shape.grid),
  limit: numberText(shape.limit),
  bootstrap: numberText(shape.bootstrap),
  seed: numberText(shape.seed),
  wait: numberText(z.number().min(0).max(600).default(0)).describe(
    "seconds to wait for a front that is not stored",
  ),
  at_least: repeated(z.array(z.string().max(200).regex(AT_LEAST)).max(64)).optional().describe(
    "repeatable: `dimension:value` that the answer must reach",
  ),
  maximize: Goal.shape.maximize.max(100).optional(),
});
type FrontQuery = z.infer<typeof FrontQuery>;

const getFront = createRoute({
  operationId: "getFront",
  tags: ["fronts"],
  method: "get",
  path: "/front",
  summary: "The Pareto front of an adapter, or the λ that meets a goal on it",
  request: { query: FrontQuery },
  responses: {
    200: {
      description: "the front as Accept asks for it; with `maximize` the answer to the goal",
      content: {
        [JSON_TYPE]: { schema: z.union([Front, Answer]) },
        "image/svg+xml": { schema: z.string() },
        "text/csv": { schema: z.string() },
      },
    },
    202: {
      description: "it is being measured: the job, also at Location; progress at Location/events",
      headers: z.object({ location: z.string().describe("address of the job") }),
      links: jobLinks,
      content: { [JSON_TYPE]: { schema: JobSchema } },
    },
    ...problems(400, 404, 406, 409, 429, 503),
  },
});

/** `GET /front`. */
export function frontRoutes(parts: Parts) {
  return createRouter().openapi(getFront, async (c) => {
    const { wait, at_least, maximize, ...wanted } = c.req.valid("query");
    const goal = readGoal({ at_least, maximize });
    const type = negotiate(c.req.header("accept"), goal === undefined ? TYPES : [JSON_TYPE]);
    const answer = await ask(c, parts, { wanted, seconds: wait });
    if (answer.type === "job") {
      return c.json(withoutFolders(answer.job), 202, {
        location: `/runs/${encodeURIComponent(answer.job.id)}`,
      });
    }
    if (goal !== undefined) return c.json(reachGoal(answer.report, goal), 200);
    const headers = { "content-type": `${type}; charset=utf-8`, vary: "accept" };
    if (type === "text/csv") return c.body(answer.csv, 200, headers);
    if (type === "image/svg+xml") return c.body(answer.svg, 200, headers);
    return c.json(withoutFolders(answer.report), 200, { vary: "accept" });
  });
}

/** The front, waited for where it is not stored; the job where that took too long. */
async function ask(
  c: Context<AppEnv>,
  { service, drain }: Parts,
  { wanted, seconds }: { wanted: FrontJob; seconds: number },
): Promise<FrontAnswer> {
  const answer = await service.front(wanted);
  if (answer.type === "front" || seconds === 0) return answer;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), seconds * 1000);
  const enough = AbortSignal.any([late.signal, drain.begun, c.req.raw.signal]);
  try {
    const { id } = answer.job;
    const events = service.watchJob({ id, after: 0 }, enough)[Symbol.asyncIterator]();
    for await (const { event } of takeUntil(events, enough)) {
      if (event.type === "state" && event.state === "done") return await service.front(wanted);
      if (event.type === "state" && hasFailed(event.state)) {
        throw new Refusal("JobFailed", `Cannot measure the front: ${event.error ?? event.state}`);
      }
    }
    return { type: "job", job: await service.getJob(id) };
  } finally {
    clearTimeout(timer);
    late.abort();
  }
}

function hasFailed(state: Job["state"]): boolean {
  return state === "failed" || state === "cancelled";
}

function readGoal({ at_least = [], maximize }: Pick<FrontQuery, "at_least" | "maximize">) {
  if (maximize === undefined) {
    if (at_least.length === 0) return undefined;
    throw new InputError("Cannot seek a goal: expected maximize beside at_least, got none");
  }
  const atLeast: [string, number][] = at_least.map((text) => {
    const [, name = "", value] = AT_LEAST.exec(text) ?? [];
    if (Number.isFinite(Number(value))) return [name, Number(value)];
    throw new InputError(
      `Cannot read at_least: expected a finite value, got ${JSON.stringify(text)}`,
    );
  });
  if (new Set(atLeast.map(([name]) => name)).size < atLeast.length) {
    throw new InputError("Cannot read at_least: expected each dimension once, got one twice");
  }
  return Goal.parse({ atLeast: Object.fromEntries(atLeast), maximize });
}
