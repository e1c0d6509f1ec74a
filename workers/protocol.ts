// What a long job tells whoever started it, and what it hands back: the types between commands/,
// routes/ and workers/. A session never prints; it sends these events and returns a report.
import type { CompositeKind } from "../core/adapters/mod.ts";
import type { MethodComparison } from "../core/baselines/compute.ts";
import type { RunConfig } from "../core/config.ts";
import type { FrontComparison } from "../core/front/comparison.ts";
import type { FrontReport, Metric } from "../core/front/report.ts";
import type { HeldOutReport } from "../core/held_out.ts";
import type { RewardReport } from "../core/rewards/report.ts";
import type { NativeLibrary } from "../data/native.ts";
import type { ExportDtype, ExportFormat } from "./export_formats.ts";
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
  metrics?: Record<string, number>; // what else the objective tells, named as in metrics.jsonl
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
 * not look or fetch itself. `graphs`: the folder where weights for generating lie, by default in the
 * user's cache.
 */
export interface SessionOptions {
  onEvent: (event: SessionEvent) => void;
  signal: AbortSignal;
  env: (name: string) => string | undefined;
  libtensorflow?: NativeLibrary;
  graphs?: string;
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
  /** The model folder that supervised fine-tuning made: a base for what comes next. */
  model?: string;
  heldOut?: HeldOutReport;
  /** How good the reward model is that a run has trained. */
  rewards?: RewardReport;
  front?: FrontReport;
  samples?: SampleAnswers[];
}

/** What to evaluate over a λ grid; `dataset` undefined: the run's own test pairs. */
export interface FrontRequest {
  adapter: string;
  /** Step of a stored checkpoint of it, in place of the finished adapter. */
  checkpoint?: number;
  dataset?: string;
  metric?: Metric; // undefined: what data and adapter can show
  /** Metric `reward`: what judges the responses, and how they are generated; as in the run. */
  reward_model?: string;
  max_new_tokens?: number;
  rollout_format?: RunConfig["rollout_format"];
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
  /** Answers to a few of the test prompts, where the measurement made some. */
  samples: SampleAnswers[];
}

/** Several fronts side by side, and the files that was written to. */
export interface ComparisonResult {
  comparison: FrontComparison;
  files: string[];
}

/** Baselines to train beside a run. */
export interface BaselinesRequest {
  /** Settings of the run that they are compared with: its data, seed and budget are theirs. */
  template: RunConfig;
  /** Folder of that run, finished, whose front is compared with theirs; missing: theirs alone. */
  compared?: string;
  kinds: CompositeKind[];
  points: number; // preferences per edge of the simplex, for discrete_policies
  /** Optimiser steps of each member by kind; missing: those of the template. */
  steps?: Partial<Record<CompositeKind, number>>;
  /** Where the new folders lie, `name` leading theirs: `<name>-rewarded_soups`, `<name>-members` … */
  folder: string;
  name: string;
  /** How every front is measured. */
  front: Omit<FrontRequest, "adapter" | "checkpoint" | "name">;
}

/** A baseline as an adapter of its own. */
export interface BaselineAdapter {
  kind: CompositeKind;
  adapter: string; // folder
  members: string[]; // folders of the runs
}

/** What training baselines hands back; `stopped`: ended early by the signal, all saved. */
export interface BaselinesReport {
  stopped: boolean;
  trainedNow: number; // members that this session trained, or went on training
  baselines: BaselineAdapter[]; // none where stopped
  comparison?: MethodComparison; // the run first, where there was one to compare with
  files: string[];
}

/** A stored adapter to be written in the format of another tool. */
export interface ExportRequest {
  /** Folder of a run, and the step of one of its checkpoints in place of the finished adapter. */
  adapter: string;
  checkpoint?: number;
  format: ExportFormat;
  /** λ as text; undefined for formats that serve every λ and adapters of one dimension. */
  preference?: string;
  output: string; // folder
  /** How weights are stored, where a format has the choice; undefined: float32. */
  dtype?: ExportDtype;
  /** What files call the base model; undefined: its hub id, or its name without its folder. */
  base?: string;
  /** Licence of the training data, as the hub writes it. */
  license?: string;
  /** The page that runs a model in a browser, file by file: for formats that bring it. */
  page?: () => Promise<Record<string, Uint8Array>>;
}

/** What an export wrote. */
export interface ExportReport {
  output: string; // folder
  format: ExportFormat;
  preference: number[] | null;
  base: string;
  /** Rank of each LoRA; none for merged weights. */
  ranks: number[];
  files: string[]; // paths
  bytes: number; // of all files
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
