// Hashes of files, held as long as a file looks the same, so that asking again costs a look at it.
import { createHash } from "node:crypto";

const hashes = new Map<string, { state: string; hash: Promise<string> }>(); // by path

/** sha256 (hex) of a file's bytes. Throws Deno.errors.NotFound for what is not a file. */
export async function fileHash(path: string): Promise<string> {
  const { isFile, dev, ino, size, mtime, ctime } = await Deno.stat(path);
  if (!isFile) throw new Deno.errors.NotFound("not a file");
  const state = JSON.stringify([dev, ino, size, mtime?.getTime(), ctime?.getTime()]);
  const known = hashes.get(path);
  if (known?.state === state) return known.hash;
  const hash = hashBytes(path);
  hashes.set(path, { state, hash });
  hash.catch(() => hashes.delete(path));
  return hash;
}

async function hashBytes(path: string): Promise<string> {
  const hash = createHash("sha256");
  const file = await Deno.open(path);
  for await (const piece of file.readable) hash.update(piece);
  return hash.digest("hex");
}
