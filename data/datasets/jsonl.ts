// Reads JSON Lines, plain or gzip-compressed, one line at a time, and files that hold one JSON array.
// Errors name file and line. What is decompressed is bounded: a few bytes of gzip can stand for any
// number of zeros.
import { CorruptFileError, InputError } from "../../core/errors.ts";

/** One row of a file: its value, and `file:line` (`file[index]` of an array) for messages. */
export interface JsonLine {
  value: unknown;
  where: string;
}

/** Characters of one line, of an array as a whole, and bytes of a file once it is decompressed. */
export interface TextLimits {
  line: number;
  array: number;
  file: number;
}

/** An array is parsed in one go, and texts of V8 end at 2^29 characters. */
export const textLimits: TextLimits = { line: 2 ** 26, array: 2 ** 28, file: 2 ** 33 };

/**
 * The lines of a `.jsonl` or `.jsonl.gz` file, blank ones left out.
 * Throws InputError for a missing file, for a line that is not JSON and for more text than `limits`
 * allows, CorruptFileError for damaged compression.
 */
export async function* readJsonLines(
  path: string,
  limits: TextLimits = textLimits,
): AsyncGenerator<JsonLine> {
  let number = 0;
  for await (const line of readLines(path, limits)) {
    number++;
    if (line.trim() === "") continue;
    const where = `${path}:${number}`;
    yield { value: parseLine(line, where), where };
  }
}

/**
 * The rows of a `.json` or `.json.gz` file: of one array of rows (Alpaca's own file is one), or its
 * lines. Throws as readJsonLines, and InputError for an array that is not JSON.
 */
export async function* readJson(
  path: string,
  limits: TextLimits = textLimits,
): AsyncGenerator<JsonLine> {
  if (!await beginsWithBracket(path, limits)) {
    yield* readJsonLines(path, limits);
    return;
  }
  let rows: unknown;
  try {
    rows = JSON.parse(await wholeText(path, limits));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new InputError(
      `Cannot read ${path}: expected an array of rows as JSON, got "${error.message}"`,
      { cause: error },
    );
  }
  if (!Array.isArray(rows)) return;
  for (const [i, value] of rows.entries()) yield { value, where: `${path}[${i}]` };
}

async function beginsWithBracket(path: string, limits: TextLimits): Promise<boolean> {
  // An array may stand in one line that is longer than a line of JSON Lines may be.
  for await (const line of readLines(path, { ...limits, line: limits.array })) {
    const text = line.trimStart();
    if (text !== "") return text.startsWith("[");
  }
  return false;
}

async function wholeText(path: string, limits: TextLimits): Promise<string> {
  const lines: string[] = [];
  let length = 0;
  for await (const line of readLines(path, { ...limits, line: limits.array })) {
    lines.push(line);
    length += line.length;
    if (length > limits.array) {
      throw tooLong(`${path}: expected an array of at most ${limits.array} characters`);
    }
  }
  return lines.join("\n");
}

function parseLine(line: string, where: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    const start = line.length > 40 ? `${line.slice(0, 40)}…` : line;
    throw new InputError(`Cannot read ${where}: expected one JSON object a line, got ${start}`);
  }
}

async function* readLines(path: string, limits: TextLimits): AsyncGenerator<string> {
  const file = await openDataFile(path);
  const bytes = path.endsWith(".gz")
    ? file.readable.pipeThrough(new DecompressionStream("gzip"))
    : file.readable;
  const counted = bytes.pipeThrough(counter(path, limits.file));
  let parts: string[] = []; // of the line that is not complete yet
  let length = 0;
  let number = 1;
  try {
    for await (const text of counted.pipeThrough(new TextDecoderStream("utf-8", { fatal: true }))) {
      const [head = "", ...lines] = text.split("\n");
      length += head.length;
      if (length > limits.line) {
        const most = `expected lines of at most ${limits.line} characters`;
        throw tooLong(`${path}:${number}: ${most}`);
      }
      parts.push(head);
      const last = lines.pop();
      if (last === undefined) continue;
      yield parts.join("");
      yield* lines;
      number += lines.length + 1;
      parts = [last];
      length = last.length;
    }
  } catch (error) {
    if (error instanceof InputError) throw error;
    // Only the streams throw here: what a consumer throws does not pass through a generator.
    throw new CorruptFileError(
      `Cannot read ${path}: expected ${
        path.endsWith(".gz") ? "gzip-compressed " : ""
      }UTF-8 text, ` +
        `got "${error instanceof Error ? error.message : error}"`,
      { cause: error },
    );
  }
  const rest = parts.join("");
  if (rest !== "") yield rest;
}

function counter(
  path: string,
  most: number,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let bytes = 0;
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.length;
      if (bytes > most) throw tooLong(`${path}: expected at most ${most} bytes of text`);
      controller.enqueue(chunk);
    },
  });
}

function tooLong(limit: string): InputError {
  return new InputError(`Cannot read ${limit}, got more`);
}

/** Opens a data file; throws InputError where there is none, or a folder. Caller closes. */
export async function openDataFile(path: string): Promise<Deno.FsFile> {
  try {
    const info = await Deno.stat(path);
    if (info.isFile) return await Deno.open(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      throw new InputError(`Cannot read ${path}: expected a data file, got none`);
    }
    throw new InputError(
      `Cannot read ${path}: expected a file that may be read, got "${
        error instanceof Error ? error.message : error
      }"`,
      { cause: error },
    );
  }
  throw new InputError(`Cannot read ${path}: expected a data file, got a folder`);
}
