// GET /models: base models, what was trained on them, and how the chat worker holds them.
import { createRoute, z } from "@hono/zod-openapi";
import type { Parts } from "./context.ts";
import { createRouter, problems } from "./router.ts";
import { ModelSummary } from "./schemas.ts";

const listModels = createRoute({
  operationId: "listModels",
  tags: ["adapters"],
  method: "get",
  path: "/models",
  summary: "Base models and how they are held",
  responses: {
    200: {
      description: "models",
      content: { "application/json": { schema: z.array(ModelSummary) } },
    },
    ...problems(),
  },
});

/** `GET /models`. */
export function modelRoutes({ service }: Parts) {
  return createRouter().openapi(listModels, async (c) => {
    return c.json(await service.listModels(), 200);
  });
}
