// The OpenAPI document and a page to read and try it: Swagger UI from our own origin, started by a
// script of its own, so that the page runs no inline script. Its files are among those given at the
// start (`/docs/swagger-ui-bundle.js`, `/docs/swagger-ui.css`).
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { AppEnv, Parts } from "./context.ts";
import { createRouter, problems } from "./router.ts";
import { eventData } from "./schemas.ts";

const HTML = `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Panacea: HTTP interface</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="docs"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/init.js"></script>
  </body>
</html>
`;

/** Asks for the API key where the document is refused without one; validatorUrl would leave home. */
const SCRIPT = `"use strict";
async function start() {
  let key = sessionStorage.getItem("panacea-api-key");
  const headers = () => key === null ? {} : { authorization: "Bearer " + key };
  let answer = await fetch("/openapi.json", { headers: headers() });
  while (answer.status === 401) {
    key = prompt("API key of this server");
    if (key === null) return;
    answer = await fetch("/openapi.json", { headers: headers() });
  }
  if (key !== null) sessionStorage.setItem("panacea-api-key", key);
  SwaggerUIBundle({
    spec: await answer.json(),
    dom_id: "#docs",
    validatorUrl: null,
    requestInterceptor: (request) => {
      Object.assign(request.headers, headers());
      return request;
    },
  });
}
start();
`;

const getDocs = createRoute({
  operationId: "getDocs",
  tags: ["server"],
  method: "get",
  path: "/docs",
  summary: "This document to read and try",
  security: [],
  responses: {
    200: { description: "HTML", content: { "text/html": { schema: z.string() } } },
    ...problems(),
  },
});

const getDocument = createRoute({
  operationId: "getDocument",
  tags: ["server"],
  method: "get",
  path: "/openapi.json",
  summary: "This document",
  responses: {
    200: {
      description: "OpenAPI 3.1",
      content: { "application/json": { schema: z.looseObject({ openapi: z.string() }) } },
    },
    ...problems(),
  },
});

/** `GET /docs` and `/openapi.json`; `whole` gives the app that has every route. */
export function docsRoutes({ version, apiKey }: Parts, whole: () => OpenAPIHono<AppEnv>) {
  let document: ReturnType<typeof describe> | undefined;
  return createRouter()
    .openapi(getDocs, (c) => c.html(HTML))
    .openapi(getDocument, (c) => {
      document ??= describe(whole(), { version, withKey: apiKey !== undefined });
      return c.json(document, 200);
    })
    .get("/docs/init.js", (c) => c.body(SCRIPT, 200, { "content-type": "text/javascript" }));
}

function describe(
  app: OpenAPIHono<AppEnv>,
  { version, withKey }: { version: string; withKey: boolean },
) {
  if (withKey) {
    app.openAPIRegistry.registerComponent("securitySchemes", "key", {
      type: "http",
      scheme: "bearer",
    });
  }
  for (const [name, schema] of Object.entries(eventData)) {
    app.openAPIRegistry.register(name, schema);
  }
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Panacea",
      version,
      description: "One adapter, every preference: fronts, chat with a preference vector λ, " +
        "training runs. Errors are problem+json (RFC 9457), under /v1 OpenAI's.",
    },
    ...(withKey && { security: [{ key: [] }] }),
  });
}
