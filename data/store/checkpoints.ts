// checkpoint-N/: everything that training needs to go on exactly after step N.
import { join } from "node:path";
import { z } from "zod";
import { CorruptFileError } from "../../core/errors.ts";
import { ADAPTER_CONFIG, ADAPTER_MODEL, AdapterConfig, encodeAdapter } from "./adapter_config.ts";
import { removeFolderAtomic, reportingStorage, writeFolderAtomic } from "./atomic.ts";
import { decodeJson, encodeJson } from "./json.ts";
import { readFolderVerified } from "./manifest.ts";
import { decodeTensors, encodeTensors, type Tensors } from "./tensors.ts";

const OPTIMIZER = "optimizer.safetensors";
const STATE = "trainer_state.json";
const COMPANION = /^([a-z][a-z0-9_]*)\.safetensors$/;
const NAME = /^checkpoint-(0|[1-9]\d{0,14})$/;

const TrainerState = z.strictObject({
  format: z.literal("panacea-trainer-state"),
  version: z.literal(1),
  step: z.number().int().nonnegative(),
  state: z.record(z.string(), z.unknown()),
});

/** What a checkpoint holds; `state` is plain JSON (random state, data cursor …), kept exactly. */
export interface CheckpointParts {
  adapter: Tensors;
  adapterConfig: AdapterConfig;
  optimizer: Tensors;
  /** Further trained tensors, by the name of their file: `critic` is critic.safetensors. */
  companions?: Record<string, Tensors>;
  state: Record<string, unknown>;
}

/** A checkpoint read back, with the number of optimiser steps taken. */
export interface Checkpoint extends CheckpointParts {
  step: number;
  companions: Record<string, Tensors>;
}

/**
 * Saves `checkpoint-<step>` and then removes what it supersedes: the oldest beyond `limit`, and any
 * of a later step (left when a damaged newest checkpoint was passed over on resuming).
 *
 * @throws {DivergedError} a tensor or number is not finite; nothing is written
 * @throws {StorageError} the earlier checkpoints stay as they were
 */
export async function saveCheckpoint(
  run: string,
  { step, limit, ...parts }: CheckpointParts & { step: number; limit: number },
): Promise<void> {
  if (!Number.isInteger(limit) || limit < 1) {
    throw new RangeError(`Cannot keep checkpoints: expected a limit of at least 1, got ${limit}`);
  }
  const name = `checkpoint-${step}`;
  if (!NAME.test(name)) {
    throw new RangeError(`Cannot save checkpoint: expected a step of 0 or more, got ${step}`);
  }
  const state: z.infer<typeof TrainerState> = {
    format: "panacea-trainer-state",
    version: 1,
    step,
    state: parts.state,
  };
  await writeFolderAtomic(join(run, name), {
    ...encodeCompanions(parts.companions ?? {}),
    ...encodeAdapter(parts.adapter, parts.adapterConfig),
    [OPTIMIZER]: encodeTensors(parts.optimizer, { name: "optimizer state" }),
    [STATE]: encodeJson(state, { name: STATE }) + "\n",
  });
  const steps = await checkpointSteps(run);
  const earlier = steps.filter((other) => other <= step);
  for (const old of [...steps.filter((other) => other > step), ...earlier.slice(limit)]) {
    const path = join(run, `checkpoint-${old}`);
    await reportingStorage(path, 0, () => removeFolderAtomic(path));
  }
}

/**
 * The newest checkpoint, or null where there is none.
 *
 * @param options.fallback pass over damaged ones to the newest that verifies
 * @throws {CorruptFileError} it is damaged, naming the file (without `fallback`, or all are)
 */
export async function latestCheckpoint(
  run: string,
  { fallback = false }: { fallback?: boolean } = {},
): Promise<Checkpoint | null> {
  let damage: CorruptFileError | null = null;
  for (const step of await checkpointSteps(run)) {
    try {
      return await readCheckpoint(join(run, `checkpoint-${step}`), step);
    } catch (error) {
      if (!fallback || !(error instanceof CorruptFileError)) throw error;
      damage ??= error;
    }
  }
  if (damage) throw damage;
  return null;
}

/** Steps of the checkpoints in a run folder, newest first. */
export async function checkpointSteps(run: string): Promise<number[]> {
  const steps: number[] = [];
  for await (const { name, isDirectory } of Deno.readDir(run)) {
    const step = NAME.exec(name)?.[1];
    if (isDirectory && step !== undefined) steps.push(Number(step));
  }
  return steps.sort((a, b) => b - a);
}

function encodeCompanions(companions: Record<string, Tensors>): Record<string, Uint8Array> {
  return Object.fromEntries(
    Object.entries(companions).map(([name, tensors]) => {
      const file = `${name}.safetensors`;
      if (companionName(file) === null) {
        throw new RangeError(`Cannot save checkpoint: expected a companion's name, got ${name}`);
      }
      return [file, encodeTensors(tensors, { name })];
    }),
  );
}

/** Name of the companion that a file of a checkpoint is, null for the others. */
function companionName(file: string): string | null {
  return [ADAPTER_MODEL, OPTIMIZER].includes(file) ? null : COMPANION.exec(file)?.[1] ?? null;
}

async function readCheckpoint(path: string, step: number): Promise<Checkpoint> {
  const files = await readFolderVerified(path);
  const file = (name: string) => {
    const bytes = files[name];
    if (bytes) return bytes;
    throw new CorruptFileError(`Cannot read ${join(path, name)}: expected a file, got none listed`);
  };
  const trainer = decodeJson(file(STATE), { schema: TrainerState, path: join(path, STATE) });
  if (trainer.step !== step) {
    throw new CorruptFileError(
      `Cannot read ${
        join(path, STATE)
      }: expected step ${step} as in the folder's name, got ${trainer.step}`,
    );
  }
  const companions: Record<string, Tensors> = {};
  for (const [name, bytes] of Object.entries(files)) {
    const companion = companionName(name);
    if (companion !== null) companions[companion] = await decodeTensors(bytes, join(path, name));
  }
  return {
    step,
    companions,
    adapter: await decodeTensors(file(ADAPTER_MODEL), join(path, ADAPTER_MODEL)),
    adapterConfig: decodeJson(file(ADAPTER_CONFIG), {
      schema: AdapterConfig,
      path: join(path, ADAPTER_CONFIG),
    }),
    optimizer: await decodeTensors(file(OPTIMIZER), join(path, OPTIMIZER)),
    state: trainer.state,
  };
}
