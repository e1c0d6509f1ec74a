// Which bytes a dataset option stands for, without reading them as rows: what a front must share
// with another to have been evaluated on the same data.
import { createHash } from "node:crypto";
import { InputError } from "../../core/errors.ts";
import { builtinWorld } from "../builtin/mod.ts";
import { fileHash } from "../file_hash.ts";
import { dataFiles } from "./places.ts";
import { parseSpec } from "./spec.ts";

/** Data sets without files, by their names in the dataset option: what they hold, as text. */
const contents: Record<string, (dimensions: string[]) => string> = {
  builtin: (dimensions) => JSON.stringify(builtinWorld(dimensions)),
};

const contentHashes = new Map<string, string>(); // by name and dimensions

/**
 * sha256 (hex) over the dimensions and the bytes of the files that the dataset option names, in
 * their order, and over `columns`; where the files lie makes no difference. Throws InputError where one cannot be read.
 */
export async function datasetFingerprint(
  spec: string,
  dimensions: string[],
  columns?: string,
): Promise<string> {
  if (Object.hasOwn(contents, spec)) {
    const key = JSON.stringify([spec, dimensions]);
    const known = contentHashes.get(key);
    if (known !== undefined) return known;
    const fingerprint = sha256(contents[spec]?.(dimensions) ?? "");
    contentHashes.set(key, fingerprint);
    return fingerprint;
  }
  const parts = [];
  for (const { dimension, files } of parseSpec(spec)) {
    const hashes = [];
    for (const place of files) {
      for (const file of await dataFiles(place)) hashes.push(await rowsHash(file));
    }
    parts.push({ dimension, hashes });
  }
  // JSON leaves missing columns out: fingerprints of fronts without them stay what they were
  return sha256(JSON.stringify({ dimensions, parts, columns }));
}

async function rowsHash(path: string): Promise<string> {
  try {
    return await fileHash(path);
  } catch (error) {
    throw new InputError(
      `Cannot read ${path}: expected a data file, got ` +
        (error instanceof Deno.errors.NotFound ? "none" : "one closed to us"),
      { cause: error },
    );
  }
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
