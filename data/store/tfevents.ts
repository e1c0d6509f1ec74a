// TensorBoard's event files as bytes: records of TFRecord around protobuf messages of event.proto,
// as few of their fields as scalars need. run_folder.ts keeps one beside metrics.jsonl.
// Source: tensorflow/core/lib/io/record_writer.h, tensorflow/core/util/event.proto and
// framework/summary.proto; CRC-32C: RFC 3720, appendix B.4.

/** What stands at the head of every event file. */
const FILE_VERSION = "brain.Event:2";

// Numbers of protobuf fields, with their wire types.
const VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5;
const event = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 };
const START = 1; // SessionLog.SessionStatus

/** When an event was, in seconds since 1970, and at which training step. */
export interface EventTime {
  wallTime: number;
  step: number;
}

/** The first record of a file. */
export function versionRecord(wallTime: number): Uint8Array<ArrayBuffer> {
  const version = new TextEncoder().encode(FILE_VERSION);
  return record([...double(event.wallTime, wallTime), ...bytes(event.fileVersion, version)]);
}

/**
 * Says that a session starts at a step: readers drop what earlier files of the folder say of that
 * step and later ones.
 */
export function startRecord({ wallTime, step }: EventTime): Uint8Array<ArrayBuffer> {
  return record([
    ...double(event.wallTime, wallTime),
    ...integer(event.step, step),
    ...bytes(event.sessionLog, integer(1, START)),
  ]);
}

/** Scalars of a step by their tags; kept in single precision, which is all that the format has. */
export function scalarsRecord(
  { wallTime, step }: EventTime,
  scalars: Record<string, number>,
): Uint8Array<ArrayBuffer> {
  const values = Object.entries(scalars).flatMap(([tag, value]) =>
    bytes(1, [...bytes(1, new TextEncoder().encode(tag)), ...float(2, value)])
  );
  return record([
    ...double(event.wallTime, wallTime),
    ...integer(event.step, step),
    ...bytes(event.summary, values),
  ]);
}

/** Length, checksum of the length, data, checksum of the data. */
function record(data: number[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(12 + data.length + 4);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedChecksum(out.subarray(0, 8)), true);
  out.set(data, 12);
  view.setUint32(12 + data.length, maskedChecksum(out.subarray(12, 12 + data.length)), true);
  return out;
}

/** Masked, as checksums of data that hold checksums are easily wrong (record_writer.h). */
function maskedChecksum(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** CRC-32C (Castagnoli) of bytes, in 0 … 2³² − 1. */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (crc >>> 8) ^ (castagnoli[(crc ^ byte) & 0xff] ?? 0);
  return ~crc >>> 0;
}

const castagnoli = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

function integer(field: number, value: number): number[] {
  return [field << 3 | VARINT, ...varint(value)];
}

function bytes(field: number, value: ArrayLike<number>): number[] {
  return [field << 3 | LENGTH, ...varint(value.length), ...Array.from(value)];
}

function double(field: number, value: number): number[] {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value, true);
  return [field << 3 | FIXED64, ...new Uint8Array(view.buffer)];
}

function float(field: number, value: number): number[] {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value, true);
  return [field << 3 | FIXED32, ...new Uint8Array(view.buffer)];
}

/** A whole number from 0 to 2⁵³ − 1, seven bits a byte, the lowest first. */
function varint(value: number): number[] {
  const out: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) out.push(value % 0x80 | 0x80);
  return [...out, value];
}
