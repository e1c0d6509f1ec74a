// Takes single files out of a Python wheel (a zip) without holding it in memory: a wheel of
// libtensorflow unpacks to more than 800 MB. Format: https://pkware.cachefly.net/webdocs/APPNOTE/APPNOTE-6.3.10.TXT
import { createHash } from "node:crypto";
import { CorruptFileError } from "../core/errors.ts";
import { reportingStorage, writeAll } from "./store/atomic.ts";

const CHUNK = 1 << 20;
const END_BYTES = 22; // end of central directory, without its comment of up to 65535 bytes
const STORED = 0;
const DEFLATED = 8;

/** One file of a zip: where its bytes lie and how they are packed. */
export interface ZipEntry {
  name: string;
  method: number;
  packedSize: number;
  size: number;
  offset: number;
}

/**
 * Lists the files of a zip.
 *
 * @throws {CorruptFileError} naming it: not a zip, cut short, or of the 64-bit kind
 */
export async function readZipDirectory(path: string): Promise<ZipEntry[]> {
  using file = await Deno.open(path);
  const { size } = await file.stat();
  const tail = await readRange(file, Math.max(0, size - END_BYTES - 0xffff), size);
  const end = findEnd(tail);
  if (!end) throw notZip(path);
  const count = end.getUint16(10, true);
  const length = end.getUint32(12, true);
  const start = end.getUint32(16, true);
  if (count === 0xffff || start + length > size) throw notZip(path);
  const directory = await readRange(file, start, start + length);
  const entries = parseDirectory(directory);
  if (entries.length !== count) throw notZip(path);
  return entries;
}

/**
 * Unpacks one file of a zip to `target`, which must not exist, and waits until it is on the disk.
 *
 * @param options.onBytes called with the bytes written so far
 * @returns sha256 of what was written, hex
 * @throws {CorruptFileError} the packed data is damaged, naming the zip
 * @throws {StorageError} `target` cannot be written, naming it and its size
 */
export async function extractEntry(
  path: string,
  entry: ZipEntry,
  { target, onBytes = () => {} }: { target: string; onBytes?: (written: number) => void },
): Promise<string> {
  using source = await Deno.open(path);
  const hash = createHash("sha256");
  let written = 0;
  const chunks = await unpack(path, source, entry);
  using output = await reportingStorage(
    target,
    entry.size,
    () => Deno.open(target, { write: true, createNew: true }),
  );
  for await (const chunk of readingZip(path, chunks)) {
    written += chunk.length;
    if (written > entry.size) break;
    hash.update(chunk);
    await reportingStorage(target, entry.size, () => writeAll(output, chunk));
    onBytes(written);
  }
  if (written !== entry.size) {
    throw new CorruptFileError(
      `Cannot unpack ${path}: expected ${entry.size} bytes in ${entry.name}, got ${written}`,
    );
  }
  await reportingStorage(target, entry.size, () => output.sync());
  return hash.digest("hex");
}

/** Sha256 of a file or of its bytes [from, to), hex, read piece by piece. */
export async function hashFile(
  path: string,
  { from = 0, to = Infinity, onBytes = () => {} }: {
    from?: number;
    to?: number;
    onBytes?: (read: number) => void;
  } = {},
): Promise<string> {
  using file = await Deno.open(path);
  const hash = createHash("sha256");
  const end = Math.min(to, (await file.stat()).size);
  for await (const chunk of readChunks(file, from, end)) {
    hash.update(chunk);
    onBytes(from += chunk.length);
  }
  return hash.digest("hex");
}

async function unpack(
  path: string,
  file: Deno.FsFile,
  entry: ZipEntry,
): Promise<AsyncIterable<Uint8Array>> {
  // The local header repeats the name and has an extra field of its own length.
  const header = new DataView((await readRange(file, entry.offset, entry.offset + 30)).buffer);
  if (header.byteLength < 30 || header.getUint32(0, true) !== 0x04034b50) throw notZip(path);
  const start = entry.offset + 30 + header.getUint16(26, true) + header.getUint16(28, true);
  const packed = readChunks(file, start, start + entry.packedSize);
  if (entry.method === STORED) return packed;
  if (entry.method !== DEFLATED) {
    throw new CorruptFileError(
      `Cannot unpack ${path}: expected ${entry.name} stored or deflated, got method ${entry.method}`,
    );
  }
  return ReadableStream.from(packed).pipeThrough(new DecompressionStream("deflate-raw"));
}

// The inflater reports damaged data as a TypeError.
async function* readingZip(path: string, chunks: AsyncIterable<Uint8Array>) {
  try {
    yield* chunks;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new CorruptFileError(
      `Cannot unpack ${path}: expected deflated data, got damaged data (${error.message})`,
    );
  }
}

async function* readChunks(
  file: Deno.FsFile,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  while (from < to) {
    const chunk = await readRange(file, from, Math.min(to, from + CHUNK));
    if (chunk.length === 0) return;
    from += chunk.length;
    yield chunk;
  }
}

async function readRange(
  file: Deno.FsFile,
  from: number,
  to: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(to - from);
  await file.seek(from, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < bytes.length) {
    const read = await file.read(bytes.subarray(filled));
    if (read === null) break;
    filled += read;
  }
  return bytes.slice(0, filled);
}

function findEnd(tail: Uint8Array<ArrayBuffer>): DataView | null {
  for (let at = tail.length - END_BYTES; at >= 0; at--) {
    const view = new DataView(tail.buffer, tail.byteOffset + at);
    if (view.getUint32(0, true) === 0x06054b50) return view;
  }
  return null;
}

function parseDirectory(bytes: Uint8Array<ArrayBuffer>): ZipEntry[] {
  const entries: ZipEntry[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + 46 <= bytes.length;) {
    if (view.getUint32(at, true) !== 0x02014b50) break;
    const nameLength = view.getUint16(at + 28, true);
    entries.push({
      name: new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength)),
      method: view.getUint16(at + 10, true),
      packedSize: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      offset: view.getUint32(at + 42, true),
    });
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return entries;
}

function notZip(path: string): CorruptFileError {
  return new CorruptFileError(`Cannot unpack ${path}: expected a wheel (zip), got another file`);
}
