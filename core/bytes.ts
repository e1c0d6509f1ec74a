// A readable run of bytes with a name: what the model readers see of a file, so that core/ never
// opens one. data/files.ts makes them from paths, tests from memory.

/** Random access to the bytes of a file. */
export interface ByteSource {
  /** What messages call it, usually the path. */
  name: string;
  /** Length in bytes. */
  size: number;
  /**
   * Bytes [offset, offset + length), in a buffer of their own: callers may keep and alter them.
   * Throws RangeError outside [0, size], CorruptFileError when the file became shorter meanwhile.
   */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** A source over bytes in memory; every read is a copy. */
export function memorySource(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    size: bytes.length,
    read(offset, length) {
      try {
        checkRange({ name, size: bytes.length }, offset, length);
        return Promise.resolve(bytes.slice(offset, offset + length) as Uint8Array<ArrayBuffer>);
      } catch (error) {
        return Promise.reject(error);
      }
    },
  };
}

/** Throws RangeError unless [offset, offset + length) lies within the source. */
export function checkRange(
  source: { name: string; size: number },
  offset: number,
  length: number,
): void {
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length);
  if (whole && offset >= 0 && length >= 0 && offset + length <= source.size) return;
  throw new RangeError(
    `Cannot read ${source.name}: expected a range within its ${source.size} bytes, ` +
      `got ${length} bytes at ${offset}`,
  );
}

/**
 * Gives the memory of numbers that nobody reads any more back at once: the collector learns late how
 * large they are, and a model is loaded one matrix after another. They are empty afterwards.
 */
export function release(values: ArrayBufferView<ArrayBuffer>): void {
  values.buffer.transfer(0);
}

/** What `make` makes of `values`, which are released unless the result lies in the same memory. */
export function convert<
  From extends ArrayBufferView<ArrayBuffer>,
  To extends ArrayBufferView<ArrayBuffer>,
>(values: From, make: (values: From) => To): To {
  const made = make(values);
  if (made.buffer !== values.buffer) release(values);
  return made;
}
