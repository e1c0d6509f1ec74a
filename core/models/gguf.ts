// GGUF files: header, metadata and tensor table, checked against the file's length; tensors read
// and dequantised on demand. Format: ggml/docs/gguf.md, versions 2 and 3, little-endian.
// Own parser rather than @huggingface/gguf: that one pads a short file with zeros and may cut a
// string at its 2 MB chunks without an error; where both read, a test holds ours against it.
import { type ByteSource, convert } from "../bytes.ts";
import { CorruptFileError, InputError } from "../errors.ts";
import { type BlockType, blockTypes } from "./quants.ts";

/** Where a tensor lies; shape in row-major order, that is, ggml's dimensions reversed. */
export interface GgufTensor {
  type: BlockType;
  shape: number[];
  offset: number;
  length: number;
}

/** An opened GGUF file. */
export interface GgufFile {
  name: string;
  /** Numbers, strings, booleans and arrays of them; 64-bit integers beyond 2^53 as bigint. */
  metadata: Record<string, unknown>;
  tensors: Map<string, GgufTensor>;
  /** Reads one tensor as float32; TypeError for a name the file does not hold. */
  read(name: string): Promise<Float32Array<ArrayBuffer>>;
}

const firstRead = 4 * 2 ** 20; // covers the header of most models: 50k tokens take 2 MB
const maxHeader = 256 * 2 ** 20;
const maxAlignment = 2 ** 20;
const maxKnownType = 41; // ggml type codes beyond this do not exist: the file is damaged

/**
 * Opens a GGUF file: reads its header and checks that every tensor lies where the previous ends,
 * within the file. Throws CorruptFileError naming the file, and InputError for tensor types that
 * cannot be read here (see core/models/quants.ts).
 */
export async function openGguf(source: ByteSource): Promise<GgufFile> {
  const header = await readHeader(source);
  const { metadata, tensors } = header;
  return {
    name: source.name,
    metadata,
    tensors,
    async read(name) {
      const tensor = tensors.get(name);
      if (!tensor) {
        throw new TypeError(`Cannot read tensor: expected one of ${source.name}, got ${name}`);
      }
      return convert(await source.read(tensor.offset, tensor.length), tensor.type.dequantize);
    },
  };
}

interface Header {
  metadata: Record<string, unknown>;
  tensors: Map<string, GgufTensor>;
}

// the header does not tell its length: take more of the file until it ends within what was read
async function readHeader(source: ByteSource): Promise<Header> {
  for (let length = firstRead;; length *= 4) {
    const bytes = await source.read(0, Math.min(length, source.size));
    try {
      return parseHeader(new Cursor(bytes, source));
    } catch (error) {
      if (!(error instanceof EndOfBytes)) throw error;
      if (length >= source.size || length >= maxHeader) {
        throw corrupt(source, "a complete header", `one that goes on past byte ${bytes.length}`);
      }
    }
  }
}

function parseHeader(cursor: Cursor): Header {
  const { source } = cursor;
  const magic = cursor.uint32();
  if (magic !== 0x46554747) { // "GGUF"
    throw corrupt(source, "a GGUF file", `first bytes 0x${magic.toString(16)}`);
  }
  const version = cursor.uint32();
  if (version !== 2 && version !== 3) {
    throw corrupt(source, "little-endian GGUF of version 2 or 3", `version ${version}`);
  }
  const tensorCount = cursor.count(24); // bytes a tensor takes at least
  const fieldCount = cursor.count(13);
  const fields = new Map<string, unknown>();
  for (let i = 0; i < fieldCount; i++) {
    const key = cursor.string();
    if (fields.has(key)) throw corrupt(source, "every key once", `${key} again`);
    fields.set(key, cursor.value(cursor.uint32()));
  }
  const alignment = fields.get("general.alignment") ?? 32;
  if (typeof alignment !== "number" || alignment > maxAlignment || !isPowerOfTwo(alignment)) {
    throw corrupt(source, "general.alignment to be a power of two", `${alignment}`);
  }
  const tensors = new Map<string, GgufTensor>();
  let end = 0;
  for (let i = 0; i < tensorCount; i++) {
    const name = cursor.string();
    if (tensors.has(name)) throw corrupt(source, "every tensor once", `${name} again`);
    const tensor = readTensor(cursor, name);
    if (tensor.offset !== end) {
      throw corrupt(source, `tensor ${name} at offset ${end}`, `${tensor.offset}`);
    }
    end = padded(end + tensor.length, alignment);
    tensors.set(name, tensor);
  }
  const dataStart = padded(cursor.at, alignment);
  for (const [name, tensor] of tensors) {
    tensor.offset += dataStart;
    if (tensor.offset + tensor.length > source.size) {
      const needed = tensor.offset + tensor.length;
      throw corrupt(source, `at least ${needed} bytes for tensor ${name}`, `${source.size}`);
    }
  }
  return { metadata: Object.fromEntries(fields), tensors };
}

function readTensor(cursor: Cursor, name: string): GgufTensor {
  const { source } = cursor;
  const rank = cursor.uint32();
  if (rank < 1 || rank > 4) throw corrupt(source, `1 to 4 dimensions for ${name}`, `${rank}`);
  const shape: number[] = [];
  for (let i = 0; i < rank; i++) shape.unshift(cursor.integer());
  const type = readType(cursor, name);
  const row = shape.at(-1) ?? 0;
  const elements = shape.reduce((product, size) => product * size, 1);
  const length = elements / type.elements * type.bytes;
  if (row % type.elements !== 0 || !Number.isSafeInteger(elements) || length > source.size) {
    throw corrupt(source, `tensor ${name} to fit the file`, `${type.name} [${shape}]`);
  }
  return { type, shape, offset: cursor.integer(), length };
}

function readType(cursor: Cursor, name: string): BlockType {
  const code = cursor.uint32();
  const type = blockTypes.get(code);
  if (type) return type;
  if (code > maxKnownType) {
    throw corrupt(cursor.source, `a tensor type for ${name}`, `${code}`);
  }
  const known = [...blockTypes.values()].map((t) => t.name).join(", ");
  throw new InputError(
    `Cannot use ${cursor.source.name}: expected tensors of ${known}, got type ${code} for ${name}`,
  );
}

/** More bytes are needed than were read so far. */
class EndOfBytes extends Error {}

const decoder = new TextDecoder();
const valueBytes = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8]; // least size of each value type

/** Reads values off the start of a file, in order. */
class Cursor {
  at = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array<ArrayBuffer>, readonly source: ByteSource) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  uint32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  /** A 64-bit unsigned integer that must be exact as a number. */
  integer(): number {
    const at = this.take(8);
    const value = this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 2 ** 32;
    if (!Number.isSafeInteger(value)) throw corrupt(this.source, "a size below 2^53", `${value}`);
    return value;
  }

  /** A number of things that take at least `size` bytes each and lie ahead in the file. */
  count(size: number): number {
    const count = this.integer();
    const room = this.source.size - this.at;
    if (count * size > room) {
      throw corrupt(this.source, `a count within the ${room} bytes left`, `${count}`);
    }
    return count;
  }

  string(): string {
    const length = this.count(1);
    const start = this.take(length);
    return decoder.decode(this.bytes.subarray(start, start + length));
  }

  value(type: number, depth = 0): unknown {
    const { view } = this;
    switch (type) {
      case 0:
        return view.getUint8(this.take(1));
      case 1:
        return view.getInt8(this.take(1));
      case 2:
        return view.getUint16(this.take(2), true);
      case 3:
        return view.getInt16(this.take(2), true);
      case 4:
        return this.uint32();
      case 5:
        return view.getInt32(this.take(4), true);
      case 6:
        return view.getFloat32(this.take(4), true);
      case 7:
        return this.boolean();
      case 8:
        return this.string();
      case 9:
        return this.array(depth);
      case 10:
        return small(view.getBigUint64(this.take(8), true));
      case 11:
        return small(view.getBigInt64(this.take(8), true));
      case 12:
        return view.getFloat64(this.take(8), true);
      default:
        throw corrupt(this.source, "a metadata type from 0 to 12", `${type}`);
    }
  }

  private array(depth: number): unknown[] {
    const type = this.uint32();
    const count = this.count(valueBytes[type] ?? 1);
    if (depth > 2) throw corrupt(this.source, "arrays at most 3 deep", "deeper ones");
    const values: unknown[] = [];
    for (let i = 0; i < count; i++) values.push(this.value(type, depth + 1));
    return values;
  }

  private boolean(): boolean {
    const value = this.view.getUint8(this.take(1));
    if (value > 1) throw corrupt(this.source, "0 or 1 as truth value", `${value}`);
    return value === 1;
  }

  private take(length: number): number {
    const start = this.at;
    if (start + length > this.bytes.length) throw new EndOfBytes();
    this.at += length;
    return start;
  }
}

function small(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value)) && value >= 1;
}

function padded(length: number, alignment: number): number {
  return Math.ceil(length / alignment) * alignment;
}

function corrupt(source: ByteSource, expected: string, found: string): CorruptFileError {
  return new CorruptFileError(`Cannot read ${source.name}: expected ${expected}, got ${found}`);
}
