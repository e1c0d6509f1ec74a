// What routes/ may ask of the rest: the resources of the service as zod schemas, and the two
// interfaces behind which the supervisor (Service) and the chat worker (ChatService) answer.
// Everything here crosses a MessagePort, so it is plain data; the same schemas make the OpenAPI
// document. Nothing in this file computes.
import { z } from "zod";
import { RunConfig } from "../core/config.ts";
import { FrontReport } from "../core/front/report.ts";
import { AdapterConfig } from "../data/store/adapter_config.ts";
import type { SessionEvent } from "./protocol.ts";

/** Name of an adapter (and of the run that made it): a folder directly under the runs folder. */
export const AdapterId = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$/).max(
  100,
)
  .describe("name of an adapter: a folder under the runs folder");

/** Life of a job. A job that was running when the server ended is queued again on the next start. */
export const JobState = z.enum(["queued", "running", "done", "failed", "cancelled"]);
export type JobState = z.infer<typeof JobState>;

/** What `GET /front` needs to know to evaluate. */
export const FrontJob = z.strictObject({
  adapter: AdapterId,
  metric: z.enum(["implicit_accuracy", "expected_reward"]).optional().describe(
    "what the values are; default: what the adapter's data can show",
  ),
  grid: z.number().int().min(2).max(1001).default(11).describe("points per edge of the simplex"),
  limit: z.number().int().positive().optional().describe("most test pairs per dimension"),
  bootstrap: z.number().int().nonnegative().max(10_000).default(1000).describe(
    "resamples for the intervals",
  ),
  seed: z.number().int().min(0).max(2 ** 32 - 1).default(42).describe("seed of the bootstrap"),
});
export type FrontJob = z.infer<typeof FrontJob>;

/** A job as it is stored and shown. */
export const Job = z.strictObject({
  id: z.string(),
  kind: z.enum(["train", "front"]),
  adapter: AdapterId,
  state: JobState,
  created: z.iso.datetime(),
  started: z.iso.datetime().nullable(),
  ended: z.iso.datetime().nullable(),
  progress: z.strictObject({
    what: z.string().describe("what is being done, for people"),
    done: z.number(),
    total: z.number(),
  }).nullable(),
  error: z.string().nullable().describe("one sentence, where it failed"),
  request: z.record(z.string(), z.unknown()).describe("the RunConfig or front settings"),
});
export type Job = z.infer<typeof Job>;

/** One line of a job's history: `seq` rises by 1, so that a client can go on where it stopped. */
export interface JobEvent {
  seq: number;
  time: string; // ISO 8601
  event: SessionEvent | { type: "state"; state: JobState; error: string | null };
}

/** A training run asked for over HTTP: RunConfig with a name in place of the folder. */
export const CreateRun = RunConfig.omit({ output_dir: true }).partial().extend({
  name: AdapterId,
  preset: z.string().optional().describe("named settings underneath"),
});
export type CreateRun = z.infer<typeof CreateRun>;

/** An adapter in the list. */
export const AdapterSummary = z.strictObject({
  id: AdapterId,
  base: z.string().describe("name of the base model, without its folder"),
  dimensions: z.array(z.string()),
  steps: z.number().int(),
  objective: z.string(),
  aggregation: z.string(),
  finished: z.boolean().describe("false while only checkpoints exist"),
  examples: z.array(z.string()).describe("questions to try; empty where none are known"),
});
export type AdapterSummary = z.infer<typeof AdapterSummary>;

/** One adapter whole. */
export const AdapterDetails = AdapterSummary.extend({
  card: z.string().describe("model card, Markdown"),
  config: AdapterConfig,
  run: RunConfig.nullable().describe("settings of the run that made it"),
  fronts: z.record(z.string(), FrontReport),
  metrics: z.array(z.record(z.string(), z.number())).describe("logged rows of the run"),
});
export type AdapterDetails = z.infer<typeof AdapterDetails>;

/** A base model and where it is held. */
export const ModelSummary = z.strictObject({
  name: z.string(),
  adapters: z.array(AdapterId),
  loaded: z.boolean().describe("held by the chat worker now"),
  format: z.string().nullable().describe("how its weights are held: float32, int8 or int4"),
  bytes: z.number().describe("memory of its weights and caches, 0 where not loaded"),
});
export type ModelSummary = z.infer<typeof ModelSummary>;

/** A front out of the store, or the job that measures it. */
export type FrontAnswer =
  | { type: "front"; report: FrontReport; svg: string; csv: string }
  | { type: "job"; job: Job };

/** Numbers for /metrics; the keys are Prometheus names without prefix. */
export type Gauges = Record<string, number>;

/** What the supervisor answers. Every method rejects with the errors of core/errors.ts. */
export interface Service {
  listAdapters(): Promise<AdapterSummary[]>;
  getAdapter(id: string): Promise<AdapterDetails>; // NotFoundError
  deleteAdapter(id: string): Promise<void>; // NotFoundError, BusyError while a job uses it
  listModels(): Promise<ModelSummary[]>;
  /** The stored front of exactly these settings, or a job (an equal one already waiting is reused). */
  front(request: FrontJob): Promise<FrontAnswer>;
  createRun(request: CreateRun): Promise<Job>; // InputError, ConflictError where the name is taken
  listJobs(): Promise<Job[]>; // newest first
  getJob(id: string): Promise<Job>; // NotFoundError
  cancelJob(id: string): Promise<Job>; // ConflictError where it has ended
  resumeJob(id: string): Promise<Job>; // ConflictError unless failed or cancelled
  /** Stored events after `after`, then new ones until the job ends. */
  watchJob(request: { id: string; after: number }, signal: AbortSignal): AsyncIterable<JobEvent>;
  gauges(): Promise<Gauges>;
}

/** One message of a dialogue. */
export const ChatMessage = z.strictObject({
  role: z.enum(["system", "user", "assistant"]),
  content: z.string().max(262_144),
});
export type ChatMessage = z.infer<typeof ChatMessage>;

/** A request to generate text. `adapter` null: the base model alone, named by `base`. */
export const ChatRequest = z.strictObject({
  adapter: AdapterId.nullable(),
  base: z.string().optional().describe("name of a base model of ModelSummary"),
  preference: z.union([z.array(z.number()), z.record(z.string(), z.number())]).nullable().describe(
    "λ in the order of the dimensions or by name; null: equal weights",
  ),
  messages: z.array(ChatMessage).min(1).max(256),
  max_tokens: z.number().int().positive().optional().describe(
    "most tokens to generate; default: 512, or what the context leaves",
  ),
  temperature: z.number().min(0).max(2).default(1),
  top_p: z.number().gt(0).max(1).default(1),
  seed: z.number().int().min(0).max(2 ** 32 - 1).optional(),
  stop: z.array(z.string().min(1).max(256)).max(8).default([]),
});
export type ChatRequest = z.infer<typeof ChatRequest>;

/** What a generation yields: once `start`, then `text` as it comes, then once `end`. */
export type ChatEvent =
  | {
    type: "start";
    model: string; // base:adapter
    adapter: string | null;
    dimensions: string[];
    preference: number[]; // normalised
    seed: number;
    promptTokens: number;
  }
  | { type: "text"; text: string }
  | {
    type: "end";
    /** `cancelled`: the client left; `shutdown`: the server is ending. */
    reason: "stop" | "length" | "cancelled" | "shutdown";
    promptTokens: number;
    cachedTokens: number; // of the prompt, found in the prefix cache
    completionTokens: number;
  };

/** What the chat worker answers. */
export interface ChatService {
  /** Rejects with InputError, NotFoundError, OverloadedError (queue full). */
  chat(request: ChatRequest, signal: AbortSignal): AsyncIterable<ChatEvent>;
  gauges(): Promise<Gauges>;
  models(): Promise<{ name: string; format: string; bytes: number }[]>;
}
