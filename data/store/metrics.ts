// metrics.jsonl: one JSON row per log step, each with its `step`. Appended durably while training;
// cut back to the checkpoint's step on resuming, so that a resumed run logs what an unbroken one does.
import { z } from "zod";
import { CorruptFileError } from "../../core/errors.ts";
import { writeFileAtomic } from "./atomic.ts";
import { decodeJson, describeIssues, encodeJson } from "./json.ts";

const MetricRow = z.looseObject({ step: z.number().int().nonnegative() });
/** Numbers and names of one log step; plain finite JSON. */
export type MetricRow = z.infer<typeof MetricRow>;

/**
 * Rows as the file's lines.
 *
 * @throws {DivergedError} a number is not finite, naming it
 * @throws {TypeError} a row without a step
 */
export function encodeRows(rows: MetricRow[]): Uint8Array {
  return new TextEncoder().encode(rows.map(encodeRow).join(""));
}

/**
 * All complete rows; a last line that a kill cut short is left out. No file: no rows.
 *
 * @throws {CorruptFileError} a row is not one of ours, naming file and line
 */
export async function readMetrics(path: string): Promise<MetricRow[]> {
  return (await readLines(path)).map(({ row }) => row);
}

/** Drops rows after `step` and an unfinished last line, by an atomic rewrite where needed. */
export async function truncateMetrics(path: string, step: number): Promise<void> {
  const kept = (await readLines(path))
    .filter(({ row }) => row.step <= step)
    .map(({ line }) => line + "\n")
    .join("");
  const before = await Deno.stat(path).catch(() => null);
  const bytes = new TextEncoder().encode(kept);
  if (before && before.size !== bytes.length) await writeFileAtomic(path, bytes);
}

function encodeRow(row: MetricRow): string {
  const checked = MetricRow.safeParse(row);
  if (checked.success) {
    return encodeJson(row, { name: `metrics of step ${row.step}`, indent: 0 }) + "\n";
  }
  throw new TypeError(
    `Cannot save metrics: expected rows with a step, got ${describeIssues(checked.error)}`,
  );
}

async function readLines(path: string): Promise<{ line: string; row: MetricRow }[]> {
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return decodeText(bytes, path).split("\n").slice(0, -1).map((line, i) => ({
    line,
    row: decodeJson(new TextEncoder().encode(line), {
      schema: MetricRow,
      path: `${path} line ${i + 1}`,
    }),
  }));
}

function decodeText(bytes: Uint8Array, path: string): string {
  // A kill may cut inside a character, but only after the last complete line.
  const complete = bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(complete);
  } catch {
    throw new CorruptFileError(`Cannot read ${path}: expected UTF-8 text, got other bytes`);
  }
}
