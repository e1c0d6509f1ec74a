// Safetensors files, read and written: 8 bytes of header length, a JSON header, raw little-endian
// tensors. First reader of a model's weights, and the format of our own adapters and checkpoints.
// Format: github.com/huggingface/safetensors; accepts what PyPI safetensors 0.8 accepts, except
// for repeated names and tensors written as arrays, which it takes and we refuse.
import type { ByteSource } from "../bytes.ts";
import { CorruptFileError } from "../errors.ts";
import { bfloat16ToFloat32, float16ToFloat32, floatView } from "./floats.ts";
import { parseStrictJson } from "./strict_json.ts";

/** Bits of one element, by the format's dtype names. */
export const safetensorsBits = {
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  U16: 16,
  I16: 16,
  F16: 16,
  BF16: 16,
  U32: 32,
  I32: 32,
  F32: 32,
  C64: 64,
  U64: 64,
  I64: 64,
  F64: 64,
} as const;

/** Element type of a stored tensor. */
export type SafetensorsDtype = keyof typeof safetensorsBits;

/** A tensor as stored: raw little-endian bytes, row-major. */
export interface TensorData {
  dtype: SafetensorsDtype;
  shape: number[];
  data: Uint8Array;
}

/** Where a tensor lies; `offset` counts from the start of the file. */
export interface TensorEntry {
  dtype: SafetensorsDtype;
  shape: number[];
  offset: number;
  length: number;
}

/** An opened safetensors file: its header checked, its tensors read on demand. */
export interface SafetensorsFile {
  metadata: Record<string, string>;
  tensors: Map<string, TensorEntry>;
  /** Reads one tensor, into memory of its own; TypeError for a name the file does not hold. */
  read(name: string): Promise<TensorData & { data: Uint8Array<ArrayBuffer> }>;
}

const maxHeaderBytes = 100_000_000; // the format's own cap

/**
 * Opens a safetensors file and checks all of its header: every tensor's length must follow from
 * its shape, and the tensors must cover the rest of the file without gap or overlap.
 * Throws CorruptFileError, naming the file, for anything else.
 */
export async function openSafetensors(source: ByteSource): Promise<SafetensorsFile> {
  if (source.size < 8) {
    throw corrupt(source, "at least 8 bytes", `${source.size}`);
  }
  const lengthBytes = await source.read(0, 8);
  const headerBytes = new DataView(lengthBytes.buffer).getBigUint64(0, true);
  const room = Math.min(maxHeaderBytes, source.size - 8);
  if (headerBytes > BigInt(room)) {
    throw corrupt(source, `a header of at most ${room} bytes`, `length ${headerBytes}`);
  }
  const dataStart = 8 + Number(headerBytes);
  const header = parseHeader(source, await source.read(8, dataStart - 8));
  let metadata: Record<string, string> = {};
  const tensors = new Map<string, TensorEntry>();
  for (const [name, value] of header) {
    if (name === "__metadata__") metadata = readMetadata(source, value);
    else tensors.set(name, readEntry(source, { name, value, dataStart }));
  }
  checkCover(source, tensors, dataStart);
  return {
    metadata,
    tensors,
    async read(name) {
      const entry = tensors.get(name);
      if (!entry) {
        throw new TypeError(`Cannot read tensor: expected one of ${source.name}, got ${name}`);
      }
      const { dtype, shape, offset, length } = entry;
      return { dtype, shape: [...shape], data: await source.read(offset, length) };
    },
  };
}

/**
 * The bytes of a safetensors file: tensors ordered as PyPI safetensors orders them (widest element
 * first, then by name), header padded with spaces to a multiple of 8.
 * Throws TypeError where a tensor's bytes do not match its shape.
 */
export function encodeSafetensors(
  tensors: Record<string, TensorData>,
  metadata: Record<string, string> = {},
): Uint8Array<ArrayBuffer> {
  const { header, order } = safetensorsHeader(tensors, metadata);
  const ordered = order.map((name) => {
    const { dtype, shape, data } = tensors[name] as TensorData;
    const expected = byteLength(dtype, shape);
    if (expected === data.length) return data;
    throw new TypeError(
      `Cannot write tensor ${name}: expected ${expected} bytes for ${dtype} [${shape}], ` +
        `got ${data.length}`,
    );
  });
  const size = ordered.reduce((sum, { length }) => sum + length, header.length);
  const bytes = new Uint8Array(size);
  let position = 0;
  for (const part of [header, ...ordered]) {
    bytes.set(part, position);
    position += part.length;
  }
  return bytes;
}

/**
 * The start of a safetensors file, up to its first tensor, and the order in which the tensors' bytes
 * follow: for files written one tensor at a time. Throws TypeError for a name that cannot be written.
 */
export function safetensorsHeader(
  tensors: Record<string, Pick<TensorData, "dtype" | "shape">>,
  metadata: Record<string, string> = {},
): { header: Uint8Array<ArrayBuffer>; order: string[] } {
  const ordered = Object.entries(tensors).sort(([a, x], [b, y]) =>
    safetensorsBits[y.dtype] - safetensorsBits[x.dtype] || compareUtf8(a, b)
  );
  // JSON is assembled by hand: an object would move names like "0" to the front
  const fields: string[] = [];
  if (Object.keys(metadata).length > 0) fields.push(`"__metadata__":${JSON.stringify(metadata)}`);
  let end = 0;
  for (const [name, { dtype, shape }] of ordered) {
    if (name === "__metadata__" || !name.isWellFormed()) {
      throw new TypeError(`Cannot write tensor ${name}: expected another name`);
    }
    const length = byteLength(dtype, shape);
    const entry = { dtype, shape, data_offsets: [end, end + length] };
    fields.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    end += length;
  }
  const text = new TextEncoder().encode(`{${fields.join(",")}}`);
  const header = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20, 8);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(text, 8);
  return { header, order: ordered.map(([name]) => name) };
}

/** An F32 tensor over the same memory as `values`; TypeError where shape and length differ. */
export function float32Tensor(shape: number[], values: Float32Array): TensorData {
  const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (byteLength("F32", shape) !== data.length) {
    throw new TypeError(
      `Cannot make a tensor: expected shape [${shape}] to hold ${values.length} values`,
    );
  }
  return { dtype: "F32", shape, data };
}

/** Values of an F32, F16 or BF16 tensor, exactly; TypeError for other element types. */
export function toFloat32(tensor: TensorData): Float32Array<ArrayBuffer> {
  switch (tensor.dtype) {
    case "F32":
      return floatView(tensor.data);
    case "F16":
      return float16ToFloat32(tensor.data);
    case "BF16":
      return bfloat16ToFloat32(tensor.data);
    default:
      throw new TypeError(`Cannot widen tensor: expected F32, F16 or BF16, got ${tensor.dtype}`);
  }
}

function parseHeader(source: ByteSource, bytes: Uint8Array): [string, unknown][] {
  let header: unknown;
  try {
    header = parseStrictJson(
      new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
    );
  } catch (error) {
    throw corrupt(source, "a JSON header", error instanceof Error ? error.message : String(error));
  }
  if (!isRecord(header)) throw corrupt(source, "a JSON object as header", typeof header);
  return Object.entries(header);
}

function readMetadata(source: ByteSource, value: unknown): Record<string, string> {
  if (value === null) return {};
  if (!isRecord(value)) throw corrupt(source, "__metadata__ of strings", typeof value);
  const fields = Object.entries(value).map(([key, text]): [string, string] => {
    if (typeof text !== "string") throw corrupt(source, "__metadata__ of strings", typeof text);
    return [key, text];
  });
  return Object.fromEntries(fields);
}

function readEntry(
  source: ByteSource,
  { name, value, dataStart }: { name: string; value: unknown; dataStart: number },
): TensorEntry {
  const found = JSON.stringify(value)?.slice(0, 100);
  if (!isRecord(value)) throw corrupt(source, `an object for tensor ${name}`, found);
  const { dtype, shape, data_offsets: range } = value;
  if (typeof dtype !== "string" || !Object.hasOwn(safetensorsBits, dtype)) {
    throw corrupt(source, `a known dtype for tensor ${name}`, found);
  }
  if (!isSizes(shape) || !isSizes(range) || range.length !== 2) {
    throw corrupt(source, `a shape and two data_offsets for tensor ${name}`, found);
  }
  const [begin = 0, end = 0] = range;
  const known = dtype as SafetensorsDtype;
  if (end < begin || end > source.size - dataStart || end - begin !== byteLength(known, shape)) {
    throw corrupt(source, `tensor ${name} to fill its bytes within the file`, found);
  }
  return { dtype: known, shape, offset: dataStart + begin, length: end - begin };
}

function checkCover(
  source: ByteSource,
  tensors: Map<string, TensorEntry>,
  dataStart: number,
): void {
  let end = dataStart;
  const inOrder = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.length - b.length);
  for (const [name, { offset, length }] of inOrder) {
    if (offset !== end) throw corrupt(source, `tensor ${name} at byte ${end}`, `byte ${offset}`);
    end = offset + length;
  }
  if (end !== source.size) {
    throw corrupt(source, `${end} bytes, the end of the last tensor`, `${source.size}`);
  }
}

/** Bytes of a tensor, or NaN where they are no whole number or leave the exact integers. */
function byteLength(dtype: SafetensorsDtype, shape: number[]): number {
  let bits: number = safetensorsBits[dtype];
  for (const size of shape) {
    bits *= size;
    if (!Number.isSafeInteger(bits)) return NaN;
  }
  return bits % 8 === 0 ? bits / 8 : NaN;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// by code point, which is the order of UTF-8 bytes; "<" on strings compares UTF-16 units
function compareUtf8(a: string, b: string): number {
  const x = new TextEncoder().encode(a);
  const y = new TextEncoder().encode(b);
  const shared = Math.min(x.length, y.length);
  for (let i = 0; i < shared; i++) {
    const difference = (x[i] ?? 0) - (y[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return x.length - y.length;
}

function corrupt(
  source: ByteSource,
  expected: string,
  found: string | undefined,
): CorruptFileError {
  return new CorruptFileError(
    `Cannot read ${source.name}: expected ${expected}, got ${found ?? "nothing"}`,
  );
}
