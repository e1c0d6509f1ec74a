// The adapter's files: adapter_model.safetensors, adapter_config.json, a model card, a manifest.
// A checkpoint folder appears whole by itself. The finished adapter lies among a run's other files,
// so its four files go through a folder that is moved in file by file: from the moment that folder
// has its name, readers see the new adapter, and a killed move is finished by the next writer.
import { join } from "node:path";
import { CorruptFileError, InputError, NotFoundError } from "../../core/errors.ts";
import {
  ADAPTER_CONFIG,
  ADAPTER_MODEL,
  AdapterConfig,
  type AdapterFormat,
  adapterFormats,
  encodeAdapter,
} from "./adapter_config.ts";
import { reportingStorage, syncFolder, writeFolderAtomic } from "./atomic.ts";
import { checkpointSteps } from "./checkpoints.ts";
import { readFronts } from "./fronts.ts";
import { decodeJson } from "./json.ts";
import { MANIFEST, readDigests, readListed } from "./manifest.ts";
import { decodeTensors, type Tensors } from "./tensors.ts";

export const CARD = "README.md";
/** The finished adapter on its way into the run folder. */
export const INCOMING = ".adapter-incoming";

/** An adapter read from the disk, every file verified. */
export interface StoredAdapter {
  tensors: Tensors;
  config: AdapterConfig;
  /** sha256 (hex) of the parameters file. */
  parametersHash: string;
  /** The model card; empty for a checkpoint. */
  card: string;
  /** The stored fronts by name, as JSON; none for a checkpoint. */
  fronts(): Promise<Record<string, unknown>>;
}

/** What is looked for in a folder; a policy's adapter unless told otherwise. */
export interface Wanted {
  format?: AdapterFormat;
}

/**
 * Opens the adapter of a run folder or of one of its `checkpoint-N` folders.
 *
 * @throws {InputError} nothing there, not a folder of ours, or a run without a finished adapter
 * @throws {NotFoundError} what is there is of another format, such as a reward model
 * @throws {CorruptFileError} naming the file that is missing, truncated or altered
 */
export async function openAdapter(path: string, wanted: Wanted = {}): Promise<StoredAdapter> {
  const { files, digests, locate } = await readFiles(path, [ADAPTER_MODEL, ADAPTER_CONFIG, CARD]);
  const config = decodeConfig(files, { path, locate, wanted });
  return {
    tensors: await decodeTensors(required(files, ADAPTER_MODEL, path), locate(ADAPTER_MODEL)),
    config,
    parametersHash: required(digests, ADAPTER_MODEL, path).sha256,
    card: new TextDecoder().decode(files[CARD]),
    fronts: () => readFronts(path),
  };
}

/**
 * What openAdapter gives besides the parameters, which are neither read nor checked: config, card,
 * and the sha256 (hex) of the parameters file as the manifest tells it. Throws as openAdapter.
 */
export async function describeAdapter(
  path: string,
  wanted: Wanted = {},
): Promise<{ config: AdapterConfig; card: string; parametersHash: string }> {
  const { files, digests, locate } = await readFiles(path, [ADAPTER_CONFIG, CARD]);
  return {
    config: decodeConfig(files, { path, locate, wanted }),
    card: new TextDecoder().decode(files[CARD]),
    parametersHash: required(digests, ADAPTER_MODEL, path).sha256,
  };
}

/** Whether a folder holds an adapter: a finished one, or one that is being moved in. */
export async function holdsAdapter(path: string): Promise<boolean> {
  const names = await listNames(path) ?? [];
  return names.includes(MANIFEST) || names.includes(INCOMING);
}

/** Puts adapter, config and card into a run folder as one step. Only for the folder's one writer. */
export async function writeAdapter(
  run: string,
  { tensors, config, card }: { tensors: Tensors; config: AdapterConfig; card: string },
): Promise<void> {
  const files = { ...encodeAdapter(tensors, config), [CARD]: card };
  await finishAdapter(run);
  await writeFolderAtomic(join(run, INCOMING), files);
  await finishAdapter(run);
}

/** Moves in an adapter whose saving was cut off after its files were complete. */
export async function finishAdapter(run: string): Promise<void> {
  const incoming = join(run, INCOMING);
  const names = await listNames(incoming);
  if (!names) return;
  await reportingStorage(run, 0, async () => {
    // In any order: a reader takes each file from here while it is here.
    for (const name of names) await Deno.rename(join(incoming, name), join(run, name));
    await syncFolder(run);
    await Deno.remove(incoming, { recursive: true });
  });
}

/** The files of `names` that an adapter folder has, verified, with all digests of its manifest. */
async function readFiles(path: string, names: string[]) {
  await requireAdapterFolder(path);
  for (;;) {
    const before = await adapterState(path);
    const locate = (name: string) =>
      before.incoming.includes(name) ? join(path, INCOMING, name) : join(path, name);
    try {
      const digests = await readDigests(locate);
      const wanted = Object.entries(digests).filter(([name]) => names.includes(name));
      return { files: await readListed(Object.fromEntries(wanted), locate), digests, locate };
    } catch (error) {
      // A trainer may have moved a new adapter in meanwhile: damage is what does not change.
      if (!(error instanceof CorruptFileError)) throw error;
      if (JSON.stringify(before) === JSON.stringify(await adapterState(path))) throw error;
    }
  }
}

function decodeConfig(
  files: Record<string, Uint8Array>,
  { path, locate, wanted: { format = "panacea-svd-lora" } }: {
    path: string;
    locate: (name: string) => string;
    wanted: Wanted;
  },
): AdapterConfig {
  const bytes = required(files, ADAPTER_CONFIG, path);
  const config = decodeJson(bytes, { schema: AdapterConfig, path: locate(ADAPTER_CONFIG) });
  if (config.format === format) return config;
  throw new NotFoundError(
    `Cannot open adapter ${path}: expected ${adapterFormats[format]}, got ${
      adapterFormats[config.format]
    }`,
  );
}

function required<T>(entries: Record<string, T>, name: string, path: string): T {
  const entry = entries[name];
  if (entry !== undefined) return entry;
  throw new CorruptFileError(
    `Cannot open adapter ${path}: expected ${ADAPTER_MODEL} and ${ADAPTER_CONFIG} in its ${MANIFEST}, got ${
      Object.keys(entries).join(", ") || "none"
    }`,
  );
}

async function adapterState(path: string) {
  const manifest = await Deno.stat(join(path, MANIFEST)).catch(() => null);
  const incoming = await listNames(join(path, INCOMING)) ?? [];
  return { incoming, inode: manifest?.ino, written: manifest?.mtime };
}

async function requireAdapterFolder(path: string): Promise<void> {
  const refuse = (found: string) =>
    new InputError(
      `Cannot open adapter ${path}: expected the folder of a run or checkpoint, got ${found}`,
    );
  const stat = await Deno.stat(path).catch(() => null);
  if (!stat) throw refuse("nothing there");
  if (!stat.isDirectory) throw refuse("a file");
  if (await holdsAdapter(path)) return;
  const names = await listNames(path) ?? [];
  if (names.includes(ADAPTER_MODEL) || names.includes(ADAPTER_CONFIG)) {
    throw refuse(`one without ${MANIFEST}: an adapter of another program, or an incomplete copy`);
  }
  const newest = (await checkpointSteps(path))[0];
  throw refuse(
    newest === undefined
      ? "one without an adapter"
      : `a run without a finished adapter (its newest checkpoint is ${
        join(path, `checkpoint-${newest}`)
      })`,
  );
}

async function listNames(folder: string): Promise<string[] | null> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
