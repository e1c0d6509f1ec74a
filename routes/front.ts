// GET /front: the Pareto front of an adapter as JSON, picture or table, beside those of other adapters
// or at the steps of its training, and the λ that meets a goal on it. What is stored is answered at
// once; otherwise jobs measure it, which the client follows at /runs/ID/events or waits for.
import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { InputError } from "../core/errors.ts";
import { FrontComparison } from "../core/front/comparison.ts";
import { Goal, GoalAnswer, reachGoal } from "../core/front/goal.ts";
import { FrontReport, metrics } from "../core/front/report.ts";
import {
  type FigureAnswer,
  FigureRequest,
  type FrontAnswer,
  FrontJob,
  type Job,
} from "../workers/service.ts";
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
const Comparison = FrontComparison.openapi("FrontComparison");

const FrontQuery = z.strictObject({
  adapter: shape.adapter,
  checkpoint: numberText(shape.checkpoint),
  metric: shape.metric,
  reward_model: shape.reward_model,
  max_new_tokens: numberText(shape.max_new_tokens),
  rollout_format: shape.rollout_format,
  grid: numberText(shape.grid),
  limit: numberText(shape.limit),
  bootstrap: numberText(shape.bootstrap),
  seed: numberText(shape.seed),
  wait: numberText(z.number().min(0).max(600).default(0)).describe(
    "seconds to wait for a front that is not stored",
  ),
  compare: repeated(FigureRequest.shape.compare.min(1)).optional().describe(
    "repeatable: another adapter whose front is drawn on the same axes",
  ),
  view: z.enum(["front", "rewards", "comparison", "evolution"]).optional().describe(
    "`rewards`: how the rewards behind the points are spread (metric reward); `evolution`: the fronts of " +
      "the adapter's checkpoints on the same axes; default: `comparison` with `compare`, else `front`",
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
  summary:
    "The Pareto front of an adapter, alone or beside others, or the λ that meets a goal on it",
  request: { query: FrontQuery },
  responses: {
    200: {
      description:
        "the front or fronts as Accept asks for them; with `maximize` the answer to the goal",
      content: {
        [JSON_TYPE]: { schema: z.union([Front, Comparison, Answer]) },
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
    const { wait, at_least, maximize, compare = [], view: given, ...wanted } = c.req.valid("query");
    const view = given ?? (compare.length > 0 ? "comparison" : "front");
    const goal = readGoal({ at_least, maximize });
    checkView(view, { ...wanted, compare, goal });
    const type = negotiate(c.req.header("accept"), goal === undefined ? TYPES : [JSON_TYPE]);
    const answer = await ask(c, parts, {
      seconds: wait,
      answer: view === "comparison" || view === "evolution"
        ? () => parts.service.figure({ ...withoutCheckpoint(wanted), view, compare })
        : () => parts.service.front({ ...wanted, ...view === "rewards" && { metric: "reward" } }),
    });
    if (answer.type === "job") {
      return c.json(withoutFolders(answer.job), 202, {
        location: `/runs/${encodeURIComponent(answer.job.id)}`,
      });
    }
    if (answer.type === "front" && goal !== undefined) {
      return c.json(reachGoal(answer.report, goal), 200);
    }
    const headers = { "content-type": `${type}; charset=utf-8`, vary: "accept" };
    const drawn = view === "rewards" && answer.type === "front" ? answer.rewards : answer;
    if (drawn === undefined) {
      throw new InputError("Cannot show rewards: expected a front of rewards, got another");
    }
    if (type === "text/csv") return c.body(drawn.csv, 200, headers);
    if (type === "image/svg+xml") return c.body(drawn.svg, 200, headers);
    const report = answer.type === "front" ? answer.report : answer.comparison;
    return c.json(withoutFolders(report), 200, { vary: "accept" });
  });
}

type View = NonNullable<FrontQuery["view"]>;

/** Throws InputError where parameters do not go together. */
function checkView(
  view: View,
  { compare, checkpoint, metric, goal }: Pick<FrontJob, "checkpoint" | "metric"> & {
    compare: string[];
    goal: Goal | undefined;
  },
): void {
  const refuse = (expected: string, got: string) => {
    throw new InputError(`Cannot show the view ${view}: expected ${expected}, got ${got}`);
  };
  const several = view === "comparison" || view === "evolution";
  if (view === "comparison" && compare.length === 0) refuse("compare beside it", "none");
  if (view !== "comparison" && compare.length > 0) refuse("no compare beside it", "one");
  if (several && checkpoint !== undefined) refuse("no checkpoint beside it", "one");
  if (view !== "front" && goal !== undefined) refuse("no goal beside it", "one");
  if (view === "rewards" && metric !== undefined && !metrics[metric].generated) {
    refuse("the metric reward", metric);
  }
}

function withoutCheckpoint({ checkpoint: _, ...wanted }: FrontJob): Omit<FrontJob, "checkpoint"> {
  return wanted;
}

/** What `answer` gives, waited for where it is a job; the job where that took too long. */
async function ask(
  c: Context<AppEnv>,
  { service, drain }: Parts,
  { answer, seconds }: {
    answer: () => Promise<FrontAnswer | FigureAnswer>;
    seconds: number;
  },
): Promise<FrontAnswer | FigureAnswer> {
  let current = await answer();
  if (current.type !== "job" || seconds === 0) return current;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), seconds * 1000);
  const enough = AbortSignal.any([late.signal, drain.begun, c.req.raw.signal]);
  try {
    // A figure of several fronts takes several jobs.
    while (current.type === "job" && !enough.aborted) {
      const { id } = current.job;
      if (!await isDone(service, id, enough)) {
        return { type: "job", job: await service.getJob(id) };
      }
      current = await answer();
    }
    return current;
  } finally {
    clearTimeout(timer);
    late.abort();
  }
}

/** Waits for a job; false where the time was over before it ended. Throws where it failed. */
async function isDone(
  service: Parts["service"],
  id: string,
  enough: AbortSignal,
): Promise<boolean> {
  const events = service.watchJob({ id, after: 0 }, enough)[Symbol.asyncIterator]();
  for await (const { event } of takeUntil(events, enough)) {
    if (event.type === "state" && event.state === "done") return true;
    if (event.type === "state" && hasFailed(event.state)) {
      throw new Refusal("JobFailed", `Cannot measure the front: ${event.error ?? event.state}`);
    }
  }
  return false;
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
