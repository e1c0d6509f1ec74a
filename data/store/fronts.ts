// fronts/<name>.{json,svg,csv}: reports about an adapter, one atomic file each; and figures/<name>,
// the same three of what several fronts show together; and reports/<name>, of anything else that a run
// measured (a held-out loss).
import { join } from "node:path";
import { z } from "zod";
import { reportingStorage, syncFolder, writeFileAtomic } from "./atomic.ts";
import { decodeJson, encodeJson } from "./json.ts";

export const FRONTS = "fronts";
export const FIGURES = "figures";
export const REPORTS = "reports";
const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/;

/** A front as it is kept: JSON for programs, a picture, a table. */
export interface FrontFiles {
  json: unknown;
  svg: string;
  csv: string;
  /** More of the same by what follows the name: "rewards.svg". Not "json". */
  further?: Record<string, string>;
}

/**
 * Saves a front under a name of letters, digits, `.`, `_` and `-`; returns the paths: picture,
 * table, JSON, and what there is further. The JSON goes last, so a front that `readFronts` lists has
 * its picture and table. Needs no run lock.
 *
 * @throws {DivergedError} a number is not finite
 * @throws {StorageError} disk full, no permission
 */
export function saveFront(run: string, name: string, files: FrontFiles): Promise<string[]> {
  return save(run, { folder: FRONTS, name, files });
}

/** Saves what several fronts show together, as `saveFront` saves one of them. */
export function saveFigure(run: string, name: string, files: FrontFiles): Promise<string[]> {
  return save(run, { folder: FIGURES, name, files });
}

/** Saves a report of another kind, as `saveFront` saves a front. */
export function saveReport(run: string, name: string, files: FrontFiles): Promise<string[]> {
  return save(run, { folder: REPORTS, name, files });
}

/**
 * A report that `saveReport` saved; null where there is none.
 *
 * @throws {CorruptFileError} it is not of the schema, naming the file
 */
export async function readReport<T extends z.ZodType>(
  run: string,
  name: string,
  schema: T,
): Promise<z.infer<T> | null> {
  const path = join(run, REPORTS, `${name}.json`);
  try {
    return decodeJson(await Deno.readFile(path), { schema, path });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

async function save(
  run: string,
  { folder: kind, name, files: { json, svg, csv, further = {} } }: {
    folder: string;
    name: string;
    files: FrontFiles;
  },
): Promise<string[]> {
  if (!NAME.test(name)) {
    throw new RangeError(
      `Cannot save front: expected a name of letters, digits, ".", "_" or "-", got ${
        JSON.stringify(name)
      }`,
    );
  }
  const text = encodeJson(json, { name: "front" }) + "\n";
  const folder = join(run, kind);
  await reportingStorage(folder, 0, async () => {
    await Deno.mkdir(folder, { recursive: true });
    await syncFolder(run);
  });
  const place = (extension: string) => join(folder, `${name}.${extension}`);
  const texts = { svg, csv, ...further, json: text };
  for (const [extension, content] of Object.entries(texts)) {
    await writeFileAtomic(place(extension), content);
  }
  return ["svg", "csv", "json", ...Object.keys(further)].map(place);
}

/**
 * The fronts of a run folder by name, as JSON; none where there is no such folder.
 *
 * @throws {CorruptFileError} a file is not JSON, naming it
 */
export async function readFronts(run: string): Promise<Record<string, unknown>> {
  const fronts: Record<string, unknown> = {};
  for (const name of await frontNames(run)) {
    const path = join(run, FRONTS, `${name}.json`);
    fronts[name] = decodeJson(await Deno.readFile(path), { schema: z.json(), path });
  }
  return fronts;
}

/** The names of the fronts of a run folder, sorted; none where there is no such folder. */
export async function frontNames(run: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(join(run, FRONTS))).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  });
  return entries.flatMap(({ name }) => {
    const stem = name.replace(/\.json$/, "");
    return stem !== name && NAME.test(stem) ? [stem] : [];
  }).sort();
}
