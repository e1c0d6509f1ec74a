// A run is a folder with one writer:
//   run_config.json  metrics.jsonl  trainer_state.json  tensorboard/events.out.tfevents.…  log
//   fronts/<name>.{json,svg,csv}  figures/<name>.…  reports/<name>.…
//   adapter_model.safetensors  adapter_config.json  README.md  manifest.json   (the finished adapter)
//   checkpoint-N/{adapter_model.safetensors, adapter_config.json, optimizer.safetensors,
//                 trainer_state.json, manifest.json, <companion>.safetensors …}
//   model/   (a model of its own, where supervised fine-tuning made one; see model_folder.ts)
// This file is the writer's side; anyone may read an adapter with openAdapter, without the lock.
import { dirname, join } from "node:path";
import { z } from "zod";
import { RunConfig } from "../../core/config.ts";
import { CorruptFileError, InputError } from "../../core/errors.ts";
import { ADAPTER_CONFIG, ADAPTER_MODEL, type AdapterConfig } from "./adapter_config.ts";
import { CARD, finishAdapter, INCOMING, writeAdapter } from "./adapter_files.ts";
import {
  appendDurably,
  cleanTemporary,
  isTemporaryName,
  reportingStorage,
  syncFolder,
  writeFileAtomic,
} from "./atomic.ts";
import * as checkpoints from "./checkpoints.ts";
import { EventFile, EVENTS } from "./event_files.ts";
import { FIGURES, type FrontFiles, FRONTS, REPORTS, saveFront } from "./fronts.ts";
import { decodeJson, encodeJson } from "./json.ts";
import { acquireLock, type Lock } from "./lock.ts";
import { MANIFEST, sha256 } from "./manifest.ts";
import * as metrics from "./metrics.ts";
import type { Tensors } from "./tensors.ts";
import { encodeTrainerState, TRAINER_STATE, type TrainerProgress } from "./trainer_state.ts";

export { AdapterConfig } from "./adapter_config.ts";
export { describeAdapter, openAdapter, type StoredAdapter } from "./adapter_files.ts";
export type { Checkpoint, CheckpointParts } from "./checkpoints.ts";
export { saveFigure, saveFront } from "./fronts.ts";
export type { FrontFiles } from "./fronts.ts";
export type { MetricRow } from "./metrics.ts";

const CONFIG = "run_config.json";
const METRICS = "metrics.jsonl";
const LOCK = ".lock";
const LOG = "log";
/** The folder of a model that a run made, in its own folder. */
export const MODEL = "model";

const StoredConfig = z.strictObject({
  format: z.literal("panacea-run"),
  version: z.literal(1),
  sha256: z.string(),
  config: z.unknown(),
});

/**
 * Opens a run folder for writing and takes its lock, finishing or clearing what a killed process
 * left. The caller closes it.
 *
 * @param options.create make the folder where it is missing, or start a run in an empty one
 * @throws {BusyError} another process is using it, naming pid and host
 * @throws {InputError} no run there, or the folder holds something else
 * @throws {StorageError} it cannot be written
 */
export async function openRun(
  path: string,
  { create = false }: { create?: boolean } = {},
): Promise<Run> {
  await requireRunFolder(path, create);
  const lock = await lockRun(path);
  try {
    await reportingStorage(path, 0, () => cleanTemporary(path));
    await finishAdapter(path);
    await metrics.truncateMetrics(join(path, METRICS), Infinity); // drops a torn last line
  } catch (error) {
    await lock.release();
    throw error;
  }
  return new Run(path, lock);
}

/** A run folder held by this process, until `close()`. */
export class Run {
  readonly path: string;
  readonly #lock: Lock;
  #events: EventFile | null = null;

  constructor(path: string, lock: Lock) {
    this.path = path;
    this.#lock = lock;
  }

  /** Saves the configuration that the run was started with. */
  async saveConfig(config: RunConfig): Promise<void> {
    const stored: z.infer<typeof StoredConfig> = {
      format: "panacea-run",
      version: 1,
      sha256: configHash(config),
      config,
    };
    const text = encodeJson(stored, { name: CONFIG }) + "\n";
    await writeFileAtomic(join(this.path, CONFIG), text);
  }

  /** The stored configuration, or null where none was saved yet; throws `CorruptFileError`. */
  loadConfig(): Promise<RunConfig | null> {
    return loadConfig(this.path);
  }

  /** Saves `checkpoint-<step>`, then removes the oldest beyond `limit`; see checkpoints.ts. */
  saveCheckpoint(
    step: number,
    parts: checkpoints.CheckpointParts,
    { limit }: { limit: number },
  ): Promise<void> {
    return checkpoints.saveCheckpoint(this.path, { ...parts, step, limit });
  }

  /** The newest checkpoint or null; a damaged one is refused unless `fallback` passes it over. */
  latestCheckpoint(options: { fallback?: boolean } = {}): Promise<checkpoints.Checkpoint | null> {
    return checkpoints.latestCheckpoint(this.path, options);
  }

  /** Saves the finished adapter with its model card, replacing an earlier one as one step. */
  saveAdapter(adapter: { tensors: Tensors; config: AdapterConfig; card: string }): Promise<void> {
    return writeAdapter(this.path, adapter);
  }

  /** Appends rows, each with its `step`, and waits until they are on the disk. */
  async appendMetrics(rows: metrics.MetricRow[]): Promise<void> {
    const [first] = rows;
    if (first === undefined) return;
    const lines = metrics.encodeRows(rows);
    // Events first: of rows that then cannot be logged, the next session's file takes them back.
    this.#events ??= new EventFile(this.path, { from: first.step });
    await this.#events.append(rows);
    await appendDurably(join(this.path, METRICS), lines);
  }

  /** Saves `trainer_state.json` out of the rows logged so far. */
  async saveTrainerState(progress: TrainerProgress): Promise<void> {
    const text = encodeTrainerState(await this.readMetrics(), progress);
    await writeFileAtomic(join(this.path, TRAINER_STATE), text);
  }

  /** All rows logged so far. */
  readMetrics(): Promise<metrics.MetricRow[]> {
    return loadMetrics(this.path);
  }

  /** Drops rows after `step`: to be called on resuming from that step, with 0 on starting anew. */
  async truncateMetrics(step: number): Promise<void> {
    await metrics.truncateMetrics(join(this.path, METRICS), step);
    this.#events = new EventFile(this.path, { from: step + 1 });
  }

  /** Saves `fronts/<name>.{svg,csv,json}`; returns the paths. */
  saveFront(name: string, files: FrontFiles): Promise<string[]> {
    return saveFront(this.path, name, files);
  }

  /** Releases the folder; more calls do nothing. */
  close(): Promise<void> {
    return this.#lock.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Reads the configuration of a run without taking its lock; null where there is none.
 *
 * @throws {CorruptFileError} the file is damaged or was changed by hand
 */
export async function loadConfig(run: string): Promise<RunConfig | null> {
  const path = join(run, CONFIG);
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  const stored = decodeJson(bytes, { schema: StoredConfig, path });
  if (configHash(stored.config) !== stored.sha256) {
    throw new CorruptFileError(
      `Cannot read ${path}: expected the configuration the run was started with, got one that does not match its sha256`,
    );
  }
  const config = new TextEncoder().encode(JSON.stringify(stored.config));
  return decodeJson(config, { schema: RunConfig, path });
}

/** The rows logged by a run so far, without taking its lock; throws `CorruptFileError`. */
export function loadMetrics(run: string): Promise<metrics.MetricRow[]> {
  return metrics.readMetrics(join(run, METRICS));
}

/** Takes the lock of a run folder, which nobody writes to while it is held; throws `BusyError`. */
export function lockRun(run: string): Promise<Lock> {
  return acquireLock(join(run, LOCK));
}

function configHash(config: unknown): string {
  return sha256(encodeJson(config, { name: CONFIG, indent: 0 }));
}

async function requireRunFolder(path: string, create: boolean): Promise<void> {
  const stat = await Deno.stat(path).catch(() => null);
  if (stat && !stat.isDirectory) {
    throw new InputError(`Cannot open run ${path}: expected a folder, got a file`);
  }
  if (!stat) {
    if (!create) {
      throw new InputError(`Cannot open run ${path}: expected a run folder, got nothing there`);
    }
    await reportingStorage(path, 0, async () => {
      await Deno.mkdir(path, { recursive: true });
      await syncFolder(dirname(path));
    });
    return;
  }
  const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name);
  if (names.includes(CONFIG)) return;
  if (!create) {
    throw new InputError(`Cannot open run ${path}: expected ${CONFIG} in it, got a folder without`);
  }
  const foreign = names.find((name) => !isOurs(name));
  if (foreign === undefined) return;
  throw new InputError(
    `Cannot start a run in ${path}: expected an empty folder or a run, got a folder with ${foreign}`,
  );
}

/** Whether a run folder can hold an entry of this name. */
export function isOurs(name: string): boolean {
  const files = [CONFIG, METRICS, TRAINER_STATE, LOCK, LOG, MODEL, INCOMING];
  const folders = [EVENTS, FRONTS, FIGURES, REPORTS];
  return [...files, ...folders, ADAPTER_MODEL, ADAPTER_CONFIG, CARD, MANIFEST].includes(name) ||
    /^checkpoint-\d+$/.test(name) || isTemporaryName(name);
}
