// Stored adapters over HTTP: the list, one whole (card, settings, fronts, logged rows), and its end.
import { createRoute, z } from "@hono/zod-openapi";
import { AdapterId } from "../workers/service.ts";
import type { Parts } from "./context.ts";
import { createRouter, problems } from "./router.ts";
import { AdapterDetails, AdapterSummary } from "./schemas.ts";
import { withoutFolders } from "./without_folders.ts";

const AdapterPath = z.object({ id: AdapterId });

const listAdapters = createRoute({
  operationId: "listAdapters",
  tags: ["adapters"],
  method: "get",
  path: "/adapters",
  summary: "Every stored adapter",
  responses: {
    200: {
      description: "adapters",
      content: { "application/json": { schema: z.array(AdapterSummary) } },
    },
    ...problems(),
  },
});

const getAdapter = createRoute({
  operationId: "getAdapter",
  tags: ["adapters"],
  method: "get",
  path: "/adapters/{id}",
  summary: "One adapter: card, settings, fronts, logged rows",
  request: { params: AdapterPath },
  responses: {
    200: {
      description: "the adapter",
      content: { "application/json": { schema: AdapterDetails } },
    },
    ...problems(400, 404),
  },
});

const deleteAdapter = createRoute({
  operationId: "deleteAdapter",
  tags: ["adapters"],
  method: "delete",
  path: "/adapters/{id}",
  summary: "Delete an adapter with its run and its fronts",
  request: { params: AdapterPath },
  responses: { 204: { description: "it is gone" }, ...problems(400, 404, 409, 413, 415) },
});

/** The routes under `/adapters`. */
export function adapterRoutes({ service, directory }: Parts) {
  return createRouter()
    .openapi(listAdapters, async (c) => c.json(await service.listAdapters(), 200))
    .openapi(getAdapter, async (c) => {
      const { examples, ...details } = await service.getAdapter(c.req.valid("param").id);
      return c.json({ ...withoutFolders(details), examples }, 200);
    })
    .openapi(deleteAdapter, async (c) => {
      await service.deleteAdapter(c.req.valid("param").id);
      directory.forget();
      return c.body(null, 204);
    });
}
