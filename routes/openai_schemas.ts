// What of OpenAI's chat API we take and give (platform.openai.com/docs/api-reference/chat). Fields we
// have no meaning for are taken only with the value that asks for nothing, so that no client believes
// it got what it did not get; fields that only describe the caller are taken and ignored.
import { z } from "@hono/zod-openapi";
import { ChatRequest } from "../workers/service.ts";

const shape = ChatRequest.shape;

const TextPart = z.strictObject({ type: z.literal("text"), text: z.string().max(262_144) });

/** A message; `developer` is what OpenAI calls the system role now. */
const Message = z.strictObject({
  role: z.enum(["system", "developer", "user", "assistant"]),
  content: z.union([z.string().max(262_144), z.array(TextPart).min(1).max(256)]),
  name: z.string().max(256).nullish().describe("ignored"),
  // What the clients' own answers hold when they are sent back.
  refusal: z.null().optional(),
  annotations: z.array(z.unknown()).max(0).nullish(),
  audio: z.null().optional(),
  function_call: z.null().optional(),
  tool_calls: z.null().optional(),
});

const ignored = <T extends z.ZodType>(schema: T) => schema.nullish().describe("ignored");
const only = <T extends z.ZodType>(schema: T) =>
  z.union([z.null(), schema], { error: "this server does not support it" }).optional()
    .describe("not supported");
const zero = () => only(z.literal(0));
const none = () => only(z.array(z.unknown()).max(0));
const nothing = () => only(z.null());

export const CompletionRequest = z.strictObject({
  model: z.string().min(1).max(1000).describe(
    "`base:adapter@0.7,0.3`, `base:adapter`, `adapter` or `base`",
  ),
  messages: z.array(Message).min(1).max(256),
  preference: z.union([
    z.array(z.number()).max(64),
    z.record(z.string().max(100), z.number()),
  ]).nullish().describe("λ in the order of the dimensions or by name; default: equal weights"),
  max_tokens: shape.max_tokens.nullable(),
  max_completion_tokens: shape.max_tokens.nullable(),
  temperature: shape.temperature.unwrap().nullish(),
  top_p: shape.top_p.unwrap().nullish(),
  seed: shape.seed.nullable(),
  stop: z.union([shape.stop.unwrap().element, shape.stop.unwrap()]).nullish(),
  n: z.number().int().min(1).max(4).nullish().describe("answers to give"),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({
    include_usage: z.boolean().nullish(),
    include_obfuscation: ignored(z.boolean()),
  }).nullish(),

  user: ignored(z.string().max(1000)),
  metadata: ignored(z.record(z.string().max(64), z.string().max(512))),
  store: ignored(z.boolean()),
  safety_identifier: ignored(z.string().max(1000)),
  prompt_cache_key: ignored(z.string().max(1000)),
  parallel_tool_calls: ignored(z.boolean()),
  service_tier: ignored(z.enum(["auto", "default"])),

  frequency_penalty: zero(),
  presence_penalty: zero(),
  top_logprobs: zero(),
  logprobs: only(z.literal(false)),
  logit_bias: only(z.strictObject({})),
  tools: none(),
  tool_choice: only(z.enum(["none", "auto"])),
  functions: none(),
  function_call: only(z.enum(["none", "auto"])),
  response_format: only(z.strictObject({ type: z.literal("text") })),
  modalities: only(z.array(z.literal("text")).length(1)),
  audio: nothing(),
  prediction: nothing(),
  reasoning_effort: nothing(),
  verbosity: nothing(),
  web_search_options: nothing(),
}).openapi("CompletionRequest", {
  example: {
    model: "first@0.7,0.3",
    messages: [{ role: "user", content: "How do I boil an egg?" }],
  },
});
export type CompletionRequest = z.infer<typeof CompletionRequest>;

const count = () => z.number().int().nonnegative();

const Usage = z.strictObject({
  prompt_tokens: count(),
  completion_tokens: count(),
  total_tokens: count(),
  prompt_tokens_details: z.strictObject({ cached_tokens: count() }),
});
export type Usage = z.infer<typeof Usage>;

const finishReason = z.enum(["stop", "length"]);
const common = {
  id: z.string(),
  created: z.number().int().describe("Unix time, in seconds"),
  model: z.string().describe("base:adapter that answered"),
  preference: z.record(z.string(), z.number()).describe("λ by dimension; empty for a base alone"),
};

/** An answer that is not streamed. */
export const Completion = z.strictObject({
  ...common,
  object: z.literal("chat.completion"),
  choices: z.array(z.strictObject({
    index: count(),
    message: z.strictObject({
      role: z.literal("assistant"),
      content: z.string(),
      refusal: z.null(),
    }),
    logprobs: z.null(),
    finish_reason: finishReason,
  })),
  usage: Usage,
}).openapi("Completion");
export type Completion = z.infer<typeof Completion>;

/** One event of a streamed answer. */
export const CompletionChunk = z.strictObject({
  ...common,
  object: z.literal("chat.completion.chunk"),
  choices: z.array(z.strictObject({
    index: count(),
    delta: z.strictObject({
      role: z.literal("assistant").optional(),
      content: z.string().optional(),
    }),
    logprobs: z.null(),
    finish_reason: finishReason.nullable(),
  })),
  usage: Usage.nullable().optional().describe("with include_usage: in the last chunk"),
}).openapi("CompletionChunk");
export type CompletionChunk = z.infer<typeof CompletionChunk>;

export const ModelObject = z.strictObject({
  id: z.string(),
  object: z.literal("model"),
  created: z.number().int(),
  owned_by: z.string(),
}).openapi("ModelObject");

export const ModelList = z.strictObject({
  object: z.literal("list"),
  data: z.array(ModelObject),
}).openapi("ModelList");
