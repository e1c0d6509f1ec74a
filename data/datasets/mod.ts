// Preference data by the text of the dataset option: the table of file formats, the table of data
// sets with a name of their own, and how files become one data set with M dimensions.
// First stop of the flow; core/text/pairs.ts comes next.
import { createHash } from "node:crypto";
import { InputError } from "../../core/errors.ts";
import type { PreferenceDataset, PreferenceExample } from "../../core/text/example.ts";
import { loadBuiltin } from "../builtin/mod.ts";
import { type ColumnMap, parseColumns } from "./column_map.ts";
import { columns } from "./columns.ts";
import { domains } from "./domains.ts";
import { helpsteer, helpsteerPairs } from "./helpsteer.ts";
import { hh } from "./hh.ts";
import { hummer } from "./hummer.ts";
import { withRows } from "./mapped_rows.ts";
import { dataFiles } from "./places.ts";
import type { DatasetReader, LabelledPair, LeftOut } from "./reader.ts";
import { safeRlhf } from "./safe_rlhf.ts";
import { parseSpec, type SpecPart } from "./spec.ts";
import { trl } from "./trl.ts";
import { ultrafeedback } from "./ultrafeedback.ts";

/** File formats; the first that recognises a file's first row reads the file. */
export const readers: Record<string, DatasetReader> = {
  hh,
  hummer,
  trl,
  helpsteer,
  helpsteer_pairs: helpsteerPairs,
  ultrafeedback,
  domains,
  safe_rlhf: safeRlhf,
  columns,
};

/** What may be asked of a data set. */
export interface DatasetOptions {
  /** Names of the dimensions to use, in the order of the preference vector. Default: all. */
  dimensions?: string[];
  /** Which columns to take for what, as the option `columns` says it; files without them ignore it. */
  columns?: string;
}

/** What was read, and what of it made no example. */
export interface ReadingReport {
  files: string[];
  rows: number;
  /** Pairs that the rows gave; several a row in some formats. */
  pairs: number;
  leftOut: {
    /** Rows whose chosen and rejected response have different prompts. */
    twoPrompts: number;
    /** Pairs of two identical responses. */
    identical: number;
    /** Pairs without a label in the dimensions used. */
    unlabelled: number;
  };
}

/** More dimensions than that are a mistake in the columns, or a simplex that nothing can cover. */
const MOST_DIMENSIONS = 10;

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
 * dimension that does not exist or has no pairs, more than 10 dimensions, and an empty set.
 */
export async function loadDataset(
  spec: string,
  options: DatasetOptions = {},
): Promise<PreferenceDataset> {
  return (await readDataset(spec, options)).dataset;
}

/** The same with what was left out; `reading` is null for a data set that needs no file. */
export async function readDataset(
  spec: string,
  options: DatasetOptions = {},
): Promise<{ dataset: PreferenceDataset; reading: ReadingReport | null }> {
  const named = namedDataset(spec);
  if (named !== null) {
    const dataset = await namedDatasets[named.name]?.({ ...options, variant: named.variant });
    if (dataset) return { dataset, reading: null };
  }
  const map = options.columns === undefined ? undefined : parseColumns(options.columns);
  const reading: ReadingReport = {
    files: [],
    rows: 0,
    pairs: 0,
    leftOut: { twoPrompts: 0, identical: 0, unlabelled: 0 },
  };
  const different: LabelledPair[] = [];
  for (const part of parseSpec(spec)) {
    for (const place of part.files) {
      for (const file of await dataFiles(place)) {
        reading.files.push(file);
        for (const pair of await readFile(file, part, { ...options, map, reading })) {
          reading.pairs++;
          if (pair.responses[0] === pair.responses[1]) reading.leftOut.identical++;
          else different.push(pair);
        }
      }
    }
  }
  const dataset = collect(different, spec, {
    dimensions: options.dimensions,
    order: map?.dimensions ?? [],
  });
  reading.leftOut.unlabelled = different.length - dataset.examples.length;
  return { dataset, reading };
}

/** The pairs of one file, labelled by the dimension that the option names where it names one. */
async function readFile(
  file: string,
  { dimension }: SpecPart,
  { dimensions: wanted, map, reading }: {
    dimensions?: string[];
    map?: ColumnMap;
    reading: ReadingReport;
  },
): Promise<LabelledPair[]> {
  const pairs = await withRows(file, map, async ({ rows, first, mapped }) => {
    const reader = chooseReader(file, first.fields, dimension);
    const own = mapped ? map?.dimensions : undefined;
    const named = dimension !== null && reader.mayLabel?.(first.fields, dimension);
    const { read, end } = reader.open({
      dimensions: dimension === null ? wanted ?? own : named ? [dimension] : own,
      onLeftOut: (reason) => leftOutOf[reason](reading),
    });
    const found: LabelledPair[] = [];
    for await (const row of rows) {
      reading.rows++;
      for (const pair of read(row)) found.push(pair);
    }
    for (const pair of end?.() ?? []) found.push(pair);
    return found;
  });
  return dimension === null ? pairs : relabel(pairs, dimension, file);
}

const leftOutOf: Record<LeftOut, (reading: ReadingReport) => void> = {
  two_prompts: ({ leftOut }) => leftOut.twoPrompts++,
};

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
    throw new InputError(
      `Cannot read ${file}: expected rows with ${known}; or --columns that say what is what, ` +
        `got ${names}`,
    );
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
  const names = new Set<string>();
  for (const { labels } of pairs) for (const name of Object.keys(labels)) names.add(name);
  return [...names];
}

/**
 * Puts pairs in the order of the dimensions (all of them: `order` first, then as they were found) and
 * checks that each dimension has some.
 */
function collect(
  pairs: LabelledPair[],
  spec: string,
  { dimensions: wanted, order }: { dimensions?: string[]; order: string[] },
): PreferenceDataset {
  const found = labelNames(pairs);
  const known = [...new Set([...order.filter((name) => found.includes(name)), ...found])];
  const dimensions = wanted ?? known;
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
  if (dimensions.length > MOST_DIMENSIONS) {
    throw new InputError(
      `Cannot use the data set ${spec}: expected at most ${MOST_DIMENSIONS} dimensions ` +
        `(--dimensions chooses some), got ${dimensions.length}: ${dimensions.join(", ")}`,
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
