// Preference data by the text of the dataset option: the table of file formats, the table of data
// sets with a name of their own, and how files become one data set with M dimensions.
// First stop of the flow; core/text/pairs.ts comes next.
import { createHash } from "node:crypto";
import { InputError } from "../../core/errors.ts";
import type { PreferenceDataset, PreferenceExample } from "../../core/text/example.ts";
import { loadBuiltin } from "../builtin/mod.ts";
import { columns } from "./columns.ts";
import { hh } from "./hh.ts";
import { readRows } from "./jsonl.ts";
import { type DatasetReader, type LabelledPair, readObject, type Row } from "./reader.ts";
import { safeRlhf } from "./safe_rlhf.ts";
import { parseSpec, type SpecPart } from "./spec.ts";

/** File formats; the first that recognises a file's first row reads the file. */
export const readers: Record<string, DatasetReader> = { hh, safe_rlhf: safeRlhf, columns };

/** What may be asked of a data set. */
export interface DatasetOptions {
  /** Names of the dimensions to use, in the order of the preference vector. Default: all. */
  dimensions?: string[];
}

/** Data sets that need no file, by name; `variant` is what the dataset option says after an `@`. */
export const namedDatasets: Record<
  string,
  (options: DatasetOptions & { variant?: string }) => Promise<PreferenceDataset>
> = { builtin: loadBuiltin };

/** The entry of namedDatasets that a dataset option means, `name` or `name@variant`; null for files. */
export function namedDataset(spec: string): { name: string; variant?: string } | null {
  const at = spec.indexOf("@");
  const name = at < 0 ? spec : spec.slice(0, at);
  if (!Object.hasOwn(namedDatasets, name)) return null;
  return at < 0 ? { name } : { name, variant: spec.slice(at + 1) };
}

/**
 * The examples that the dataset option names, in the order of the files. Left out: pairs of two
 * identical responses, pairs without a label in the dimensions used, and what a reader leaves out.
 * The fingerprint is the sha256 (hex) of dimensions and examples, not of the files.
 * Throws InputError for a missing or unknown file, a malformed row (with file, line and field), a
 * dimension that does not exist or has no pairs, and an empty set.
 */
export async function loadDataset(
  spec: string,
  options: DatasetOptions = {},
): Promise<PreferenceDataset> {
  const named = namedDataset(spec);
  if (named !== null) {
    const dataset = await namedDatasets[named.name]?.({ ...options, variant: named.variant });
    if (dataset) return dataset;
  }
  const found: LabelledPair[] = [];
  for (const part of parseSpec(spec)) {
    for (const file of part.files) {
      const pairs = await readFile(file, part, options);
      found.push(...pairs.filter(({ responses }) => responses[0] !== responses[1]));
    }
  }
  return collect(found, spec, options);
}

/** The pairs of one file, labelled by the dimension that the option names where it names one. */
async function readFile(
  file: string,
  { dimension }: SpecPart,
  options: DatasetOptions,
): Promise<LabelledPair[]> {
  const pairs: LabelledPair[] = [];
  let read: ((row: Row) => LabelledPair | null) | undefined;
  for await (const { value, where } of readRows(file)) {
    const row = { fields: readObject(value, where), where };
    read ??= chooseReader(file, row.fields, dimension).open({
      dimensions: dimension === null
        ? options.dimensions
        : (dimension in row.fields ? [dimension] : undefined),
    });
    const pair = read(row);
    if (pair) pairs.push(pair);
  }
  if (!read) throw new InputError(`Cannot read ${file}: expected at least one row, got none`);
  return dimension === null ? pairs : relabel(pairs, dimension, file);
}

/** The reader of a file whose first row has these fields; throws InputError where none has. */
function chooseReader(
  file: string,
  fields: Record<string, unknown>,
  dimension: string | null,
): DatasetReader {
  const reader = Object.values(readers).find((reader) => reader.recognises(fields));
  if (!reader) {
    const known = Object.values(readers).map(({ fields }) => fields).join("; or ");
    const names = Object.keys(fields).join(", ") || "none";
    throw new InputError(`Cannot read ${file}: expected rows with ${known}, got ${names}`);
  }
  if (!reader.namesDimensions && dimension === null) {
    throw new InputError(
      `Cannot read ${file}: expected the name of its dimension (as in helpful=${file}) for rows ` +
        `with ${reader.fields}, got none`,
    );
  }
  return reader;
}

/** Gives the pairs of a file to one dimension: its own label of that name, or its only one. */
function relabel(pairs: LabelledPair[], dimension: string, file: string): LabelledPair[] {
  const own = labelNames(pairs);
  const source = own.includes(dimension) ? dimension : own[0];
  if (source === undefined || (source !== dimension && own.length > 1)) {
    throw new InputError(
      `Cannot take the dimension ${dimension} from ${file}: expected ${
        own.length > 0 ? `one of its labels ${own.join(", ")}` : "rows with a label"
      }, got ${own.length > 0 ? dimension : "none"}`,
    );
  }
  return pairs.map((pair) => ({ ...pair, labels: { [dimension]: pair.labels[source] ?? null } }));
}

function labelNames(pairs: LabelledPair[]): string[] {
  return [...new Set(pairs.flatMap(({ labels }) => Object.keys(labels)))];
}

/** Puts pairs in the order of the dimensions and checks that each dimension has some. */
function collect(
  pairs: LabelledPair[],
  spec: string,
  options: DatasetOptions,
): PreferenceDataset {
  const known = labelNames(pairs);
  const dimensions = options.dimensions ?? known;
  checkDimensions(dimensions, known, spec);
  const examples = pairs
    .map(({ prompt, responses, labels }): PreferenceExample => ({
      prompt,
      responses,
      better: dimensions.map((name) => labels[name] ?? null),
    }))
    .filter(({ better }) => better.some((label) => label !== null));
  for (const [i, name] of dimensions.entries()) {
    if (examples.some(({ better }) => better[i] !== null)) continue;
    throw new InputError(
      `Cannot use the data set ${spec}: expected pairs in the dimension ${name}, got none`,
    );
  }
  return { dimensions, examples, fingerprint: fingerprintOf(dimensions, examples) };
}

function checkDimensions(dimensions: string[], known: string[], spec: string): void {
  if (known.length === 0) {
    throw new InputError(
      `Cannot use the data set ${spec}: expected pairs of two different responses with a label in ` +
        `some dimension, got none`,
    );
  }
  const wrong = dimensions.find((name) => !known.includes(name));
  if (wrong !== undefined || dimensions.length === 0) {
    throw new InputError(
      `Cannot use the data set ${spec}: expected dimensions out of ${known.join(", ")}, got ${
        wrong || "none"
      }`,
    );
  }
  const repeated = dimensions.find((name, i) => dimensions.indexOf(name) !== i);
  if (repeated !== undefined) {
    throw new InputError(
      `Cannot use the data set ${spec}: expected each dimension once, got ${repeated} twice`,
    );
  }
}

/** sha256 (hex) of what a data set holds. */
export function fingerprintOf(dimensions: string[], examples: PreferenceExample[]): string {
  const hash = createHash("sha256").update(JSON.stringify(dimensions));
  for (const { prompt, responses, better } of examples) {
    const turns = prompt.map(({ role, content }) => [role, content]);
    hash.update(`\n${JSON.stringify([turns, responses, better])}`);
  }
  return hash.digest("hex");
}
