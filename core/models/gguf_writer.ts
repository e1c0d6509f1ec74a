// GGUF files, written: the metadata and float32 tensors of an adapter of our own. gguf.ts is the
// reader. Format: ggml/docs/gguf.md, version 3, little-endian. Own writer because no JavaScript
// library writes GGUF (@huggingface/gguf reads only).

/** A metadata value with ggml's type of it. */
export type GgufValue =
  | { type: "string"; value: string }
  | { type: "uint32"; value: number }
  | { type: "float32"; value: number };

/** A float32 tensor; shape in row-major order, as core/models/gguf.ts has it. */
export interface Float32Tensor {
  shape: number[];
  values: Float32Array;
}

const MAGIC = 0x46554747; // "GGUF"
const VERSION = 3;
const ALIGNMENT = 32; // the format's default, which needs no metadata
const TENSOR_F32 = 0;
const LONGEST_NAME = 63; // bytes: ggml keeps names in 64 with a closing zero

/**
 * The bytes of a GGUF file, metadata and tensors in the given order. Throws TypeError for a name or
 * text that cannot be written, a tensor whose shape does not fit its values, and a number out of its
 * type's range.
 */
export function encodeGguf(
  { metadata, tensors }: {
    metadata: Record<string, GgufValue>;
    tensors: ReadonlyMap<string, Float32Tensor>;
  },
): Uint8Array<ArrayBuffer> {
  const header = new Bytes();
  header.uint32(MAGIC);
  header.uint32(VERSION);
  header.uint64(tensors.size);
  header.uint64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) {
    header.string(key);
    writeValue(header, key, value);
  }
  let offset = 0;
  const places = [...tensors].map(([name, tensor]) => {
    header.name(name);
    writeShape(header, name, tensor);
    header.uint32(TENSOR_F32);
    header.uint64(offset);
    const place = { values: tensor.values, offset };
    offset += padded(tensor.values.byteLength);
    return place;
  });
  const start = padded(header.length);
  // The last tensor is padded too: ggml reads whole slots.
  const file = new Uint8Array(start + offset);
  header.copyTo(file);
  for (const { values, offset } of places) {
    file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), start + offset);
  }
  return file;
}

function writeValue(bytes: Bytes, key: string, { type, value }: GgufValue): void {
  switch (type) {
    case "uint32":
      if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32) {
        throw new TypeError(`Cannot write ${key}: expected a 32-bit whole number, got ${value}`);
      }
      bytes.uint32(4);
      return bytes.uint32(value);
    case "float32":
      if (!Number.isFinite(Math.fround(value))) {
        throw new TypeError(`Cannot write ${key}: expected a finite 32-bit number, got ${value}`);
      }
      bytes.uint32(6);
      return bytes.float32(value);
    case "string":
      bytes.uint32(8);
      return bytes.string(value);
    default:
      return type satisfies never;
  }
}

function writeShape(bytes: Bytes, name: string, { shape, values }: Float32Tensor): void {
  const size = shape.reduce((product, n) => product * n, 1);
  const whole = shape.every((n) => Number.isInteger(n) && n > 0);
  if (!whole || shape.length < 1 || shape.length > 4 || size !== values.length) {
    throw new TypeError(
      `Cannot write tensor ${name}: expected 1 to 4 sizes that hold ${values.length} values, ` +
        `got [${shape}]`,
    );
  }
  bytes.uint32(shape.length);
  for (const n of shape.toReversed()) bytes.uint64(n); // ggml names the fastest dimension first
}

function padded(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}

/** Little-endian values, one after the other. */
class Bytes {
  length = 0;
  private readonly parts: Uint8Array[] = [];

  uint32(value: number): void {
    this.number(4, (view) => view.setUint32(0, value, true));
  }

  uint64(value: number): void {
    this.number(8, (view) => view.setBigUint64(0, BigInt(value), true));
  }

  float32(value: number): void {
    this.number(4, (view) => view.setFloat32(0, value, true));
  }

  string(text: string): void {
    if (!text.isWellFormed()) {
      throw new TypeError(`Cannot write ${JSON.stringify(text)}: expected well-formed text`);
    }
    const encoded = new TextEncoder().encode(text);
    this.uint64(encoded.length);
    this.push(encoded);
  }

  /** The name of a tensor. */
  name(name: string): void {
    const { length } = new TextEncoder().encode(name);
    if (length === 0 || length > LONGEST_NAME) {
      throw new TypeError(
        `Cannot write tensor ${name}: expected a name of 1 to ${LONGEST_NAME} bytes, got ${length}`,
      );
    }
    this.string(name);
  }

  copyTo(target: Uint8Array): void {
    let at = 0;
    for (const part of this.parts) {
      target.set(part, at);
      at += part.length;
    }
  }

  private number(size: number, write: (view: DataView) => void): void {
    const part = new Uint8Array(size);
    write(new DataView(part.buffer));
    this.push(part);
  }

  private push(part: Uint8Array): void {
    this.parts.push(part);
    this.length += part.length;
  }
}
