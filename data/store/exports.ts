// Folders that `export` writes for other tools: where one may go, and panacea_export.json, which tells
// what it is made of. The files are written by atomic.ts and model_folder.ts.
import { basename, dirname, join, resolve } from "node:path";
import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { cleanTemporary, reportingStorage, syncFolder } from "./atomic.ts";
import { encodeJson } from "./json.ts";
import { MANIFEST, readDigests } from "./manifest.ts";

export const EXPORT_RECORD = "panacea_export.json";

/** The one schema of panacea_export.json. */
export const ExportRecord = z.strictObject({
  format: z.literal("panacea-export"),
  version: z.literal(1),
  kind: z.string().describe("format of the files beside this one"),
  adapter: z.string().describe("name of the adapter"),
  adapter_sha256: z.string().describe("of its parameters"),
  base_model: z.string().describe("folder or hub id, without the folders around it"),
  base_fingerprint: z.string().describe("hash of the base model's weights and configuration"),
  dimensions: z.array(z.string()).describe("names of the entries of λ"),
  preference: z.array(z.number()).nullable().describe("the λ of the files; null: any, by scales"),
  loras: z.array(z.strictObject({
    scale: z.string().nullable().describe("dimension whose λ is its scale; null: its scale is 1"),
    rank: z.number().int().positive(),
    gguf: z.string().describe("file for llama.cpp"),
    peft: z.string().describe("folder for PEFT"),
  })).optional().describe("LoRAs to be loaded together, in this order"),
});
export type ExportRecord = z.infer<typeof ExportRecord>;

/** The bytes of panacea_export.json. */
export function encodeExportRecord(record: ExportRecord): string {
  return encodeJson(ExportRecord.parse(record), { name: EXPORT_RECORD }) + "\n";
}

/**
 * Makes sure that an export may be written at `path`: nothing there, an empty folder, or an export,
 * which is replaced. What an export that was killed left there is cleared; the folders around it are
 * made. For the one writer of `path`.
 *
 * @throws {InputError} something else is there
 * @throws {StorageError} the folders around it cannot be made
 */
export async function prepareExport(path: string): Promise<void> {
  const place = resolve(path);
  const around = dirname(place);
  await reportingStorage(path, 0, async () => {
    await Deno.mkdir(around, { recursive: true });
    await cleanTemporary(around, { of: basename(place) });
    await syncFolder(around);
  });
  const stat = await Deno.lstat(place).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  });
  if (stat === null) return;
  if (!stat.isDirectory) throw refused(path, stat.isSymlink ? "a link" : "a file");
  const names = await filesUnder(place);
  if (names.length === 0) return;
  if (!names.includes(EXPORT_RECORD)) throw refused(path, `a folder with ${names[0]}`);
  const listed = await readDigests((name) => join(place, name)).catch(() => ({}));
  const foreign = names.find((name) => name !== MANIFEST && !Object.hasOwn(listed, name));
  if (foreign !== undefined) throw refused(path, `an export with ${foreign} in it`);
}

/** Every file in a folder and the folders in it, `name` or `folder/name`, sorted. */
async function filesUnder(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (!isDirectory) names.push(name);
    else names.push(...(await filesUnder(join(folder, name))).map((inner) => `${name}/${inner}`));
  }
  return names.sort();
}

function refused(path: string, found: string): InputError {
  return new InputError(
    `Cannot export to ${path}: expected nothing there, an empty folder or an earlier export, ` +
      `got ${found}`,
  );
}
