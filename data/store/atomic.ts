// Files and folders that appear whole or not at all: written under a temporary name in the same
// folder, fsynced, renamed, and the folder fsynced. Everything data/store keeps goes through here.
// Order write → fsync → rename → fsync(folder) as in https://www.sqlite.org/atomiccommit.html
import { basename, dirname, join } from "node:path";
import { StorageError } from "../../core/errors.ts";
import { encodeManifest, MANIFEST } from "./manifest.ts";

export { readFolderVerified } from "./manifest.ts";

// Linux numbers of the errors that a write can meet and that Deno may leave unnamed.
const codes: Record<string, string> = { 5: "EIO", 27: "EFBIG", 28: "ENOSPC", 122: "EDQUOT" };

const TEMPORARY = ".tmp-"; // unfinished or being deleted: worthless
const RETIRED = ".old-"; // the previous content of a folder that is being replaced

/**
 * Writes a file so that a reader, or a later start after a crash, sees the old or the new content.
 *
 * @throws {StorageError} disk full, no permission, input/output error; the old content stays
 */
export async function writeFileAtomic(path: string, content: Uint8Array | string): Promise<void> {
  const bytes = toBytes(content);
  await reportingStorage(path, bytes.length, async () => {
    const temporary = besideName(path, TEMPORARY);
    try {
      await writeDurably(temporary, bytes);
      await Deno.rename(temporary, path);
    } catch (error) {
      await removeQuietly(temporary);
      throw error;
    }
    await syncFolder(dirname(path));
  });
}

/**
 * Writes a folder of files, `name` or `folder/name`, with a manifest (sha256 and size of each) so that
 * it appears whole; an existing folder of that name is replaced, and comes back through `cleanTemporary` if the
 * process dies between the two renames that the replacement takes.
 *
 * @throws {StorageError} as `writeFileAtomic`; an existing folder stays as it was
 */
export async function writeFolderAtomic(
  path: string,
  files: Record<string, Uint8Array | string>,
): Promise<void> {
  const contents = Object.entries(files).map(([name, content]) => ({
    name,
    bytes: toBytes(content),
  }));
  const manifest = encodeManifest(contents);
  const total = contents.reduce((sum, { bytes }) => sum + bytes.length, manifest.length);
  await reportingStorage(path, total, async () => {
    const temporary = await createTemporaryFolder(path);
    try {
      const folders = new Set(contents.map(({ name }) => dirname(name)).filter((f) => f !== "."));
      for (const folder of folders) await Deno.mkdir(join(temporary, folder), { recursive: true });
      for (const { name, bytes } of contents) await writeDurably(join(temporary, name), bytes);
      await writeDurably(join(temporary, MANIFEST), manifest);
      for (const folder of folders) await syncFolder(join(temporary, folder));
      await commitFolder(temporary, path);
    } catch (error) {
      await removeQuietly(temporary);
      throw error;
    }
  });
}

/**
 * Appends to a file, which is made where it is missing, and waits until the bytes are on the disk.
 *
 * @throws {StorageError} the file is cut back to what it held before
 */
export async function appendDurably(path: string, bytes: Uint8Array): Promise<void> {
  await reportingStorage(path, bytes.length, async () => {
    using file = await Deno.open(path, { append: true, create: true });
    const { size } = await file.stat();
    try {
      await writeAll(file, bytes);
      await file.sync();
    } catch (error) {
      await file.truncate(size).catch(() => {});
      throw error;
    }
    if (size === 0) await syncFolder(dirname(path));
  });
}

/** Makes an empty folder with a temporary name beside `path`, for `commitFolder`; returns its path. */
export async function createTemporaryFolder(path: string): Promise<string> {
  const temporary = besideName(path, TEMPORARY);
  await Deno.mkdir(temporary);
  return temporary;
}

/** Gives a finished temporary folder, its files fsynced, its final name, replacing what is there. */
export async function commitFolder(temporary: string, path: string): Promise<void> {
  await syncFolder(temporary);
  const retired = besideName(path, RETIRED);
  const replacing = await exists(path);
  if (replacing) await Deno.rename(path, retired);
  try {
    await Deno.rename(temporary, path);
  } catch (error) {
    if (replacing) await Deno.rename(retired, path);
    throw error;
  }
  await syncFolder(dirname(path));
  // The new folder is in place whether or not the old one goes now; cleanTemporary is the second try.
  if (replacing) await removeFolderAtomic(retired).catch(() => {});
}

/** Removes a folder such that no half-deleted folder is ever seen under its name. */
export async function removeFolderAtomic(path: string): Promise<void> {
  const doomed = besideName(path, TEMPORARY);
  await Deno.rename(path, doomed);
  await syncFolder(dirname(path));
  await Deno.remove(doomed, { recursive: true });
}

/**
 * Clears what a killed process left in a folder: unfinished temporary entries are removed, a folder
 * caught in the middle of its replacement is put back. Only for the folder's one writer, or, with
 * `of`, for the one writer of the entry of that name.
 */
export async function cleanTemporary(folder: string, { of }: { of?: string } = {}): Promise<void> {
  for (const { name } of await Array.fromAsync(Deno.readDir(folder))) {
    const path = join(folder, name);
    const [, entry] = /^\.(?:tmp|old)-(.*)~[^~]*$/.exec(name) ?? [];
    if (of !== undefined && entry !== of) continue;
    if (name.startsWith(TEMPORARY)) await removeQuietly(path);
    if (!name.startsWith(RETIRED)) continue;
    const original = join(folder, name.slice(RETIRED.length, name.lastIndexOf("~")));
    if (await exists(original)) await removeFolderAtomic(path);
    else await Deno.rename(path, original);
  }
}

/** True for names that `cleanTemporary` owns. */
export function isTemporaryName(name: string): boolean {
  return name.startsWith(TEMPORARY) || name.startsWith(RETIRED);
}

/** Waits until the entries of a folder (creations, renames, removals) are on the disk. */
export async function syncFolder(folder: string): Promise<void> {
  using handle = await Deno.open(folder);
  await handle.sync();
}

/** Writes all bytes; one `write` may take only a part of them. */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await file.write(bytes.subarray(written));
  }
}

/**
 * Runs a write and turns the system's refusals into a `StorageError` that names path and size.
 *
 * @param bytes what the write needs on the disk
 */
export async function reportingStorage<T>(
  path: string,
  bytes: number,
  write: () => Promise<T>,
): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const cause = systemCause(error);
    if (cause === null) throw error;
    throw new StorageError(
      `Cannot write ${path}: expected a writable place with ${bytes} bytes free, got ${cause}`,
      { cause: error },
    );
  }
}

/** What the system said, such as "ENOSPC (No space left on device)"; null for any other error. */
function systemCause(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  // Deno gives no code to some errors, EFBIG and EDQUOT among them, but all carry the number.
  const [, text = error.message, number] = /^(.*?) \(os error (\d+)\)/.exec(error.message) ?? [];
  const code = "code" in error && typeof error.code === "string" ? error.code : codes[number ?? ""];
  if (code === undefined && number === undefined) return null;
  return `${code ?? `system error ${number}`} (${text})`;
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true });
  await writeAll(file, bytes);
  await file.sync();
}

function besideName(path: string, prefix: string): string {
  const suffix = crypto.randomUUID().slice(0, 8);
  const name = basename(path).replace(/^\.old-(.*)~.*$/, "$1"); // a retired folder being removed
  return join(dirname(path), `${prefix}${name}~${suffix}`);
}

async function removeQuietly(path: string): Promise<void> {
  // The error that led here is the one to report; leftovers go with the next cleanTemporary.
  await Deno.remove(path, { recursive: true }).catch(() => {});
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function toBytes(content: Uint8Array | string): Uint8Array {
  return typeof content === "string" ? new TextEncoder().encode(content) : content;
}
