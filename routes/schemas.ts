// Schemas of HTTP itself: how numbers and lists are written in a query, how errors look, and the
// answers of /chat. The resources are the schemas of workers/service.ts, named here for the OpenAPI
// document.
import { z } from "@hono/zod-openapi";
import { CompletionChunk } from "./openai_schemas.ts";
import * as service from "../workers/service.ts";

export const Job = service.Job.openapi("Job");
export const CreateRun = service.CreateRun.openapi("CreateRun", {
  example: { name: "first", preset: "builtin" },
});
export const AdapterSummary = service.AdapterSummary.openapi("AdapterSummary");
export const AdapterDetails = service.AdapterDetails.openapi("AdapterDetails");
export const ModelSummary = service.ModelSummary.openapi("ModelSummary");

/** RFC 9457, with the request's id and, for a malformed request, what is wrong where. */
export const Problem = z.strictObject({
  type: z.string().describe("urn:panacea:… by which a program can tell errors apart"),
  title: z.string(),
  status: z.number().int(),
  detail: z.string().describe("one sentence: what was expected and what was found"),
  instance: z.string().describe("path of the request"),
  request_id: z.string(),
  errors: z.array(z.strictObject({
    in: z.enum(["query", "param", "header", "json", "form", "cookie"]),
    name: z.string(),
    message: z.string(),
  })).optional(),
}).openapi("Problem");
export type Problem = z.infer<typeof Problem>;

/** An error as OpenAI's API writes it. */
export const OpenAiError = z.strictObject({
  error: z.strictObject({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
}).openapi("OpenAiError");
export type OpenAiError = z.infer<typeof OpenAiError>;

/** Body of `POST /chat`: ChatRequest, where λ and adapter may stand in the query instead. */
export const ChatBody = service.ChatRequest.extend({
  adapter: service.ChatRequest.shape.adapter.optional(),
  preference: z.union([
    z.array(z.number()).max(64),
    z.record(z.string().max(100), z.number()),
    z.null(),
  ]).optional().describe("λ in the order of the dimensions or by name; null: equal weights"),
  stop: z.union([service.ChatRequest.shape.stop.unwrap().element, service.ChatRequest.shape.stop])
    .optional().describe("text that ends the answer, itself left out"),
  stream: z.boolean().default(false).describe("answer as server-sent events"),
}).openapi("ChatBody", {
  example: {
    adapter: "first",
    preference: { helpful: 0.7, harmless: 0.3 },
    messages: [{ role: "user", content: "How do I boil an egg?" }],
  },
});
export type ChatBody = z.infer<typeof ChatBody>;

const tokens = () => z.number().int().nonnegative();

/** Data of the event `start`. */
export const ChatStart = z.strictObject({
  type: z.literal("start"),
  model: z.string().describe("base:adapter"),
  adapter: service.AdapterId.nullable(),
  dimensions: z.array(z.string()),
  preference: z.array(z.number()).describe("λ with sum 1, in the order of the dimensions"),
  seed: z.number().int(),
  promptTokens: tokens(),
}).openapi("ChatStart");

/** Data of the event `text`. */
export const ChatText = z.strictObject({
  type: z.literal("text"),
  text: z.string(),
}).openapi("ChatText");

/** Data of the event `end`. */
export const ChatEnd = z.strictObject({
  type: z.literal("end"),
  reason: z.enum(["stop", "length", "cancelled", "shutdown"]),
  promptTokens: tokens(),
  cachedTokens: tokens().describe("of the prompt, found in the prefix cache"),
  completionTokens: tokens(),
}).openapi("ChatEnd");

/** Answer of `/chat` that is not streamed: its events in one. */
export const ChatAnswer = ChatStart.omit({ type: true }).extend({
  text: z.string(),
  ...ChatEnd.omit({ type: true }).shape,
}).openapi("ChatAnswer");
export type ChatAnswer = z.infer<typeof ChatAnswer>;

/** An event of a stream as it is read, with what its data holds as JSON. */
export function eventSchema(...data: string[]) {
  const references = data.map((name) => ({ $ref: `#/components/schemas/${name}` }));
  const content: object = {
    contentMediaType: "application/json",
    contentSchema: { anyOf: references },
  };
  return z.strictObject({
    event: z.string().optional(),
    id: z.string().optional(),
    data: z.string().openapi({ description: `JSON of ${data.join(" or ")}`, ...content }),
  });
}

/** Data of the events of a job. */
export const JobEvent = z.strictObject({
  seq: z.number().int().positive(),
  time: z.iso.datetime(),
  event: z.looseObject({ type: z.string() }).describe("SessionEvent of workers/protocol.ts"),
}).openapi("JobEvent");

/** Schemas that only events refer to. */
export const eventData = { ChatStart, ChatText, ChatEnd, JobEvent, CompletionChunk };

/** `schema` for a number written in a query: digits, sign, point and exponent, nothing else. */
export function numberText<T extends z.ZodType>(schema: T) {
  return z.preprocess((text) => typeof text === "string" ? readNumber(text) : text, schema);
}

/** `true` or `false`, written in a query. */
export function booleanText<T extends z.ZodType>(schema: T) {
  const values: Record<string, boolean> = { true: true, false: false };
  return z.preprocess(
    (text) => typeof text === "string" && Object.hasOwn(values, text) ? values[text] : text,
    schema,
  );
}

/** `schema` for a list of which a query has each item as a parameter of its own. */
export function repeated<T extends z.ZodType>(schema: T) {
  return z.preprocess((given) => typeof given === "string" ? [given] : given, schema);
}

/** The number that `text` writes in decimal, or the text where it writes none. */
function readNumber(text: string): number | string {
  return /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? Number(text) : text;
}
