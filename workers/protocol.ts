// What a long job tells whoever started it, and what it hands back: the types between commands/,
// routes/ and workers/. A session never prints; it sends these events and returns a report.
import type { RunConfig } from "../core/config.ts";
import type { FrontReport } from "../core/front/report.ts";
import type { NativeLibrary } from "../data/native.ts";
import type { FormatReport } from "./weight_formats.ts";

/** One thing that happened during a session, in the order it happened. */
export type SessionEvent =
  | NoticeEvent
  | ProgressEvent
  | StepEvent
  | CheckpointEvent
  | FrontEvent;

/** One line for people: "12 of 4000 pairs longer than 256 tokens left out". */
export interface NoticeEvent {
  type: "notice";
  message: string;
}

/** A long preparation (download, reference pass, evaluation): `done` of `total` units of `what`. */
export interface ProgressEvent {
  type: "progress";
  what: string;
  done: number;
  total: number;
}

/** The metrics of one logged optimiser step; sent every `logging_steps` and at the last step. */
export interface StepEvent {
  type: "step";
  step: number; // 1 … steps
  steps: number;
  loss: number; // the aggregated loss
  losses: Record<string, number>; // per dimension
  accuracies: Record<string, number>; // per dimension, 0 … 1
  learningRate: number;
  gradNorm: number;
  tokens: number; // since the start of the run
  seconds: number; // since the start of the run
  tokensPerSecond: number;
  etaSeconds: number;
}

/** A checkpoint lies complete on disk at `path`. */
export interface CheckpointEvent {
  type: "checkpoint";
  step: number;
  path: string;
}

/** A front was drawn and written to `files` (JSON, CSV, SVG). */
export interface FrontEvent {
  type: "front";
  report: FrontReport;
  files: string[];
}

/**
 * What a session needs from outside. `signal`: once aborted, the session saves a checkpoint and
 * returns (training, `stopped: true`) or throws `signal.reason` (everything else); it must give
 * the event loop a turn between steps, or the signal never reaches it. `env` reads an environment
 * variable, undefined where it is not set. `libtensorflow`: what was found, for a session that may
 * not look or fetch itself.
 */
export interface SessionOptions {
  onEvent: (event: SessionEvent) => void;
  signal: AbortSignal;
  env: (name: string) => string | undefined;
  libtensorflow?: NativeLibrary;
}

/** The answer that each of a few preferences λ likes best, for one prompt. */
export interface SampleAnswers {
  prompt: string;
  answers: { preference: number[]; answer: string }[];
}

/** What a training session hands back; `stopped`: ended early by the signal, checkpoint saved. */
export interface TrainReport {
  adapter: string; // folder of the run
  steps: number;
  seconds: number;
  tokensPerSecond: number;
  losses: Record<string, number>; // per dimension, at the end
  stopped: boolean;
  front?: FrontReport;
  samples?: SampleAnswers[];
}

/** What to evaluate over a λ grid; `dataset` undefined: the run's own test pairs. */
export interface FrontRequest {
  adapter: string;
  dataset?: string;
  metric?: "implicit_accuracy" | "expected_reward"; // undefined: what the data can show
  /** Name of the files in the adapter's fronts/, `front` where it is missing. */
  name?: string;
  grid: number; // points per edge of the simplex
  limit?: number; // most test pairs per dimension
  bootstrap: number; // resamples for the intervals
  seed: number;
  engine: RunConfig["engine"];
  dtype?: RunConfig["dtype"]; // as in the run
  threads: number; // 0: all cores
  device: string;
  maxTokensPerPass: number;
}

/** A front and the files it was written to. */
export interface FrontResult {
  report: FrontReport;
  files: string[];
}

/** Which engine to look at. */
export interface DoctorRequest {
  engine: RunConfig["engine"];
  threads: number; // 0: all cores
  device: string;
  /** A model whose weight formats are to be compared. */
  model?: string;
}

/** What computes on this machine, how fast, and what would make it faster. */
export interface DoctorReport {
  engine: string;
  version: string;
  devices: string[];
  gflops: number; // float32 matrix product, GFLOP/s
  gflopsBfloat16?: number; // frozen weights in bfloat16, GFLOP/s
  found: string[]; // one line each: what was looked for and where it was found
  advice: string[]; // one line each
  /** Where a model was given: what it loses and gains in each format, float32 first. */
  formats?: FormatReport[];
}

/** What `deno task builtin` made: the base model of the built-in world. */
export interface BuiltinReport {
  model: string; // its folder
  parameters: number;
  bytes: number; // of all files
  steps: number;
  seconds: number; // of training
  heldOutLoss: number; // mean negative log-probability per token of the answers to unseen prompts
  /** Share of each kind of answer among the six of an unseen prompt, over all of them. */
  shares: Record<string, { least: number; mean: number; most: number }>;
}
