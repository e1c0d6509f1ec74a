// Names of models and data sets as they come over HTTP: nothing but `builtin`, a hub id, or a file
// under the one folder that the server was told to look in. What comes out is what openModel and
// loadDataset take.
import { join, sep as SEPARATOR } from "node:path";
import { InputError } from "../core/errors.ts";
import { BuiltinModel } from "./builtin/mod.ts";
import { namedDataset } from "./datasets/mod.ts";
import { dataFiles, hubPlace } from "./datasets/places.ts";
import { mapSpec } from "./datasets/spec.ts";
import { statOrNull } from "./files.ts";
import { isHubId } from "./model_files.ts";

const LONGEST_NAME = 1000;
const LONGEST_OPTION = 10_000;

/**
 * The model that a request names: `builtin`, the real path of a file or folder under `root`, or a
 * hub id as it is. `root` null: nothing is looked for on the disk.
 *
 * @throws {InputError} anything else: an address, an absolute path, one that leads out of `root`
 */
export async function resolveModel(root: string | null, name: string): Promise<string> {
  if (name === BuiltinModel.name) return name;
  const found = await resolveFile(root, name);
  if (found !== null) return found;
  // A path from where the server was started reads like a hub id, and openModel would take it.
  if (isHubId(name) && await statOrNull(name) === null) return name;
  throw refused("model", name, { root, wanted: "builtin, a model hub id" });
}

/**
 * The model that a run made, named `RUN/model`: its real path under `runs`, null for any other name
 * and where there is none. Throws InputError for a link that leads out of `runs`.
 */
export async function resolveRunModel(runs: string, name: string): Promise<string | null> {
  return /^[^/]+\/model$/.test(name) ? await resolveFile(runs, name) : null;
}

/**
 * The data that a request names: `builtin`, or the dataset option with the real path under `root`
 * of every file and folder, data sets of the hub as they are.
 *
 * @throws {InputError} anything else, as resolveModel, and a file that is not there
 */
export async function resolveDataset(root: string | null, spec: string): Promise<string> {
  if (namedDataset(spec) !== null) return spec;
  if (spec.length > LONGEST_OPTION) throw refused("data set", spec, { root });
  return await mapSpec(spec, (file) => resolvePlace(root, file));
}

/** A file, or a folder with its split, all of whose files lie under `root`; or a name on the hub. */
async function resolvePlace(root: string | null, name: string): Promise<string> {
  const [, place = name, split] = /^([^:]+):([a-z]+)$/.exec(name) ?? [];
  const path = await resolveFile(root, place);
  if (path === null) {
    // A path from where the server was started reads like a hub id, and would be taken for one.
    if (hubPlace(name) !== null && await statOrNull(place) === null) return name;
    throw refused("data set", name, { root, wanted: "builtin, a data set of the hub" });
  }
  const found = split === undefined ? path : `${path}:${split}`;
  // The option's own signs cannot stand in a path.
  if (/[,+]/.test(path)) throw refused("data set", name, { root });
  const realRoot = await Deno.realPath(root ?? path);
  const files = await dataFiles(found).catch((error) => {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(error.message.replaceAll(path, place)); // no place of this machine
  });
  for (const file of files) {
    if (file !== path && !isWithin(realRoot, await Deno.realPath(file))) throw leadsOut(name);
  }
  return found;
}

/**
 * The real path of a name under `root`; null for a name that is no path, or of nothing there.
 * Throws InputError for a link that leads out of `root` or nowhere.
 */
async function resolveFile(root: string | null, name: string): Promise<string | null> {
  if (root === null || !isRelativePath(name)) return null;
  try {
    const realRoot = await Deno.realPath(root);
    const path = await Deno.realPath(join(realRoot, name));
    if (isWithin(realRoot, path)) return path;
  } catch (error) {
    const { NotFound, NotADirectory, FilesystemLoop } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotADirectory) return null;
    if (!(error instanceof FilesystemLoop)) throw error;
  }
  throw leadsOut(name);
}

/** Whether a path without links lies below a folder that is one too. */
export function isWithin(realRoot: string, path: string): boolean {
  return path.startsWith(realRoot === SEPARATOR ? SEPARATOR : realRoot + SEPARATOR);
}

function leadsOut(name: string): InputError {
  return new InputError(
    `Cannot use ${quoted(name)}: expected a path in the server's folder of files, ` +
      "got a link that leads out of it",
  );
}

/** Plain parts joined by /: no `..`, nothing hidden, no drive, scheme or escape. */
function isRelativePath(name: string): boolean {
  return name.length <= LONGEST_NAME &&
    name.split("/").every((part) => /^[^\s.%:\\~][^\p{Cc}:\\]*$/u.test(part));
}

function refused(
  what: string,
  name: string,
  { root, wanted }: { root: string | null; wanted?: string },
): InputError {
  const places = [
    wanted ?? "builtin",
    ...root === null ? [] : ["a path that lies in the server's folder of files"],
  ].join(" or ");
  return new InputError(`Cannot use this ${what}: expected ${places}, got ${quoted(name)}`);
}

function quoted(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
}
