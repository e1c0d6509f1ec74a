// The adapter's files: adapter_model.safetensors, adapter_config.json, a model card, a manifest.
// A checkpoint folder appears whole by itself. The finished adapter lies among a run's other files,
// so its four files go through a folder that is moved in file by file: from the moment that folder
// has its name, readers see the new adapter, and a killed move is finished by the next writer.
import { join } from "node:path";
import { CorruptFileError, InputError } from "../../core/errors.ts";
import { ADAPTER_CONFIG, ADAPTER_MODEL, AdapterConfig, encodeAdapter } from "./adapter_config.ts";
import { reportingStorage, syncFolder, writeFolderAtomic } from "./atomic.ts";
import { checkpointSteps } from "./checkpoints.ts";
import { readFronts } from "./fronts.ts";
import { decodeJson } from "./json.ts";
import { MANIFEST, readVerified } from "./manifest.ts";
import { decodeTensors, type Tensors } from "./tensors.ts";

export const CARD = "README.md";
/** The finished adapter on its way into the run folder. */
export const INCOMING = ".adapter-incoming";

/** An adapter read from the disk, every file verified. */
export interface StoredAdapter {
  tensors: Tensors;
  config: AdapterConfig;
  /** The model card; empty for a checkpoint. */
  card: string;
  /** The stored fronts by name, as JSON; none for a checkpoint. */
  fronts(): Promise<Record<string, unknown>>;
}

/**
 * Opens the adapter of a run folder or of one of its `checkpoint-N` folders.
 *
 * @throws {InputError} nothing there, not a folder of ours, or a run without a finished adapter
 * @throws {CorruptFileError} naming the file that is missing, truncated or altered
 */
export async function openAdapter(path: string): Promise<StoredAdapter> {
  await requireAdapterFolder(path);
  const { files, locate } = await readAdapterFolder(path);
  const model = files[ADAPTER_MODEL];
  const config = files[ADAPTER_CONFIG];
  if (!model || !config) {
    throw new CorruptFileError(
      `Cannot open adapter ${path}: expected ${ADAPTER_MODEL} and ${ADAPTER_CONFIG} in its ${MANIFEST}, got ${
        Object.keys(files).join(", ") || "none"
      }`,
    );
  }
  return {
    tensors: await decodeTensors(model, locate(ADAPTER_MODEL)),
    config: decodeJson(config, { schema: AdapterConfig, path: locate(ADAPTER_CONFIG) }),
    card: new TextDecoder().decode(files[CARD]),
    fronts: () => readFronts(path),
  };
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

async function readAdapterFolder(path: string) {
  for (;;) {
    const before = await adapterState(path);
    const locate = (name: string) =>
      before.incoming.includes(name) ? join(path, INCOMING, name) : join(path, name);
    try {
      return { files: await readVerified(locate), locate };
    } catch (error) {
      // A trainer may have moved a new adapter in meanwhile: damage is what does not change.
      if (!(error instanceof CorruptFileError)) throw error;
      if (JSON.stringify(before) === JSON.stringify(await adapterState(path))) throw error;
    }
  }
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
  const names = await listNames(path) ?? [];
  if (names.includes(MANIFEST) || names.includes(INCOMING)) return;
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
