// fronts/<name>.{json,svg,csv}: reports about an adapter, one atomic file each.
import { join } from "node:path";
import { z } from "zod";
import { reportingStorage, syncFolder, writeFileAtomic } from "./atomic.ts";
import { decodeJson, encodeJson } from "./json.ts";

export const FRONTS = "fronts";
const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/;

/** A front as it is kept: JSON for programs, a picture, a table. */
export interface FrontFiles {
  json: unknown;
  svg: string;
  csv: string;
}

/**
 * Saves a front under a name of letters, digits, `.`, `_` and `-`; returns the three paths. The JSON
 * goes last, so a front that `readFronts` lists has its picture and table. Needs no run lock.
 *
 * @throws {DivergedError} a number is not finite
 * @throws {StorageError} disk full, no permission
 */
export async function saveFront(
  run: string,
  name: string,
  { json, svg, csv }: FrontFiles,
): Promise<{ json: string; svg: string; csv: string }> {
  if (!NAME.test(name)) {
    throw new RangeError(
      `Cannot save front: expected a name of letters, digits, ".", "_" or "-", got ${
        JSON.stringify(name)
      }`,
    );
  }
  const text = encodeJson(json, { name: "front" }) + "\n";
  const folder = join(run, FRONTS);
  await reportingStorage(folder, 0, async () => {
    await Deno.mkdir(folder, { recursive: true });
    await syncFolder(run);
  });
  const place = (extension: string) => join(folder, `${name}.${extension}`);
  await writeFileAtomic(place("svg"), svg);
  await writeFileAtomic(place("csv"), csv);
  await writeFileAtomic(place("json"), text);
  return { json: place("json"), svg: place("svg"), csv: place("csv") };
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
