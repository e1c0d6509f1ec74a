// Files as byte sources: where core/models meets the disk.
import { type ByteSource, checkRange } from "../core/bytes.ts";
import { CorruptFileError, InputError } from "../core/errors.ts";

/** A byte source over an open file. */
export interface FileSource extends ByteSource {
  /** Closes the file; reads fail afterwards. Closing twice is harmless. */
  close(): void;
}

/**
 * Opens a file for reading at any position; the caller closes it.
 * Throws InputError where there is no such file or no permission to read it.
 */
export function fileSource(path: string): FileSource {
  let file: Deno.FsFile;
  let size: number;
  try {
    file = Deno.openSync(path, { read: true });
    const info = file.statSync();
    size = info.size;
    if (info.isDirectory) {
      file.close();
      throw new InputError(`Cannot read ${path}: expected a file, got a folder`);
    }
  } catch (error) {
    throw readError(path, error);
  }
  let open = true;
  return {
    name: path,
    size,
    // deno-lint-ignore require-await -- seek and read in one go: concurrent reads cannot interleave
    async read(offset, length) {
      checkRange({ name: path, size }, offset, length);
      if (!open) {
        throw new TypeError(`Cannot read ${path}: expected an open file, got a closed one`);
      }
      const bytes = new Uint8Array(length);
      file.seekSync(offset, Deno.SeekMode.Start);
      for (let done = 0; done < length;) {
        const count = file.readSync(bytes.subarray(done));
        if (count === null) {
          throw new CorruptFileError(
            `Cannot read ${path}: expected ${size} bytes, got ${offset + done}`,
          );
        }
        done += count;
      }
      return bytes;
    },
    close() {
      if (open) file.close();
      open = false;
    },
  };
}

/**
 * Reads and parses a JSON file. Throws InputError where it is missing, CorruptFileError where it
 * is not JSON.
 */
export async function readJson(path: string): Promise<unknown> {
  const text = await readText(path);
  try {
    return JSON.parse(text);
  } catch {
    throw new CorruptFileError(`Cannot read ${path}: expected JSON, got something else`);
  }
}

/** Reads a text file. Throws InputError where it is missing. */
export async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw readError(path, error);
  }
}

/** What lies at a path, null where there is nothing. */
export async function statOrNull(path: string): Promise<Deno.FileInfo | null> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return null;
    }
    throw readError(path, error);
  }
}

function readError(path: string, error: unknown): unknown {
  if (error instanceof Deno.errors.NotFound) {
    return new InputError(`Cannot read ${path}: expected a file, got nothing there`);
  }
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return new InputError(`Cannot read ${path}: expected permission to read, got none`);
  }
  if (error instanceof Deno.errors.IsADirectory) {
    return new InputError(`Cannot read ${path}: expected a file, got a folder`);
  }
  return error;
}
