// The rows of a data file, whatever format it is written in: the table of file formats by the ending
// of the name. First step of every reader.
import { InputError } from "../../core/errors.ts";
import { type JsonLine, openDataFile, readJson, readJsonLines } from "./jsonl.ts";
import { readParquet } from "./parquet.ts";

/** How files of a format are recognised and read. */
interface FileFormat {
  ending: RegExp;
  read: (path: string) => AsyncGenerator<JsonLine>;
}

const formats: Record<string, FileFormat> = {
  jsonl: { ending: /\.jsonl(\.gz)?$/i, read: readJsonLines },
  json: { ending: /\.json(\.gz)?$/i, read: readJson },
  parquet: { ending: /\.parquet$/i, read: readParquet },
};

/** What files may be, for messages. */
export const knownFiles = "a .jsonl, .json (either may be .gz) or .parquet file";

/** The name of a file's format; null where no reader takes it. */
export function fileFormat(name: string): string | null {
  return Object.keys(formats).find((key) => formats[key]?.ending.test(name)) ?? null;
}

/** The rows of a file. Throws InputError where there is none or its ending is not known. */
export async function* readRows(path: string): AsyncGenerator<JsonLine> {
  const format = formats[fileFormat(path) ?? ""];
  if (format === undefined) {
    (await openDataFile(path)).close();
    throw new InputError(`Cannot read ${path}: expected ${knownFiles}, got another ending`);
  }
  yield* format.read(path);
}
