// What routes/ may ask of the rest: the resources of the service as zod schemas, and the two
// interfaces behind which the supervisor (Service) and the chat worker (ChatService) answer.
// Everything here crosses a MessagePort, so it is plain data; the same schemas make the OpenAPI
// document. Nothing in this file computes.
import { z } from "zod";
import { RunConfig, RunSettings } from "../core/config.ts";
import type { FrontComparison } from "../core/front/comparison.ts";
import { type FrontReport, type Metric, metrics } from "../core/front/report.ts";
import { AdapterId } from "../data/store/adapter_id.ts";
import type { AdapterDetails, AdapterSummary } from "../data/store/adapter_summary.ts";
import type { Job, StoredEvent } from "../data/store/job.ts";
import type { SessionEvent } from "./protocol.ts";

export { AdapterId } from "../data/store/adapter_id.ts";
export { AdapterDetails, AdapterSummary } from "../data/store/adapter_summary.ts";
export { Job, JobState } from "../data/store/job.ts";

/** What `GET /front` needs to know to evaluate. */
export const FrontJob = z.strictObject({
  adapter: AdapterId,
  checkpoint: z.number().int().nonnegative().optional().describe(
    "step of a stored checkpoint, in place of the finished adapter",
  ),
  metric: z.enum(Object.keys(metrics) as [Metric, ...Metric[]]).optional().describe(
    "what the values are; default: what the adapter's data can show",
  ),
  reward_model: z.string().max(2000).optional().describe(
    "metric reward: what judges the responses, `helpful=a,harmless=b` or one source for all: the name " +
      "of a trained reward model, a path among the server's files, a hub id, or `builtin`; default: " +
      "as in the adapter's run",
  ),
  max_new_tokens: z.number().int().min(1).max(4096).optional().describe(
    "metric reward: longest response, in tokens; default: as in the adapter's run",
  ),
  rollout_format: RunConfig.shape.rollout_format.unwrap().optional().describe(
    "metric reward: how frozen weights are held for generating; default: as in the adapter's run",
  ),
  grid: z.number().int().min(2).max(1001).default(11).describe("points per edge of the simplex"),
  limit: z.number().int().positive().optional().describe("most test pairs per dimension"),
  bootstrap: z.number().int().nonnegative().max(10_000).default(1000).describe(
    "resamples for the intervals",
  ),
  seed: z.number().int().min(0).max(2 ** 32 - 1).default(42).describe("seed of the bootstrap"),
});
export type FrontJob = z.infer<typeof FrontJob>;

/** Fronts on the same axes: of several adapters, or of one at the steps of its training. */
export const FigureRequest = FrontJob.omit({ checkpoint: true }).extend({
  view: z.enum(["comparison", "evolution"]),
  compare: z.array(AdapterId).max(7).describe("adapters beside `adapter`; none for an evolution"),
});
export type FigureRequest = z.infer<typeof FigureRequest>;

/** One line of a job's history: `seq` rises by 1, so that a client can go on where it stopped. */
export type JobEvent = StoredEvent<SessionEvent>;

/**
 * A training run asked for over HTTP: settings of RunConfig with a name in place of the folder.
 * What is not given stays away, so that a preset and then the defaults fill it in.
 */
export const CreateRun = RunSettings.omit({ output_dir: true }).extend({
  name: AdapterId,
  preset: z.string().optional().describe("named settings underneath"),
});
export type CreateRun = z.infer<typeof CreateRun>;

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
  | {
    type: "front";
    report: FrontReport;
    svg: string;
    csv: string;
    /** How the rewards behind the points are spread, where they are rewards. */
    rewards?: { svg: string; csv: string };
  }
  | { type: "job"; job: Job };

/** Fronts on the same axes, or the first job of those that measure what is missing. */
export type FigureAnswer =
  | { type: "figure"; comparison: FrontComparison; svg: string; csv: string }
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
  /** The same of several fronts; where some are not stored, each has a job. */
  figure(request: FigureRequest): Promise<FigureAnswer>;
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
