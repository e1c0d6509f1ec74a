// Whether the server lives, whether it takes work, and which one it is: answered without asking any
// other thread, without a key.
import { createRoute, z } from "@hono/zod-openapi";
import type { Parts } from "./context.ts";
import { createRouter, problems } from "./router.ts";

const status = <T extends string>(word: T) => z.strictObject({ status: z.literal(word) });

const health = createRoute({
  operationId: "health",
  tags: ["server"],
  method: "get",
  path: "/health",
  summary: "Whether the server lives",
  security: [],
  responses: {
    200: { description: "it does", content: { "application/json": { schema: status("ok") } } },
    ...problems(),
  },
});

const ready = createRoute({
  operationId: "ready",
  tags: ["server"],
  method: "get",
  path: "/ready",
  summary: "Whether the server takes work",
  security: [],
  responses: {
    200: { description: "it does", content: { "application/json": { schema: status("ready") } } },
    ...problems(503),
  },
});

const version = createRoute({
  operationId: "version",
  tags: ["server"],
  method: "get",
  path: "/version",
  summary: "Which server this is",
  security: [],
  responses: {
    200: {
      description: "its version",
      content: {
        "application/json": {
          schema: z.strictObject({ name: z.literal("panacea"), version: z.string() }),
        },
      },
    },
    ...problems(),
  },
});

/** `GET /health`, `/ready` and `/version`. */
export function healthRoutes({ drain, version: number }: Parts) {
  return createRouter()
    .openapi(health, (c) => c.json({ status: "ok" as const }, 200))
    .openapi(ready, (c) => {
      drain.refuseNew();
      return c.json({ status: "ready" as const }, 200);
    })
    .openapi(version, (c) => c.json({ name: "panacea" as const, version: number }, 200));
}
