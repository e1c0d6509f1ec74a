// Where a command may put a folder of results: never over what somebody else keeps there.
import { basename, dirname, join, resolve } from "node:path";
import { InputError } from "../../core/errors.ts";
import { cleanTemporary, reportingStorage, syncFolder } from "./atomic.ts";
import { MANIFEST, readDigests } from "./manifest.ts";

/** What tells a folder of ours from any other. */
export interface OutputKind {
  record: string; // a file that every one has
  what: string; // "export"
}

/**
 * Makes sure that a folder with a manifest may be written at `path`: nothing there, an empty folder, or
 * an earlier one of the kind, which is replaced. What a killed process left there is cleared; the
 * folders around it are made. For the one writer of `path`.
 *
 * @throws {InputError} something else is there
 * @throws {StorageError} the folders around it cannot be made
 */
export async function prepareOutput(path: string, kind: OutputKind): Promise<void> {
  const refused = (found: string) => refusal(path, kind.what, found);
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
  if (!stat.isDirectory) throw refused(stat.isSymlink ? "a link" : "a file");
  const names = await filesUnder(place);
  if (names.length === 0) return;
  if (!names.includes(kind.record)) throw refused(`a folder with ${names[0]}`);
  const listed = await readDigests((name) => join(place, name)).catch(() => ({}));
  const foreign = names.find((name) => name !== MANIFEST && !Object.hasOwn(listed, name));
  if (foreign !== undefined) throw refused(`an earlier ${kind.what} with ${foreign} in it`);
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

function refusal(path: string, what: string, found: string): InputError {
  return new InputError(
    `Cannot write the ${what} to ${path}: expected nothing there, an empty folder or an earlier ` +
      `${what}, got ${found}`,
  );
}
