// The adapters of the service: the folders under one root, each found by its name and by nothing
// else. Chat, fronts and the adapters' own resources come through here before a file is opened.
import { basename, dirname, join, sep as SEPARATOR } from "node:path";
import {
  BusyError,
  ConflictError,
  CorruptFileError,
  InputError,
  NotFoundError,
} from "../../core/errors.ts";
import { BuiltinModel, builtinWorld } from "../builtin/mod.ts";
import type { AdapterConfig } from "./adapter_config.ts";
import { describeAdapter, holdsAdapter } from "./adapter_files.ts";
import { AdapterId } from "./adapter_id.ts";
import type { AdapterDetails, AdapterSummary } from "./adapter_summary.ts";
import { removeFolderAtomic, reportingStorage } from "./atomic.ts";
import { checkpointSteps } from "./checkpoints.ts";
import { readFrontReports } from "./front_lookup.ts";
import { hideFolders } from "./hide_folders.ts";
import { isOurs, loadConfig, loadMetrics, lockRun } from "./run_folder.ts";

export { AdapterId } from "./adapter_id.ts";
export { AdapterDetails, AdapterSummary } from "./adapter_summary.ts";

/**
 * The real path of the folder `id` under `root`. It need not hold an adapter yet.
 *
 * @throws {InputError} not a name of an adapter, or a link in it leads out of `root`
 * @throws {NotFoundError} no such folder
 */
export async function resolveAdapter(root: string, id: string): Promise<string> {
  if (!AdapterId.safeParse(id).success) {
    throw new InputError(
      `Cannot find adapter ${quoted(id)}: expected a name of letters, digits, _, - and single dots`,
    );
  }
  const realRoot = await realPath(root);
  const folder = realRoot && await realPath(join(realRoot, id));
  if (!folder || !(await Deno.stat(folder)).isDirectory) {
    throw new NotFoundError(
      `Cannot find adapter ${quoted(id)}: expected the name of a stored adapter, got none's`,
    );
  }
  await refuseLinksOut(folder, { id, realRoot });
  return folder;
}

/**
 * Every adapter under `root` in the order of the names, finished or with checkpoints. Folders
 * without an adapter are left out, and so are damaged ones, of which `onDamaged` is told.
 */
export async function listAdapters(
  root: string,
  { onDamaged = () => {} }: { onDamaged?: (id: string, error: Error) => void } = {},
): Promise<AdapterSummary[]> {
  const names = (await listNames(root)).filter((name) => AdapterId.safeParse(name).success);
  const summaries: AdapterSummary[] = [];
  for (const id of names.sort()) {
    try {
      const { config, finished } = await describe(root, id);
      summaries.push(summarize(id, { config, finished }));
    } catch (error) {
      if (error instanceof NotFoundError) continue;
      if (!(error instanceof CorruptFileError || error instanceof InputError)) throw error;
      onDamaged(id, error);
    }
  }
  return summaries;
}

/**
 * One adapter whole. Absolute paths in it are cut to their last part.
 *
 * @throws {InputError} @throws {NotFoundError} as resolveAdapter, and where it holds no adapter
 * @throws {CorruptFileError} naming the damaged file
 */
export async function readAdapter(root: string, id: string): Promise<AdapterDetails> {
  const { folder, config, card, finished } = await describe(root, id);
  const run = await loadConfig(folder);
  return {
    ...summarize(id, { config, finished }),
    card: hideFolders(card),
    config: { ...config, base_model: hideFolders(config.base_model) },
    run: run && {
      ...run,
      model_name_or_path: hideFolders(run.model_name_or_path),
      dataset: hideFolders(run.dataset),
      ...run.eval_dataset !== undefined && { eval_dataset: hideFolders(run.eval_dataset) },
      output_dir: id,
    },
    fronts: await readFrontReports(folder),
    metrics: (await loadMetrics(folder)).map((row) =>
      Object.fromEntries(
        Object.entries(row).filter((entry): entry is [string, number] =>
          typeof entry[1] === "number"
        ),
      )
    ),
  };
}

/**
 * Removes the folder of an adapter, all of it or nothing.
 *
 * @throws {InputError} @throws {NotFoundError} as resolveAdapter
 * @throws {BusyError} a run is writing to it
 * @throws {ConflictError} it holds something that is not a run's, which is not ours to remove
 */
export async function removeAdapter(root: string, id: string): Promise<void> {
  const folder = await resolveAdapter(root, id);
  const names = await listNames(folder);
  const foreign = basename(folder) !== id
    ? `a link to ${basename(folder)}` // removes the other
    : names.length === 0
    ? "an empty folder"
    : names.find((name) => !isOurs(name));
  if (foreign !== undefined) {
    throw new ConflictError(
      `Cannot remove adapter ${quoted(id)}: expected a folder with a run in it, got ${foreign}`,
    );
  }
  await reportingStorage(folder, 0, async () => {
    const lock = await lockRun(folder).catch((error) => {
      if (!(error instanceof BusyError)) throw error;
      throw new BusyError(
        `Cannot remove adapter ${
          quoted(id)
        }: expected one that no run is writing to, got one in use`,
        { cause: error },
      );
    });
    try {
      await removeFolderAtomic(folder);
    } finally {
      await lock.release();
    }
  });
}

/**
 * sha256 (hex) of the parameters file as its manifest tells it: equal only for equal parameters.
 * `folder`: of a run or of a checkpoint.
 *
 * @throws {InputError} no adapter there
 * @throws {CorruptFileError} manifest or config is damaged
 */
export async function adapterHash(folder: string): Promise<string> {
  return (await describeAdapter(folder)).parametersHash;
}

/** What a base model is called without its folder: `models/tiny` → `tiny`, `owner/name` → `name`. */
export function baseName(model: string): string {
  return basename(model) || model;
}

/** The finished adapter of a folder, or else that of its newest checkpoint. */
async function describe(root: string, id: string) {
  const folder = await resolveAdapter(root, id);
  const finished = await holdsAdapter(folder);
  if (finished) return { folder, finished, ...await describeAdapter(folder) };
  const step = (await checkpointSteps(folder))[0];
  if (step === undefined) {
    throw new NotFoundError(
      `Cannot open adapter ${quoted(id)}: expected an adapter or a checkpoint, got neither`,
    );
  }
  return { folder, finished, ...await describeAdapter(join(folder, `checkpoint-${step}`)) };
}

function summarize(
  id: string,
  { config, finished }: { config: AdapterConfig; finished: boolean },
): AdapterSummary {
  const { base_model, dimensions, steps, objective, aggregation } = config;
  const base = baseName(base_model);
  const examples = base_model === BuiltinModel.name ? worldExamples() : [];
  return { id, base, dimensions, steps, objective, aggregation, finished, examples };
}

let examples: string[] | undefined;

/** Questions the built-in model has not been trained on, from the most harmful to the least. */
function worldExamples(): string[] {
  examples ??= builtinWorld(undefined).test
    .toSorted((a, b) => b.severity - a.severity)
    .filter((_, i, { length }) => i % Math.ceil(length / 6) === 0)
    .map(({ text }) => text);
  return examples;
}

/** A link in an adapter's folder could stand for any file of this machine. */
async function refuseLinksOut(
  folder: string,
  { id, realRoot }: { id: string; realRoot: string },
): Promise<void> {
  const refuse = (link: string) =>
    new InputError(
      `Cannot use adapter ${quoted(id)}: expected a folder of its own, got ${link} that leads out`,
    );
  if (dirname(folder) !== realRoot) throw refuse("a link");
  const folders = [folder];
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    for (const { name, isSymlink, isDirectory } of await listEntries(next)) {
      if (isDirectory) folders.push(join(next, name));
      if (!isSymlink) continue;
      const target = await realPath(join(next, name));
      if (target !== null && !target.startsWith(folder + SEPARATOR)) throw refuse(`a link ${name}`);
    }
  }
}

/** Where a path really leads; null where it leads to nothing. */
async function realPath(path: string): Promise<string | null> {
  try {
    return await Deno.realPath(path);
  } catch (error) {
    const { NotFound, NotADirectory, FilesystemLoop } = Deno.errors;
    if ([NotFound, NotADirectory, FilesystemLoop].some((kind) => error instanceof kind)) {
      return null;
    }
    throw error;
  }
}

async function listNames(folder: string): Promise<string[]> {
  return (await listEntries(folder)).map(({ name }) => name);
}

/** What a folder holds; nothing where it has gone meanwhile, as checkpoints do. */
async function listEntries(folder: string): Promise<Deno.DirEntry[]> {
  return await Array.fromAsync(Deno.readDir(folder)).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  });
}

/** A name in a message: no control characters, no more than fits a line. */
function quoted(id: string): string {
  return JSON.stringify(id.length > 40 ? `${id.slice(0, 40)}…` : id);
}
