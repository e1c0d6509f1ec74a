// Instruction data by the text of the dataset option: the table of file formats, the table of data
// sets with a name of their own, and how files become one data set.
// First stop of supervised fine-tuning; core/text/instructions.ts comes next.
import { createHash } from "node:crypto";
import { InputError } from "../../../core/errors.ts";
import type { InstructionDataset, InstructionExample } from "../../../core/text/example.ts";
import { heldOutCorpus, sftCorpus } from "../../builtin/corpus.ts";
import { createWorld } from "../../builtin/world.ts";
import { parseColumns } from "../column_map.ts";
import { withRows } from "../mapped_rows.ts";
import { dataFiles } from "../places.ts";
import { parseSpec } from "../spec.ts";
import { alpaca } from "./alpaca.ts";
import { messages } from "./messages.ts";
import { promptCompletion } from "./prompt_completion.ts";
import type { InstructionReader } from "./reader.ts";

/** File formats; the first that recognises a file's first row reads the file. */
export const instructionReaders: Record<string, InstructionReader> = {
  messages,
  prompt_completion: promptCompletion,
  alpaca,
};

/** What may be asked of a data set. */
export interface InstructionOptions {
  /** Which rows of a data set that has both; files have no such split. Default: train. */
  split?: "train" | "test";
  /** Which columns to take for what, as the option `columns` says it; files without them ignore it. */
  columns?: string;
}

/** What was read. */
export interface InstructionReading {
  files: string[];
  rows: number;
  /** Rows in which the assistant says nothing. */
  silent: number;
}

/** Data sets that need no file, by the dataset option that names them. */
export const namedInstructions: Record<
  string,
  Record<"train" | "test", () => InstructionExample[]>
> = {
  builtin: {
    train: () => sftCorpus(createWorld()),
    test: () => heldOutCorpus(createWorld()),
  },
};

/**
 * The examples that the dataset option names (`FILE+FILE2`, or a data set's own name), in the order
 * of the files. Left out: rows in which the assistant says nothing. The fingerprint is the sha256
 * (hex) of the examples, not of the files.
 * Throws InputError for a missing or unknown file, a file given to a dimension, a malformed row
 * (with file, line and field), and an empty set.
 */
export async function loadInstructions(
  spec: string,
  options: InstructionOptions = {},
): Promise<InstructionDataset> {
  return (await readInstructions(spec, options)).dataset;
}

/** The same with what was read; `reading` is null for a data set that needs no file. */
export async function readInstructions(
  spec: string,
  { split = "train", columns }: InstructionOptions = {},
): Promise<{ dataset: InstructionDataset; reading: InstructionReading | null }> {
  const named = Object.hasOwn(namedInstructions, spec) ? namedInstructions[spec] : undefined;
  const reading: InstructionReading = { files: [], rows: 0, silent: 0 };
  const examples = named?.[split]() ?? await readFiles(spec, { columns, reading });
  if (examples.length === 0) {
    throw new InputError(
      `Cannot use the data set ${spec}: expected rows in which the assistant says something, got none`,
    );
  }
  return { dataset: instructionDataset(examples), reading: named ? null : reading };
}

/** Examples with their fingerprint. */
export function instructionDataset(examples: InstructionExample[]): InstructionDataset {
  const hash = createHash("sha256").update("instructions");
  const turns = (messages: InstructionExample["prompt"]) =>
    messages.map(({ role, content }) => [role, content]);
  for (const { prompt, completion } of examples) {
    hash.update(`\n${JSON.stringify([turns(prompt), turns(completion)])}`);
  }
  return { examples, fingerprint: hash.digest("hex") };
}

async function readFiles(
  spec: string,
  { columns, reading }: { columns?: string; reading: InstructionReading },
): Promise<InstructionExample[]> {
  const [part, ...others] = parseSpec(spec);
  if (part === undefined || part.dimension !== null || others.length > 0) {
    throw new InputError(
      "Cannot read the dataset option: expected instruction files joined by +, which belong to no " +
        `dimension, got ${spec}`,
    );
  }
  const map = columns === undefined ? undefined : parseColumns(columns);
  const examples: InstructionExample[] = [];
  for (const file of (await Promise.all(part.files.map(dataFiles))).flat()) {
    reading.files.push(file);
    await withRows(file, map, async ({ rows, first }) => {
      const reader = chooseReader(file, first.fields);
      for await (const row of rows) {
        reading.rows++;
        const example = reader.read(row);
        if (example) examples.push(example);
        else reading.silent++;
      }
    });
  }
  return examples;
}

/** The reader of a file whose first row has these fields; throws InputError where none has. */
function chooseReader(file: string, fields: Record<string, unknown>): InstructionReader {
  const all = Object.values(instructionReaders);
  const reader = all.find((reader) => reader.recognises(fields));
  if (reader) return reader;
  const known = all.map(({ fields }) => fields).join("; or ");
  const names = Object.keys(fields).join(", ") || "none";
  throw new InputError(
    `Cannot read ${file}: expected rows with ${known}; or --columns that say what is what, ` +
      `got ${names}`,
  );
}
