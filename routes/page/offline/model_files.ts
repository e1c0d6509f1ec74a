// The files of an exported model, from the page's own address or from a folder on the disk.
import { InputError } from "../../../core/errors.ts";
import type { Source } from "./messages.ts";

/** Told how many bytes of how many there are; 0 for a total that nobody knows. */
export type OnBytes = (done: number, total: number) => void;

/** Reads files by name. */
export interface ModelFiles {
  /** InputError for a file that is not there. */
  bytes(name: string, onBytes?: OnBytes): Promise<Uint8Array<ArrayBuffer>>;
  /** A text, or null where the file is not there. */
  text(name: string): Promise<string | null>;
}

/** Opens a place. */
export function modelFiles(source: Source): ModelFiles {
  const open = "files" in source ? fromFolder(source.files) : fromAddress(source.address);
  return {
    async bytes(name, onBytes = () => {}) {
      const found = await open(name);
      if (found !== null) return await readAll(found, onBytes);
      throw new InputError(`Cannot load the model: expected a file ${name}, got none`);
    },
    async text(name) {
      const found = await open(name);
      return found && await new Response(found.stream).text();
    },
  };
}

/** A file that can be read; `size` 0 where nobody knows it. */
interface Found {
  size: number;
  stream: ReadableStream<Uint8Array>;
}

type Open = (name: string) => Promise<Found | null>;

function fromAddress(address: string): Open {
  return async (name) => {
    const response = await fetch(new URL(name, address));
    if (response.status === 404) return null;
    if (!response.ok || response.body === null) {
      throw new InputError(`Cannot load ${name}: expected it to be there, got ${response.status}`);
    }
    return { size: sizeOf(response), stream: response.body };
  };
}

/** The length of an answer that is not packed, whose bytes are what the header counts. */
function sizeOf({ headers }: Response): number {
  return headers.has("content-encoding") ? 0 : Number(headers.get("content-length") ?? 0);
}

function fromFolder(files: File[]): Open {
  // Names as they come with a chosen folder: "folder/name".
  const byName = new Map(files.map((file) => [file.name, file]));
  return (name) => {
    const file = byName.get(name);
    return Promise.resolve(file ? { size: file.size, stream: file.stream() } : null);
  };
}

/** All bytes, without a second copy of them where the size is known. */
async function readAll(
  { size, stream }: Found,
  onBytes: OnBytes,
): Promise<Uint8Array<ArrayBuffer>> {
  let bytes = new Uint8Array(size);
  let length = 0;
  for await (const piece of stream) {
    if (length + piece.length > bytes.length) {
      const grown = new Uint8Array(Math.max(2 * bytes.length, length + piece.length));
      grown.set(bytes.subarray(0, length));
      bytes = grown;
    }
    bytes.set(piece, length);
    length += piece.length;
    onBytes(length, size);
  }
  return length === bytes.length ? bytes : bytes.slice(0, length);
}
