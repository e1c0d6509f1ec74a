// Folders with files larger than memory should hold: written piece by piece, and appearing whole, with a
// manifest, as those of atomic.ts do.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { commitFolder, createTemporaryFolder, reportingStorage, writeAll } from "./atomic.ts";
import { type Digest, encodeDigests, MANIFEST } from "./manifest.ts";

/** A file that is made while it is written. */
export interface StreamedFile {
  name: string;
  size: number; // bytes
  pieces(): AsyncIterable<Uint8Array>;
}

/**
 * Writes the folder, replacing one that is there. The folder around it must exist.
 *
 * @throws {StorageError} disk full, no permission; an existing folder stays as it was
 * @throws what `pieces` throws; nothing is written then
 */
export async function writeStreamedFolder(
  path: string,
  { files, streams }: { files: Record<string, Uint8Array | string>; streams: StreamedFile[] },
): Promise<void> {
  const all = [
    ...Object.entries(files).map(([name, content]) => wholeFile(name, content)),
    ...streams,
  ];
  const total = all.reduce((sum, { size }) => sum + size, 0);
  await reportingStorage(path, total, async () => {
    const temporary = await createTemporaryFolder(path);
    try {
      const digests: Record<string, Digest> = {};
      for (const { name, pieces } of all) {
        digests[name] = await write(join(temporary, name), pieces());
      }
      const manifest = wholeFile(MANIFEST, encodeDigests(digests));
      await write(join(temporary, MANIFEST), manifest.pieces());
      await commitFolder(temporary, path);
    } catch (error) {
      await Deno.remove(temporary, { recursive: true }).catch(() => {});
      throw error;
    }
  });
}

function wholeFile(name: string, content: Uint8Array | string): StreamedFile {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return { name, size: bytes.length, pieces: () => ReadableStream.from([bytes]) };
}

/** Writes pieces one after the other, durably; size and sha256 of the whole. */
async function write(path: string, pieces: AsyncIterable<Uint8Array>): Promise<Digest> {
  const hash = createHash("sha256");
  let size = 0;
  using file = await Deno.open(path, { write: true, createNew: true });
  for await (const piece of pieces) {
    await writeAll(file, piece);
    hash.update(piece);
    size += piece.length;
  }
  await file.sync();
  return { size, sha256: hash.digest("hex") };
}
