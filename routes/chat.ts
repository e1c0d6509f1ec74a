// GET and POST /chat: a question answered under a preference vector. λ stands in the query as a
// parameter per dimension, whose names only the adapter knows; so every parameter that is nothing
// else is taken for a weight, and preference.ts refuses what is none.
import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { InputError } from "../core/errors.ts";
import { AdapterId, ChatRequest } from "../workers/service.ts";
import { names } from "./accept.ts";
import { type ChatRun, startChat } from "./chat_run.ts";
import type { AppEnv, Parts } from "./context.ts";
import { errorData } from "./errors.ts";
import { type GivenPreference, readPreference } from "./preference.ts";
import { createRouter, problems } from "./router.ts";
import { booleanText, ChatAnswer, ChatBody, eventSchema, numberText, repeated } from "./schemas.ts";
import { eventStream, type Frame } from "./sse.ts";

const shape = ChatRequest.shape;

/** Where adapter and λ stand in a query. */
const WhichQuery = z.object({
  adapter: AdapterId.optional(),
  base: shape.base,
  preference: z.string().max(4096).optional().describe(
    "λ as `0.7,0.3` in the order of the dimensions or `helpful=0.7,harmless=0.3`",
  ),
}).catchall(z.string().max(100));

const ChatQuery = WhichQuery.extend({
  message: z.string().min(1).max(8192).describe("what the user says; longer texts go in a body"),
  max_tokens: numberText(shape.max_tokens),
  temperature: numberText(shape.temperature),
  top_p: numberText(shape.top_p),
  seed: numberText(shape.seed),
  stop: repeated(shape.stop.unwrap()).optional().describe("repeatable: text that ends the answer"),
  stream: booleanText(z.boolean().default(false)).describe("answer as server-sent events"),
});

/** What a query may hold besides its named parameters. */
const weightParameters = {
  name: "weights",
  in: "query" as const,
  style: "form" as const,
  explode: true,
  description: "one parameter per dimension, all of them, summing to 1: `helpful=0.7&harmless=0.3`",
  schema: {
    type: "object" as const,
    additionalProperties: { type: "number" as const, minimum: 0, maximum: 1 },
    example: { helpful: 0.7, harmless: 0.3 },
  },
};

const answers = {
  200: {
    description: "the answer; as events where `stream` or Accept asks for them: `start`, `text` " +
      "as it comes, then `end`, or `error` where it failed on the way",
    content: {
      "application/json": { schema: ChatAnswer },
      "text/event-stream": {
        schema: eventSchema("ChatStart", "ChatText", "ChatEnd", "Problem"),
      },
    },
  },
  ...problems(400, 404, 413, 415, 429, 503),
};

const getChat = createRoute({
  operationId: "getChat",
  tags: ["chat"],
  method: "get",
  path: "/chat",
  summary: "Answer a message under a preference vector",
  parameters: [weightParameters],
  request: { query: ChatQuery },
  responses: answers,
});

const postChat = createRoute({
  operationId: "postChat",
  tags: ["chat"],
  method: "post",
  path: "/chat",
  summary: "Answer a conversation under a preference vector",
  description: "Adapter and λ may stand in the query instead of the body.",
  parameters: [weightParameters],
  request: {
    query: WhichQuery,
    body: { required: true, content: { "application/json": { schema: ChatBody } } },
  },
  responses: answers,
});

/** `GET /chat` and `POST /chat`. */
export function chatRoutes(parts: Parts) {
  return createRouter()
    .openapi(getChat, async (c) => {
      const query = c.req.valid("query");
      const { message, max_tokens, temperature, top_p, seed, stop, stream, ...which } = query;
      const request = {
        ...await readWhich(parts, readQuery(which)),
        messages: [{ role: "user" as const, content: message }],
        ...{ max_tokens, temperature, top_p, seed, stop: stop ?? [] },
      };
      return await answer(c, parts, { request, stream });
    })
    .openapi(postChat, async (c) => {
      const { adapter, base, preference, stop, stream, ...rest } = c.req.valid("json");
      const query = readQuery(c.req.valid("query"));
      const request = {
        ...await readWhich(parts, {
          adapter: oneOf("adapter", query.adapter, adapter ?? undefined),
          base: oneOf("base", query.base, base),
          given: { ...query.given, json: preference },
        }),
        ...rest,
        stop: typeof stop === "string" ? [stop] : stop ?? [],
      };
      return await answer(c, parts, { request, stream });
    });
}

interface Which {
  adapter: string | undefined;
  base: string | undefined;
  given: GivenPreference;
}

function readQuery({ adapter, base, preference, ...weights }: z.infer<typeof WhichQuery>): Which {
  return { adapter, base, given: { text: preference, weights } };
}

function oneOf<T>(name: string, query: T | undefined, body: T | undefined): T | undefined {
  if (query === undefined || body === undefined || query === body) return query ?? body;
  throw new InputError(
    `Cannot chat: expected ${name} in the query or in the body, got two different ones`,
  );
}

/** Adapter, base and λ of a request, checked against each other. */
async function readWhich(
  { directory }: Parts,
  { adapter, base, given }: Which,
): Promise<Pick<ChatRequest, "adapter" | "base" | "preference">> {
  if (adapter === undefined) {
    readPreference(given, []);
    if (base !== undefined) return { adapter: null, base, preference: null };
    throw new InputError("Cannot chat: expected adapter or base to name a model, got neither");
  }
  const stored = await directory.adapter(adapter);
  if (base !== undefined && base !== stored.base) {
    throw new InputError(
      `Cannot chat: expected base ${JSON.stringify(stored.base)} of the adapter, got another`,
    );
  }
  return { adapter, preference: readPreference(given, stored.dimensions) };
}

async function answer(
  c: Context<AppEnv>,
  parts: Parts,
  { request, stream }: { request: ChatRequest; stream: boolean },
) {
  const run = await startChat(c, parts, request);
  if (!stream && !names(c.req.header("accept"), "text/event-stream")) {
    return c.json(await collect(run), 200);
  }
  return eventStream(c, writeFrames(run), {
    limits: parts.config,
    whenFull: "cut",
    abort: run.abort,
    onError: (error) => ({ event: "error", data: JSON.stringify(errorData(error, c)) }),
  });
}

async function collect({ start: { type: _, ...start }, rest }: ChatRun): Promise<ChatAnswer> {
  let text = "";
  for await (const event of rest) {
    if (event.type === "text") text += event.text;
    else {
      const { type: _, ...end } = event;
      return { ...start, text, ...end };
    }
  }
  throw new DOMException("The client left", "AbortError");
}

async function* writeFrames({ start, rest }: ChatRun): AsyncGenerator<Frame> {
  yield { event: start.type, data: JSON.stringify(start) };
  for await (const event of rest) yield { event: event.type, data: JSON.stringify(event) };
}
