// The licences that data sets state: the `license` of the README.md that the hub's data sets have, in
// the folder of a file or the one around it.
import { dirname, join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { readText, statOrNull } from "../files.ts";
import { localPlace } from "./places.ts";
import { parseSpec } from "./spec.ts";

const README = "README.md";
const MOST_BYTES = 2 ** 20; // of a README that is looked into
const Stated = z.object({ license: z.union([z.string(), z.array(z.string())]) });

/** Licences by the hub's words ("mit"), each once; none where no data set says. */
export async function statedLicenses(spec: string): Promise<string[]> {
  const licenses = new Set<string>();
  for (const file of parseSpec(spec).flatMap(({ files }) => files)) {
    for (const license of await licensesBeside(file)) licenses.add(license);
  }
  return [...licenses];
}

/** Where the README of a file or folder of data may lie, the nearest first. */
export async function readmesOf(place: string): Promise<string[]> {
  const { path } = await localPlace(place);
  const isFolder = (await statOrNull(path))?.isDirectory ?? false;
  const folder = isFolder ? path : dirname(path);
  return [join(folder, README), join(dirname(folder), README)];
}

/** What the nearest README beside a file or in a folder states, of those that may be read. */
async function licensesBeside(place: string): Promise<string[]> {
  for (const readme of await readmesOf(place)) {
    const { state } = await Deno.permissions.query({ name: "read", path: readme });
    if (state !== "granted") continue;
    const found = await statOrNull(readme);
    if (!found?.isFile || found.size > MOST_BYTES) continue;
    const stated = licensesIn(await readText(readme));
    if (stated.length > 0) return stated;
  }
  return [];
}

/** The licences of a README's metadata; none where it has none, or none that can be read. */
export function licensesIn(readme: string): string[] {
  const [, metadata] = /^---\r?\n(.*?)\r?\n---\s*$/ms.exec(readme) ?? [];
  if (metadata === undefined || !readme.startsWith("---")) return [];
  try {
    const { data } = Stated.safeParse(parse(metadata));
    return data === undefined ? [] : [data.license].flat();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error; // the parser's, of a Worker's permissions
    return []; // no YAML: somebody's text
  }
}
