// Reads JSON Lines, plain or gzip-compressed, one line at a time, and files that hold one JSON array:
// first step of every reader of data files. Errors name file and line.
import { CorruptFileError, InputError } from "../../core/errors.ts";

/** One line of a file: its value, and `file:line` for messages. */
export interface JsonLine {
  value: unknown;
  where: string;
}

/**
 * The lines of a `.jsonl` or `.jsonl.gz` file, blank ones left out.
 * Throws InputError for a missing file and for a line that is not JSON, CorruptFileError for
 * damaged compression.
 */
export async function* readJsonLines(path: string): AsyncGenerator<JsonLine> {
  let number = 0;
  for await (const line of readLines(path)) {
    number++;
    if (line.trim() === "") continue;
    const where = `${path}:${number}`;
    yield { value: parseLine(line, where), where };
  }
}

/**
 * The rows of a data file: the lines of a `.jsonl`, or those of a `.json`, which may also be one
 * array of rows (Alpaca's own file is), named `file[index]` then. Both may be `.gz`. Throws as
 * readJsonLines, and InputError for an array that is not JSON.
 */
export async function* readRows(path: string): AsyncGenerator<JsonLine> {
  const text = /\.json(\.gz)?$/i.test(path) ? await wholeText(path) : "";
  if (!text.startsWith("[")) {
    yield* readJsonLines(path);
    return;
  }
  let rows: unknown[];
  try {
    rows = JSON.parse(text);
  } catch (error) {
    throw new InputError(
      `Cannot read ${path}: expected an array of rows as JSON, got "${
        error instanceof Error ? error.message : error
      }"`,
      { cause: error },
    );
  }
  for (const [i, value] of rows.entries()) yield { value, where: `${path}[${i}]` };
}

async function wholeText(path: string): Promise<string> {
  return (await Array.fromAsync(readLines(path))).join("\n").trimStart();
}

function parseLine(line: string, where: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    const start = line.length > 40 ? `${line.slice(0, 40)}…` : line;
    throw new InputError(`Cannot read ${where}: expected one JSON object a line, got ${start}`);
  }
}

async function* readLines(path: string): AsyncGenerator<string> {
  const file = await open(path);
  const bytes = path.endsWith(".gz")
    ? file.readable.pipeThrough(new DecompressionStream("gzip"))
    : file.readable;
  let rest = "";
  try {
    for await (const text of bytes.pipeThrough(new TextDecoderStream("utf-8", { fatal: true }))) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } catch (error) {
    // Only the streams throw here: what a consumer throws does not pass through a generator.
    throw new CorruptFileError(
      `Cannot read ${path}: expected ${
        path.endsWith(".gz") ? "gzip-compressed " : ""
      }UTF-8 text, ` +
        `got "${error instanceof Error ? error.message : error}"`,
      { cause: error },
    );
  }
  if (rest !== "") yield rest;
}

async function open(path: string): Promise<Deno.FsFile> {
  try {
    const info = await Deno.stat(path);
    if (info.isFile) return await Deno.open(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      throw new InputError(`Cannot read ${path}: expected a .jsonl or .jsonl.gz file, got none`);
    }
    throw new InputError(
      `Cannot read ${path}: expected a file that may be read, got "${
        error instanceof Error ? error.message : error
      }"`,
      { cause: error },
    );
  }
  throw new InputError(`Cannot read ${path}: expected a .jsonl or .jsonl.gz file, got a folder`);
}
