import assert from "node:assert/strict";
import { appOf } from "./app_of.ts";

interface Operation {
  operationId: string;
  summary: string;
  security?: unknown[];
  responses: Record<string, { content?: Record<string, { schema: object }> }>;
}
interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object>; securitySchemes?: object };
  security?: unknown[];
}

async function documentOf(options: Parameters<typeof appOf>[0] = {}): Promise<Document> {
  const { app } = appOf(options);
  const authorization = `Bearer ${options.apiKey}`;
  return await (await app.request("/openapi.json", { headers: { authorization } })).json();
}

Deno.test("the document names every route, each with a name of its own and its errors", async () => {
  const { app } = appOf();
  const { paths, openapi } = await documentOf();
  assert.equal(openapi, "3.1.0");
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)
  );
  const routes = app.routes.filter(({ method, path }) =>
    method !== "ALL" && path !== "/docs/init.js"
  )
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
  assert.deepEqual(described.sort(), [...new Set(routes)].sort());
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.values(methods).map((operation) => ({ path, ...operation }))
  );
  assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length);
  for (const { path, summary, responses } of operations) {
    assert.ok(summary, path);
    const shape = path.startsWith("/v1") ? "application/json" : "application/problem+json";
    for (const status of ["401", "403", "500"]) {
      assert.deepEqual(Object.keys(responses[status]?.content ?? {}), [shape], path);
    }
  }
});

Deno.test("every reference of the document leads somewhere", async () => {
  const document = await documentOf();
  const references = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)];
  assert.ok(references.length > 20);
  for (const [, name = ""] of references) assert.ok(name in document.components.schemas, name);
});

Deno.test("the document says what needs a key, where one is set", async () => {
  const open = await documentOf();
  assert.equal(open.security, undefined);
  const { security, paths, components } = await documentOf({ apiKey: "key" });
  assert.deepEqual(security, [{ key: [] }]);
  assert.deepEqual(components.securitySchemes, { key: { type: "http", scheme: "bearer" } });
  const free = Object.entries(paths).filter(([, { get }]) => get?.security?.length === 0);
  assert.deepEqual(free.map(([path]) => path).sort(), [
    "/",
    "/docs",
    "/health",
    "/ready",
    "/version",
  ]);
});

Deno.test("/docs runs no inline script and names nothing outside", async () => {
  const { app } = appOf();
  const html = await (await app.request("/docs")).text();
  assert.doesNotMatch(html, /https?:|<script>|\son\w+=/);
  const sources = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source);
  assert.deepEqual(sources, [
    "data:,",
    "/docs/swagger-ui.css",
    "/docs/swagger-ui-bundle.js",
    "/docs/init.js",
  ]);
  const script = await app.request("/docs/init.js");
  assert.equal(script.headers.get("content-type"), "text/javascript");
  assert.doesNotMatch(await script.text(), /https?:/);
});
