// One line per request in the log and one count in the metrics, and the id by which an answer and
// its line are found together. A line holds no body, no query, no header but the id.
import type { Context, MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import type { AppEnv, LogLine, Parts } from "./context.ts";
import { isUnexpected } from "./errors.ts";
import { withoutFolders } from "./without_folders.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
/** Asked all the time by whoever watches the server: its end does not wait for them. */
const PROBES = ["/health", "/ready", "/metrics"];
const LONGEST_PATH = 200; // characters

/** Gives the request its id, and logs it once its answer has ended. */
export function requestLog(
  { log, metrics, drain }: Pick<Parts, "log" | "metrics" | "drain">,
): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const started = performance.now();
    const given = c.req.header("x-request-id") ?? "";
    const id = /^[A-Za-z0-9_-]{1,64}$/.test(given) ? given : crypto.randomUUID();
    c.set("started", started);
    c.set("requestId", id);
    const ended = PROBES.includes(c.req.path) ? () => {} : drain.open();
    await next();
    c.res.headers.set("x-request-id", id);
    const route = routeOf(c);
    const method = METHODS.includes(c.req.method) ? c.req.method : "other";
    const { status } = c.res;
    metrics.request({ method, route, status }, performance.now() - started);
    const write = () => {
      ended();
      const failure = describeError(c.error);
      log({
        level: "error" in failure ? "error" : "info",
        request_id: id,
        method,
        route,
        path: withoutQuery(c),
        status,
        ms: Math.round((performance.now() - started) * 10) / 10,
        ...failure,
      });
    };
    const streamed = c.get("streamed");
    if (streamed === undefined) write();
    else void streamed.then(write);
  };
}

/** The pattern of the route that answered: `/runs/:id`, or `unmatched`. */
function routeOf(c: Context<AppEnv>): string {
  return matchedRoutes(c).findLast(({ method }) => method !== "ALL")?.path ?? "unmatched";
}

function withoutQuery(c: Context<AppEnv>): string {
  return new URL(c.req.url).pathname.slice(0, LONGEST_PATH);
}

/** What the log tells of a failure of ours; a request that cannot be used is told to its sender. */
function describeError(error: unknown): LogLine {
  if (!(error instanceof Error) || !isUnexpected(error)) return {};
  const frames = error.stack?.split("\n").filter((line) => /^\s+at /.test(line)).slice(0, 8) ?? [];
  return {
    error: error.name,
    message: withoutFolders(error.message).slice(0, 500),
    stack: frames.map((line) => line.trim()).join(" | "),
  };
}
