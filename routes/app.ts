// The web application: every request passes the log, the headers, the guard, and then reaches the
// one file that owns its resource. Nothing here touches a disk, a network or a model; what is
// answered comes from the Service and the ChatService given in.
import type { Context, MiddlewareHandler } from "hono";
import { methodNotAllowed } from "hono/method-not-allowed";
import { adapterRoutes } from "./adapters.ts";
import { chatRoutes } from "./chat.ts";
import type { AppEnv, AppOptions, Parts } from "./context.ts";
import { createDirectory } from "./directory.ts";
import { docsRoutes } from "./docs.ts";
import { createDrain, type Drain } from "./drain.ts";
import { errorResponse, Refusal } from "./errors.ts";
import { frontRoutes } from "./front.ts";
import { healthRoutes } from "./health.ts";
import { createMetrics, metricsRoutes } from "./metrics.ts";
import { modelRoutes } from "./models.ts";
import { openAiRoutes } from "./openai.ts";
import { pageRoutes } from "./page.ts";
import { requestLog } from "./request_log.ts";
import { createRouter } from "./router.ts";
import { runRoutes } from "./runs.ts";
import { browserHeaders, guard } from "./security.ts";

/** The app, and the way to its end. */
export interface App {
  fetch: (request: Request, env?: AppEnv["Bindings"]) => Response | Promise<Response>;
  request: (path: string, init?: RequestInit) => Response | Promise<Response>;
  routes: { method: string; path: string }[];
  drain: Drain;
}

/** An app that answers from `options`. */
export function createApp(options: AppOptions): App {
  const parts: Parts = {
    ...options,
    files: options.files ?? {},
    directory: createDirectory(options.service),
    drain: createDrain(),
    metrics: createMetrics(),
  };
  const app = createRouter();
  app.onError(errorResponse);
  app.notFound((c) => errorResponse(unknownPath(), c));
  app.use(requestLog(parts), browserHeaders(), closeWhenDraining(parts.drain), ...guard(parts));
  app.use(onlyErrors);
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => errorResponse(wrongMethod(c, methods), c),
    }),
    noHead,
  );
  const resources = [
    healthRoutes(parts),
    frontRoutes(parts),
    chatRoutes(parts),
    openAiRoutes(parts),
    runRoutes(parts),
    adapterRoutes(parts),
    modelRoutes(parts),
    metricsRoutes(parts),
    docsRoutes(parts, () => app),
    pageRoutes(parts),
  ];
  for (const resource of resources) app.route("/", resource);
  return {
    fetch: (request, env) => app.fetch(request, env),
    request: (path, init) => app.request(path, init),
    routes: app.routes,
    drain: parts.drain,
  };
}

/** Hono's onError sees errors only; a library may throw something else. */
const onlyErrors: MiddlewareHandler<AppEnv> = async (_, next) => {
  try {
    await next();
  } catch (thrown) {
    throw thrown instanceof Error ? thrown : new TypeError("Cannot answer", { cause: thrown });
  }
};

function unknownPath(): Refusal {
  return new Refusal(
    "NoRoute",
    "Cannot find this path: expected one that openapi.json lists, got another",
  );
}

/** Where a GET makes the server work, asking for its headers alone would be for nothing. */
function works(path: string): boolean {
  return ["/chat", "/front"].includes(path) || /^\/runs\/[^/]+\/events$/.test(path);
}

const noHead: MiddlewareHandler<AppEnv> = async (c, next) => {
  if (c.req.method === "HEAD" && works(c.req.path)) {
    throw wrongMethod(c, c.req.path === "/chat" ? ["GET", "POST"] : ["GET"]);
  }
  await next();
};

function wrongMethod(c: Context<AppEnv>, methods: string[]): Refusal {
  const allowed = methods.filter((method) => method !== "HEAD" || !works(c.req.path));
  return new Refusal(
    "MethodNotAllowed",
    `Cannot use this method here: expected ${allowed.join(" or ")}, got another`,
    { allow: allowed.join(", ") },
  );
}

/** A connection that stays open would keep a server that is ending. */
function closeWhenDraining(drain: Drain): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    await next();
    if (drain.draining) c.res.headers.set("connection", "close");
  };
}
