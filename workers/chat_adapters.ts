// Which adapter a chat asks for: from its name, or its folder, to what is stored there. Asked with
// every request, so that a run that was trained again is answered with its new adapter; asked while
// others are being answered, so an adapter already known costs two looks at the disk and no wait.
import { join } from "node:path";
import { InputError, NotFoundError } from "../core/errors.ts";
import { BuiltinModel } from "../data/builtin/mod.ts";
import { statOrNull } from "../data/files.ts";
import type { AdapterConfig } from "../data/store/adapter_config.ts";
import { describeAdapter, holdsAdapter, INCOMING } from "../data/store/adapter_files.ts";
import { listAdapters, resolveAdapter } from "../data/store/adapters.ts";
import { checkpointSteps } from "../data/store/checkpoints.ts";
import { MANIFEST } from "../data/store/manifest.ts";
import { runOf } from "./front_settings.ts";

/** A stored adapter, its parameters not yet read. */
export interface FoundAdapter {
  /** What the user calls it. */
  name: string;
  folder: string;
  config: AdapterConfig;
  /** sha256 (hex) of its parameters. */
  parametersHash: string;
  /** Of the base model on the hub. */
  revision: string;
}

/** Where a base model is found. */
export interface FoundBase {
  model: string; // folder, file, hub id or `builtin`
  revision: string;
}

/** What the chat can answer with. */
export interface ChatStore {
  /** Throws InputError, NotFoundError and CorruptFileError as data/store does. */
  findAdapter(name: string): Promise<FoundAdapter>;
  /** By its name without folder. Throws NotFoundError. */
  findBase(name: string): Promise<FoundBase>;
}

/** Adapters by their names under a root, bases by the adapters made of them. */
export function createChatStore(root: string): ChatStore {
  const known = new Map<string, { found: FoundAdapter; state: string }>();

  async function findAdapter(name: string): Promise<FoundAdapter> {
    const last = known.get(name);
    if (last && last.state === stateOf(last.found.folder)) return last.found;
    known.delete(name);
    const folder = await resolveAdapter(root, name);
    const state = stateOf(folder);
    const found = await openFolder(folder, name);
    // Of an unfinished run it is the checkpoint that changes: it is looked up anew each time.
    if (found.folder === folder) known.set(name, { found, state });
    return found;
  }

  return {
    findAdapter,
    async findBase(name) {
      if (name === BuiltinModel.name) return { model: name, revision: "main" };
      const made = (await listAdapters(root)).find(({ base }) => base === name);
      if (made) {
        const { config, revision } = await findAdapter(made.id);
        return { model: config.base_model, revision };
      }
      throw new NotFoundError(
        `Cannot find base model: expected ${BuiltinModel.name} or the base of a stored adapter, ` +
          `got ${JSON.stringify(name.slice(0, 100))}`,
      );
    },
  };
}

/** One adapter in a folder of its own, whatever its name; its base alone is not to be had. */
export function createFolderStore(): ChatStore {
  return {
    findAdapter: (folder) => openFolder(folder, folder),
    findBase: () =>
      Promise.reject(new InputError("Cannot chat: expected an adapter, got a base model alone")),
  };
}

/** The finished adapter of a folder, or that of its newest checkpoint. */
async function openFolder(folder: string, name: string): Promise<FoundAdapter> {
  const isUnfinished = (await statOrNull(folder))?.isDirectory && !await holdsAdapter(folder);
  const step = isUnfinished ? (await checkpointSteps(folder))[0] : undefined;
  const place = step === undefined ? folder : join(folder, `checkpoint-${step}`);
  const { config, parametersHash } = await describeAdapter(place);
  const revision = (await runOf(place))?.revision ?? "main";
  return { name, folder: place, config, parametersHash, revision };
}

/** What changes when another adapter is put into a folder; read at once, without giving way. */
function stateOf(folder: string): string {
  return [join(folder, MANIFEST), join(folder, INCOMING, MANIFEST)].map((path) => {
    try {
      const { ino, mtime, size } = Deno.statSync(path);
      return `${ino} ${mtime?.getTime()} ${size}`;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
  }).join("\n");
}
