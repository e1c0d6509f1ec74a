// What a training session asks of an objective: rows, what computes, events, what is stored. One file
// for each in this folder, found by the table in mod.ts; workers/training.ts drives them all and keeps
// what they share: the run's folder, its settings, checkpoints, metrics and the report.
import type { RunConfig } from "../../core/config.ts";
import { InputError } from "../../core/errors.ts";
import type { FrontReport } from "../../core/front/report.ts";
import type { TrainEvent } from "../../core/train.ts";
import type { AdapterConfig, Checkpoint, Run } from "../../data/store/run_folder.ts";
import type { Tensors } from "../../data/store/tensors.ts";
import type { Base } from "../machine.ts";
import type { SessionOptions, TrainReport } from "../protocol.ts";

export interface Recipe {
  /**
   * Reads the rows; nothing slow, nothing written. Throws InputError for rows that are none and for
   * settings that do not fit the objective.
   */
  open(config: RunConfig): Promise<RecipeRows>;
  /** Settings that may be others when a run goes on from `state`, a checkpoint's; missing: none. */
  changeableAfter?(state: Checkpoint["state"]): readonly (keyof RunConfig)[];
}

/** The rows of a run, before any model has seen them. */
export interface RecipeRows {
  dimensions: string[]; // (M)
  fingerprint: string; // of the training rows
  /** Opens what computes and loads the base model; nothing is written. Caller disposes. */
  load(session: { config: RunConfig; options: SessionOptions }): Promise<LoadedRun>;
}

/** Rows and base model, ready to start. Disposing it frees engine and weights. */
export interface LoadedRun extends AsyncDisposable {
  base: Base;
  /** Starts anew, or where `checkpoint` stood; it was made with these rows and this base model. */
  start(place: StartingPlace): Promise<StartedRun>;
}

/** Where a run lies, and how far it got. */
export interface StartingPlace {
  run: Run;
  checkpoint: Checkpoint | null; // the newest
}

/** A run in progress. Disposing it frees what is trained, not what it was loaded with. */
export interface StartedRun extends AsyncDisposable {
  /** Where the run stands, from its checkpoint; null for a fresh one. */
  progress: Progress | null;
  /** Trains; ends early, with a checkpoint event, once `signal` aborts. */
  events(signal: AbortSignal): AsyncGenerator<TrainEvent>;
  /** What adapter_config.json says of the tensors after `step` steps. */
  adapterConfig(step: number): AdapterConfig;
  /** What adapter_model.safetensors of a checkpoint holds: everything that is trained. */
  tensors(): Promise<Tensors>;
  /** Further files of a checkpoint by name: `critic` is critic.safetensors. None where missing. */
  companions?(): Promise<Record<string, Tensors>>;
  /**
   * Measures what there is so far and writes its own report files under `name`; the front where one
   * was drawn. Called every eval_steps and at the end.
   */
  evaluate(name: string, step: number): Promise<FrontReport | undefined>;
  /**
   * Stores what the run has learned, to be used by others: called after the last step without a
   * front, so that it is safe, and again with what the last evaluation gave.
   */
  store(step: number, front: FrontReport | undefined): Promise<void>;
  /** After everything is stored: what else the report of the session tells. */
  finish(): Promise<Partial<TrainReport>>;
}

/** How far a run is. */
export interface Progress {
  step: number; // steps done
  steps: number; // of the whole run
  tokens: number;
  seconds: number;
}

/** Throws InputError unless `config.tuning` is one that the objective has. */
export function requireTuning(config: RunConfig, known: RunConfig["tuning"][]): void {
  if (known.includes(config.tuning)) return;
  throw new InputError(
    `Cannot train ${config.objective}: expected tuning ${known.join(" or ")}, got ${config.tuning}`,
  );
}

/** Throws InputError where a run asks for shards and its objective has none. */
export function refuseShards(config: RunConfig): void {
  if (config.shards === 1) return;
  throw new InputError(
    `Cannot train ${config.objective} on shards: expected shards 1, got ${config.shards}`,
  );
}
