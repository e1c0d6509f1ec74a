// The bytes of one file of the hub, whole and checked, under a name of their own. What arrived before
// a connection broke stays beside that name and is not fetched again, by this process or a later one.
import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { CorruptFileError, StorageError } from "../core/errors.ts";
import { reportingStorage, syncFolder, writeAll } from "./store/atomic.ts";

/** What is downloaded, and how it is known to be right. */
export interface Wanted {
  /** What messages call it. */
  label: string;
  /** sha256 of the content, or git's hash of it, as `algorithm` says. */
  etag: string;
  algorithm: "sha256" | "git";
  size: number;
}

/** A file on its way. */
interface Download {
  wanted: Wanted;
  blob: Blob;
  /** Called with the bytes that are there so far. */
  onReceived?: (bytes: number) => void;
}

/** A broken connection is taken up again this often, as long as each brings something. */
const CONNECTIONS = 5;
const READ_BYTES = 1 << 20;

/**
 * Writes the content of `blob` to `path`, going on with what an earlier call left of it.
 *
 * @throws {CorruptFileError} the content is not what it should be; nothing of it is kept
 * @throws {StorageError} it cannot be written; nothing of it is kept
 * @throws whatever breaks the connection; what arrived is kept
 */
export async function download(
  path: string,
  { wanted, blob, onReceived }: Download,
): Promise<void> {
  await reportingStorage(path, 0, () => Deno.mkdir(dirname(path), { recursive: true }));
  const partial = await openPartial(path);
  let keep = false;
  try {
    const earlier = await partial.size();
    let found = await receive(partial, { wanted, blob, onReceived });
    if (found !== wanted.etag && earlier > 0) { // what was there may be what is wrong
      await partial.clear();
      found = await receive(partial, { wanted, blob, onReceived });
    }
    if (found !== wanted.etag) {
      throw new CorruptFileError(
        `Cannot download ${wanted.label}: expected ${wanted.size} bytes of hash ${wanted.etag}, ` +
          `got ${await partial.size()} of ${found}`,
      );
    }
    await partial.moveTo(path);
  } catch (error) {
    keep = !(error instanceof CorruptFileError || error instanceof StorageError);
    throw error;
  } finally {
    await partial.close({ keep });
  }
}

/** Receives what the file lacks; returns the hash of all of it. */
async function receive(
  partial: Partial,
  { wanted, blob, onReceived }: Download,
): Promise<string> {
  const hash = createHash(wanted.algorithm === "git" ? "sha1" : "sha256");
  if (wanted.algorithm === "git") hash.update(`blob ${wanted.size}\0`);
  let received = 0;
  for await (const chunk of partial.read()) {
    hash.update(chunk);
    received += chunk.length;
  }
  for (let connection = 1; received < wanted.size; connection++) {
    const before = received;
    try {
      for await (const chunk of blob.slice(received).stream()) {
        await partial.append(chunk);
        hash.update(chunk);
        received += chunk.length;
        onReceived?.(received);
      }
    } catch (error) {
      const broken = !(error instanceof StorageError);
      if (broken && received > before && connection < CONNECTIONS) continue;
      throw error;
    }
    if (received === before) break; // the hub has no more of it
  }
  return hash.digest("hex");
}

/** A file that is not whole yet, held by this process alone. */
interface Partial {
  size(): Promise<number>;
  /** Its content from the start; what is appended goes behind it. */
  read(): AsyncGenerator<Uint8Array>;
  append(chunk: Uint8Array): Promise<void>;
  clear(): Promise<void>;
  /** Gives the file, on the disk, its final name. */
  moveTo(path: string): Promise<void>;
  /** Lets go of it; removes what has no final name unless it is to be kept. */
  close(options: { keep: boolean }): Promise<void>;
}

/** The partial file of `path`; where another process works on it, a new one under another name. */
async function openPartial(path: string): Promise<Partial> {
  const shared = `${path}.incomplete`;
  const held = await reportingStorage(shared, 0, () => openAlone(shared));
  const temporary = held === null ? `${path}.${crypto.randomUUID()}.incomplete` : shared;
  const anew = { read: true, write: true, createNew: true };
  const out = held ?? await reportingStorage(temporary, 0, () => Deno.open(temporary, anew));
  let moved = false;
  return {
    size: async () => (await out.stat()).size,
    async *read() {
      await out.seek(0, Deno.SeekMode.Start);
      const buffer = new Uint8Array(READ_BYTES);
      for (let n = await out.read(buffer); n !== null; n = await out.read(buffer)) {
        yield buffer.subarray(0, n);
      }
    },
    append: (chunk) => reportingStorage(path, chunk.length, () => writeAll(out, chunk)),
    async clear() {
      await reportingStorage(path, 0, () => out.truncate(0));
    },
    async moveTo(target) {
      await reportingStorage(target, 0, async () => {
        await out.sync();
        await Deno.rename(temporary, target);
        await syncFolder(dirname(target));
      });
      moved = true;
    },
    async close({ keep }) {
      const useless = !keep || held === null || (await out.stat()).size === 0;
      if (!moved && useless) await Deno.remove(temporary).catch(() => {});
      out.close();
    },
  };
}

/** Opens a file that only one process works on at a time; null where another does. */
async function openAlone(path: string): Promise<Deno.FsFile | null> {
  const file = await Deno.open(path, { read: true, write: true, create: true });
  try {
    // Between opening and locking, its last holder may have given this very file its final name.
    if (await file.tryLock(true) && await isStill(file, path)) return file;
  } catch {
    // A file system without locks: as if another process held it.
  }
  file.close();
  return null;
}

async function isStill(file: Deno.FsFile, path: string): Promise<boolean> {
  const [opened, named] = await Promise.all([file.stat(), Deno.stat(path).catch(() => null)]);
  return named !== null && opened.dev === named.dev && opened.ino === named.ino;
}
