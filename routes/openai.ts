// OpenAI's routes, as far as its official clients need them: /v1/models and /v1/chat/completions. λ
// comes with the field `preference` or at the end of the model's id; everything else is a
// ChatRequest in other words.
import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { InputError, NotFoundError } from "../core/errors.ts";
import type { ChatRequest } from "../workers/service.ts";
import { type ChatRun, startChat } from "./chat_run.ts";
import { completionOf, framesOf } from "./completions.ts";
import type { AppEnv, Parts } from "./context.ts";
import { errorData } from "./errors.ts";
import { findModel, listModelIds } from "./model_id.ts";
import { Completion, CompletionRequest, ModelList, ModelObject } from "./openai_schemas.ts";
import { readPreference } from "./preference.ts";
import { createRouter, openAiErrors } from "./router.ts";
import { eventSchema } from "./schemas.ts";
import { eventStream } from "./sse.ts";

const listModels = createRoute({
  operationId: "listOpenAiModels",
  tags: ["openai"],
  method: "get",
  path: "/v1/models",
  summary: "Bases and adapters as OpenAI lists models",
  responses: {
    200: { description: "every id", content: { "application/json": { schema: ModelList } } },
    ...openAiErrors(),
  },
});

const getModel = createRoute({
  operationId: "getOpenAiModel",
  tags: ["openai"],
  method: "get",
  path: "/v1/models/{model}",
  summary: "One base or adapter as OpenAI describes a model",
  request: { params: z.object({ model: z.string().max(1000) }) },
  responses: {
    200: { description: "the model", content: { "application/json": { schema: ModelObject } } },
    ...openAiErrors(400, 404),
  },
});

const createCompletion = createRoute({
  operationId: "createCompletion",
  tags: ["openai"],
  method: "post",
  path: "/v1/chat/completions",
  summary: "Answer a conversation, as OpenAI's API does",
  request: {
    body: { required: true, content: { "application/json": { schema: CompletionRequest } } },
  },
  responses: {
    200: {
      description: "the answers; chunks as events and at last `[DONE]` with `stream`",
      content: {
        "application/json": { schema: Completion },
        "text/event-stream": { schema: eventSchema("CompletionChunk", "OpenAiError") },
      },
    },
    ...openAiErrors(400, 404, 413, 415, 429, 503),
  },
});

/** The routes under `/v1`. */
export function openAiRoutes(parts: Parts) {
  const created = Math.floor(Date.now() / 1000);
  const describe = (id: string) => ({
    id,
    object: "model" as const,
    created,
    owned_by: "panacea",
  });
  return createRouter()
    .openapi(listModels, async (c) => {
      const ids = listModelIds(await parts.service.listModels());
      return c.json({ object: "list" as const, data: ids.map(describe) }, 200);
    })
    .openapi(getModel, async (c) => {
      const { model } = c.req.valid("param");
      await lookUp(parts, model);
      return c.json(describe(model), 200);
    })
    .openapi(createCompletion, async (c) => {
      const body = c.req.valid("json");
      const runs = await startAll(c, parts, {
        request: await readRequest(parts, body),
        n: body.n ?? 1,
      });
      if (body.stream !== true) return c.json(await completionOf(runs), 200);
      return eventStream(c, framesOf(runs, body.stream_options?.include_usage ?? false), {
        limits: parts.config,
        whenFull: "cut",
        abort: () => runs.forEach(({ abort }) => abort()),
        onError: (error) => ({ data: JSON.stringify(errorData(error, c)) }),
      });
    });
}

async function lookUp({ directory }: Parts, id: string) {
  const model = await directory.find((models) => findModel(id, models));
  if (model !== undefined) return model;
  throw new NotFoundError(
    `Cannot use model: expected a listed id, got ${JSON.stringify(id.slice(0, 200))}`,
  );
}

async function readRequest(parts: Parts, body: CompletionRequest): Promise<ChatRequest> {
  const model = await lookUp(parts, body.model);
  const stored = model.adapter === null ? undefined : await parts.directory.adapter(model.adapter);
  if (body.max_tokens && body.max_completion_tokens) {
    throw new InputError("Cannot chat: expected max_tokens or max_completion_tokens, got both");
  }
  if (body.stream_options && body.stream !== true) {
    throw new InputError("Cannot chat: expected stream_options only with stream, got it without");
  }
  const { stop } = body;
  return {
    adapter: model.adapter,
    ...(model.adapter === null && { base: model.base }),
    preference: readPreference(
      { text: model.preference, json: body.preference },
      stored?.dimensions ?? [],
    ),
    messages: body.messages.map(({ role, content }) => ({
      role: role === "developer" ? "system" : role,
      content: typeof content === "string" ? content : content.map(({ text }) => text).join(""),
    })),
    max_tokens: body.max_completion_tokens ?? body.max_tokens ?? undefined,
    temperature: body.temperature ?? 1,
    top_p: body.top_p ?? 1,
    seed: body.seed ?? undefined,
    stop: typeof stop === "string" ? [stop] : stop ?? [],
  };
}

/** `n` generations that differ by their seed; all of them or none. */
async function startAll(
  c: Context<AppEnv>,
  parts: Parts,
  { request, n }: { request: ChatRequest; n: number },
): Promise<ChatRun[]> {
  const { seed } = request;
  const starts = await Promise.allSettled(
    Array.from({ length: n }, (_, i) =>
      startChat(c, parts, {
        ...request,
        ...(seed !== undefined && { seed: (seed + i) % 2 ** 32 }),
      })),
  );
  const runs = starts.flatMap((start) => start.status === "fulfilled" ? [start.value] : []);
  const failed = starts.find((start) => start.status === "rejected");
  if (failed === undefined) return runs;
  runs.forEach(({ abort }) => abort());
  throw failed.reason;
}
