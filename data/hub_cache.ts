// One file of a hub repository into the cache: downloaded, then linked. The layout is the Python
// libraries': blobs/<hash>, and snapshots/<commit>/<name> as a relative link to it.
import { downloadFile } from "@huggingface/hub";
import { dirname, join, relative } from "node:path";
import { InputError } from "../core/errors.ts";
import { statOrNull } from "./files.ts";
import { download } from "./hub_download.ts";
import { reportingStorage, writeFileAtomic } from "./store/atomic.ts";

/** A step of a download: bytes of one file. */
export interface HubProgress {
  file: string;
  received: number;
  total: number;
}

/** A file of a hub repository. */
export interface HubFile {
  /** Repository, owner/name, or datasets/owner/name. */
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
  const { id, name, commit, etag, size } = file;
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
    await download(blobPath, {
      wanted: {
        ...{ label: `${id}/${name}`, etag, size },
        algorithm: file.isLfs ? "sha256" : "git",
      },
      blob,
      onReceived: (received) => onProgress?.({ file: name, received, total: size }),
    });
  }
  await link(blobPath, pointer);
}

/** Writes a small text file through a temporary name; throws StorageError. */
export async function writeWhole(path: string, text: string): Promise<void> {
  await makeFolderOf(path);
  await writeFileAtomic(path, text);
}

/** A relative link where the file system has links, else the file itself. */
async function link(blobPath: string, pointer: string): Promise<void> {
  await makeFolderOf(pointer);
  await reportingStorage(pointer, 0, async () => {
    try {
      await Deno.symlink(relative(dirname(pointer), blobPath), pointer);
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return;
      await Deno.copyFile(blobPath, pointer);
    }
  });
}

async function makeFolderOf(path: string): Promise<void> {
  await reportingStorage(path, 0, () => Deno.mkdir(dirname(path), { recursive: true }));
}
