// The page and its files, and those of /docs, as they were given at the start: no path of a request
// reaches a disk.
import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { AppEnv, Parts, StaticFile } from "./context.ts";
import { Refusal } from "./errors.ts";
import { createRouter, problems } from "./router.ts";

const getPage = createRoute({
  operationId: "getPage",
  tags: ["server"],
  method: "get",
  path: "/",
  summary: "The page",
  security: [],
  responses: {
    200: { description: "HTML", content: { "text/html": { schema: z.string() } } },
    304: { description: "the one that If-None-Match names" },
    ...problems(404),
  },
});

/** `GET /` and the files. */
export function pageRoutes({ files }: Parts) {
  const router = createRouter().openapi(getPage, async (c) => {
    const page = files["/"];
    if (page !== undefined) return await send(c, page);
    throw new Refusal(
      "NoRoute",
      "Cannot show the page: expected its bundle, got none; `deno task page` makes it",
    );
  });
  for (const [path, file] of Object.entries(files)) {
    if (path !== "/") router.get(path, (c) => send(c, file));
  }
  return router;
}

const tags = new WeakMap<StaticFile, Promise<string>>();

async function send(c: Context<AppEnv>, file: StaticFile): Promise<Response> {
  const tag = await tagOf(file);
  const headers = { etag: tag, "cache-control": "no-cache" };
  const known = c.req.header("if-none-match")?.split(",").map((one) => one.trim());
  if (known?.includes(tag)) return c.body(null, 304, headers);
  return c.body(new Uint8Array(file.bytes), 200, { ...headers, "content-type": file.type });
}

function tagOf(file: StaticFile): Promise<string> {
  const tag = tags.get(file) ?? crypto.subtle.digest("SHA-256", new Uint8Array(file.bytes))
    .then((hash) => `"${new Uint8Array(hash).toHex().slice(0, 32)}"`);
  tags.set(file, tag);
  return tag;
}
