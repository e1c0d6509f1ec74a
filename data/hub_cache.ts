// One file of a hub repository into the cache: downloaded beside its place, checked against the
// hash it is stored under, then moved and linked. The layout is the Python libraries':
// blobs/<hash>, and snapshots/<commit>/<name> as a relative link to it.
import { downloadFile } from "@huggingface/hub";
import { createHash } from "node:crypto";
import { dirname, join, relative } from "node:path";
import { CorruptFileError, InputError, StorageError } from "../core/errors.ts";
import { statOrNull } from "./files.ts";

/** A step of a download: bytes of one file. */
export interface HubProgress {
  file: string;
  received: number;
  total: number;
}

/** A file of a hub repository. */
export interface HubFile {
  /** Repository, owner/name. */
  id: string;
  name: string;
  commit: string;
  /** sha256 of the content (LFS) or git's hash of it; names the blob. */
  etag: string;
  size: number;
  isLfs: boolean;
}

/**
 * Makes `snapshots/<commit>/<name>` exist in `store`.
 * Throws CorruptFileError where the content does not have its hash, StorageError where it cannot
 * be written, and whatever the hub's client throws.
 */
export async function fetchToCache(
  file: HubFile,
  { store, access, onProgress }: {
    store: string;
    access: { hubUrl?: string; accessToken?: string };
    onProgress?: (progress: HubProgress) => void;
  },
): Promise<void> {
  const { id, name, commit, etag } = file;
  // hash and name become paths: nothing that could leave the store
  const isPlain = name.split("/").every((part) => /^[\w][\w.-]*$/.test(part));
  if (!/^[0-9a-f]{40,64}$/.test(etag) || !isPlain) {
    throw new InputError(
      `Cannot download ${id}/${name}: expected a plain name and hash, got ${etag}`,
    );
  }
  const pointer = join(store, "snapshots", commit, name);
  if (await statOrNull(pointer)) return;
  const blobPath = join(store, "blobs", etag);
  if (!await statOrNull(blobPath)) {
    const blob = await downloadFile({ repo: id, path: name, revision: commit, ...access });
    if (!blob) throw new InputError(`Cannot download ${id}/${name}: expected a file, got none`);
    await writeChecked(blobPath, { file, blob, onProgress });
  }
  await link(blobPath, pointer);
}

/** Writes a small text file through a temporary name; StorageError where that fails. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID()}.incomplete`;
  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(temporary, text);
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw storageError(path, error);
  }
}

async function writeChecked(
  path: string,
  { file, blob, onProgress }: {
    file: HubFile;
    blob: Blob;
    onProgress?: (progress: HubProgress) => void;
  },
): Promise<void> {
  // a name of its own: two processes may download the same file
  const temporary = `${path}.${crypto.randomUUID()}.incomplete`;
  const hash = createHash(file.isLfs ? "sha256" : "sha1");
  if (!file.isLfs) hash.update(`blob ${file.size}\0`); // as git hashes it
  let received = 0;
  await storing(path, () => Deno.mkdir(dirname(path), { recursive: true }));
  const out = await storing(path, () => Deno.open(temporary, { write: true, createNew: true }));
  try {
    for await (const chunk of blob.stream()) {
      hash.update(chunk);
      received += chunk.length;
      await storing(path, () => writeAll(out, chunk));
      onProgress?.({ file: file.name, received, total: file.size });
    }
    const found = hash.digest("hex");
    if (received !== file.size || found !== file.etag) {
      throw new CorruptFileError(
        `Cannot download ${file.id}/${file.name}: expected ${file.size} bytes of hash ` +
          `${file.etag}, got ${received} of ${found}`,
      );
    }
    await storing(path, () => out.sync());
    out.close();
    await storing(path, () => Deno.rename(temporary, path));
  } catch (error) {
    try {
      out.close();
    } catch {
      // closed above, before the rename failed
    }
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

async function writeAll(out: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await out.write(bytes.subarray(done));
}

/** A relative link where the file system has links, else the file itself. */
async function link(blobPath: string, pointer: string): Promise<void> {
  await storing(pointer, async () => {
    await Deno.mkdir(dirname(pointer), { recursive: true });
    try {
      await Deno.symlink(relative(dirname(pointer), blobPath), pointer);
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return;
      await Deno.copyFile(blobPath, pointer);
    }
  });
}

async function storing<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw storageError(path, error);
  }
}

function storageError(path: string, error: unknown): StorageError {
  const reason = error instanceof Error ? error.message : String(error);
  return new StorageError(`Cannot write ${path}: expected room and permission, got ${reason}`, {
    cause: error,
  });
}
