// Reads Parquet files (https://parquet.apache.org/docs/file-format/), one row group at a time, through
// hyparquet. Errors name file and row. Pages are decompressed into no more bytes than they declare,
// and they may declare no more than a row group may hold.
import { brotliDecompressSync, gunzipSync, type InputType, zstdDecompressSync } from "node:zlib";
import {
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  snappyUncompress,
} from "hyparquet";
import { decompressLz4, decompressLz4Raw } from "hyparquet-compressors";
import { CorruptFileError, InputError } from "../../core/errors.ts";
import { type FileSource, fileSource } from "../files.ts";
import { type JsonLine, openDataFile } from "./jsonl.ts";

/** What a row group may hold: bytes once it is decompressed, rows and values of a column. */
export interface ParquetLimits {
  bytes: number;
  values: number;
}

const parquetLimits: ParquetLimits = { bytes: 2 ** 30, values: 2 ** 25 };

/**
 * The rows of a `.parquet` file, as JSON would hold them: whole numbers that JavaScript counts
 * exactly are numbers, larger ones and dates are texts. Throws InputError for a missing file and for
 * row groups beyond `limits` (1 GiB, 2^25 values), CorruptFileError for a damaged file.
 */
export async function* readParquet(
  path: string,
  limits: ParquetLimits = parquetLimits,
): AsyncGenerator<JsonLine> {
  (await openDataFile(path)).close(); // says what is wrong with a path in the words of all formats
  const source = fileSource(path);
  try {
    const file = { byteLength: source.size, slice: slicesOf(source) };
    const metadata = await understood(path, () => parquetMetadataAsync(file));
    checkGroups(path, metadata, limits);
    let start = 0;
    for (const { num_rows } of metadata.row_groups) {
      const end = start + Number(num_rows);
      const range = { rowStart: start, rowEnd: end };
      const rows = await understood(
        path,
        () =>
          parquetReadObjects({ file, metadata, ...range, compressors: boundedCompressors(limits) }),
      );
      if (rows.length !== end - start) {
        throw new CorruptFileError(
          `Cannot read ${path}: expected ${
            end - start
          } rows from row ${start} on, got ${rows.length}`,
        );
      }
      for (const [i, row] of rows.entries()) {
        yield { value: asJson(row), where: `${path}[${start + i}]` };
      }
      start = end;
    }
  } finally {
    source.close();
  }
}

function slicesOf(source: FileSource) {
  return (start: number, end = source.size): Promise<ArrayBuffer> => {
    const bytes = source.read(start, end - start).then(({ buffer }) => buffer);
    // Of several slices the library awaits one: where two are out of range, the other is nobody's.
    bytes.catch(() => {});
    return bytes;
  };
}

/** Refuses what would not fit into memory, by what the file says of itself. */
function checkGroups(path: string, { row_groups }: FileMetaData, limits: ParquetLimits): void {
  for (const { num_rows, columns } of row_groups) {
    const chunks = columns.map(({ meta_data }) => meta_data);
    const bytes = chunks.reduce((sum, chunk) => sum + Number(chunk?.total_uncompressed_size), 0);
    const values = Math.max(Number(num_rows), ...chunks.map((chunk) => Number(chunk?.num_values)));
    if (bytes <= limits.bytes && values <= limits.values && num_rows >= 0) continue;
    throw new InputError(
      `Cannot read ${path}: expected row groups of at most ${limits.bytes} bytes and ${limits.values} ` +
        `values a column, got one of ${bytes} bytes and ${values} values`,
    );
  }
}

/** Decompressors that stop at the size a page declares, and at what a row group may hold in all. */
function boundedCompressors({ bytes }: ParquetLimits): Compressors {
  let left = bytes;
  const bounded =
    (decompress: (input: Uint8Array, length: number) => Uint8Array) =>
    (input: Uint8Array, length: number) => {
      left -= length;
      if (!(left >= 0)) throw new RangeError(`pages of more than ${bytes} bytes`);
      return length === 0 ? new Uint8Array(0) : decompress(input, length);
    };
  const native = (
    decompress: (input: InputType, options: { maxOutputLength: number }) => Uint8Array,
  ) => bounded((input, maxOutputLength) => decompress(input, { maxOutputLength }));
  return {
    SNAPPY: bounded(snappy),
    GZIP: native(gunzipSync),
    ZSTD: native(zstdDecompressSync),
    BROTLI: native(brotliDecompressSync),
    LZ4: bounded(decompressLz4),
    LZ4_RAW: bounded(decompressLz4Raw),
  };
}

function snappy(input: Uint8Array, length: number): Uint8Array {
  const output = new Uint8Array(length);
  snappyUncompress(input, output);
  return output;
}

/** What the library throws for a file it cannot make sense of. */
async function understood<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof InputError || error instanceof CorruptFileError) throw error;
    throw new CorruptFileError(
      `Cannot read ${path}: expected a Parquet file, got "${
        error instanceof Error ? error.message : error
      }"`,
      { cause: error },
    );
  }
}

function asJson(value: unknown): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value)) return Array.from(value as Uint8Array, asJson);
  if (Array.isArray(value)) return value.map(asJson);
  if (typeof value !== "object" || value === null) return value ?? null;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, asJson(part)]));
}
