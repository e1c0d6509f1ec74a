// Where a data set lies: a file, a folder of files, or a data set of the Hugging Face hub, the latter
// two with a split behind a colon: `FILE.parquet`, `FOLDER:test`, `owner/name/folder:test@revision`.
// Which of a folder's files are read is decided here, by their names, for disk and hub alike.
import { join } from "node:path";
import { InputError } from "../../core/errors.ts";
import { statOrNull } from "../files.ts";
import { isHubId } from "../model_files.ts";
import { fileFormat, knownFiles } from "./rows.ts";

/** A data set of the hub: a repository, or a folder or file in it. */
export interface HubPlace {
  id: string; // owner/name
  within: string; // path in the repository, "" for all of it
  split?: string;
  revision: string; // branch, tag or commit
}

/** A path on the disk, with the split of a folder's files. */
export interface LocalPlace {
  path: string;
  split?: string;
}

/** The path and split that a text names: what stands before a `:` where that exists, or all of it. */
export async function localPlace(text: string): Promise<LocalPlace> {
  const [, path, split] = /^(.+):([a-z]+)$/.exec(text) ?? [];
  return path !== undefined && await statOrNull(path) ? { path, split } : { path: text };
}

/** The data set of the hub that a text names; null where it does not read like one. */
export function hubPlace(text: string): HubPlace | null {
  const [, place = "", split, revision = "main"] =
    /^([^:@]+)(?::([a-z]+))?(?:@(\w[\w./-]*))?$/.exec(text) ?? [];
  const [owner = "", name = "", ...within] = place.split("/");
  const id = `${owner}/${name}`;
  const isPlain = within.every((part) => /^\w[\w.-]*$/.test(part));
  if (!isHubId(id) || !isPlain || fileFormat(id) !== null) return null;
  return { id, within: within.join("/"), ...split !== undefined && { split }, revision };
}

/**
 * The files that a text names, on the disk: itself, or those of a folder, in the order of their names.
 * Throws InputError for a folder without data files, of several formats, or without the split.
 */
export async function dataFiles(text: string): Promise<string[]> {
  const { path, split } = await localPlace(text);
  const found = await statOrNull(path);
  if (found?.isFile && split !== undefined) {
    throw new InputError(`Cannot read ${text}: expected a folder before the split, got a file`);
  }
  if (!found?.isDirectory) return [path]; // what is wrong with it is said where it is read
  const names = await namesBelow(path);
  return selectFiles(names, { split, place: path }).map((name) => join(path, name));
}

/**
 * Of the names of a folder's files those to read: of the split asked for; otherwise those of `train`
 * where some names tell a split, and all where none does. Throws as dataFiles.
 */
export function selectFiles(
  names: string[],
  { split, place }: { split?: string; place: string },
): string[] {
  const data = names.filter((name) => fileFormat(name) !== null && !isRemark(name)).sort();
  if (data.length === 0) {
    throw new InputError(`Cannot read ${place}: expected ${knownFiles} in it, got none`);
  }
  const splits = [...new Set(data.map(splitOf))].filter((name) => name !== undefined);
  const wanted = split ?? (splits.length > 0 ? "train" : undefined);
  const chosen = wanted === undefined ? data : data.filter((name) => splitOf(name) === wanted);
  if (chosen.length === 0) {
    throw new InputError(
      `Cannot read ${place}: expected files of the split ${wanted}, got ${
        splits.length > 0 ? `those of ${splits.join(", ")}` : "none whose name tells a split"
      }`,
    );
  }
  const formats = [...new Set(chosen.map(fileFormat))];
  if (formats.length > 1) {
    throw new InputError(
      `Cannot read ${place}: expected files of one format, got ${formats.join(" and ")}; ` +
        "name the files, joined by +",
    );
  }
  return chosen;
}

/** Words that tell a split, by its name, as the library datasets reads them (data_files.py). */
const splitWords: Record<string, string> = {
  train: "train",
  training: "train",
  test: "test",
  testing: "test",
  eval: "test",
  evaluation: "test",
  validation: "validation",
  valid: "validation",
  val: "validation",
  dev: "validation",
};

/** The split that a name tells, by the last word of it that is one. */
function splitOf(name: string): string | undefined {
  const words = name.toLowerCase().split(/[^a-z]+/);
  const word = words.findLast((word) => Object.hasOwn(splitWords, word));
  return splitWords[word ?? ""];
}

/** Files that tell about the data instead of holding them. */
function isRemark(name: string): boolean {
  return /(^|\/)(dataset_infos?|dataset_dict|state|config)\.json$/.test(name);
}

/** Paths of all files below a folder, hidden ones and those behind links to folders left out. */
async function namesBelow(folder: string, above = ""): Promise<string[]> {
  const names: string[] = [];
  for (const { name, isDirectory } of await entriesOf(join(folder, above))) {
    if (name.startsWith(".")) continue;
    const path = above === "" ? name : `${above}/${name}`;
    if (isDirectory) names.push(...await namesBelow(folder, path));
    else names.push(path);
  }
  return names;
}

async function entriesOf(folder: string): Promise<Deno.DirEntry[]> {
  try {
    return await Array.fromAsync(Deno.readDir(folder));
  } catch (error) {
    throw new InputError(
      `Cannot read ${folder}: expected a folder that may be read, got "${
        error instanceof Error ? error.message : error
      }"`,
      { cause: error },
    );
  }
}
