// Instruction data by the text of the dataset option: the table of file formats, the table of data
// sets with a name of their own, and how files become one data set.
// First stop of supervised fine-tuning; core/text/instructions.ts comes next.
import { createHash } from "node:crypto";
import { InputError } from "../../../core/errors.ts";
import type { InstructionDataset, InstructionExample } from "../../../core/text/example.ts";
import { heldOutCorpus, sftCorpus } from "../../builtin/corpus.ts";
import { createWorld } from "../../builtin/world.ts";
import { readRows } from "../jsonl.ts";
import { readObject, type Row } from "../reader.ts";
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
  { split = "train" }: InstructionOptions = {},
): Promise<InstructionDataset> {
  const named = Object.hasOwn(namedInstructions, spec) ? namedInstructions[spec] : undefined;
  const examples = named?.[split]() ?? await readFiles(spec);
  if (examples.length === 0) {
    throw new InputError(
      `Cannot use the data set ${spec}: expected rows in which the assistant says something, got none`,
    );
  }
  return instructionDataset(examples);
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

async function readFiles(spec: string): Promise<InstructionExample[]> {
  const [part, ...others] = parseSpec(spec);
  if (part === undefined || part.dimension !== null || others.length > 0) {
    throw new InputError(
      "Cannot read the dataset option: expected instruction files joined by +, which belong to no " +
        `dimension, got ${spec}`,
    );
  }
  const examples: InstructionExample[] = [];
  for (const file of part.files) {
    let read: ((row: Row) => InstructionExample | null) | undefined;
    for await (const { value, where } of readRows(file)) {
      const row = { fields: readObject(value, where), where };
      read ??= chooseReader(file, row.fields).read;
      const example = read(row);
      if (example) examples.push(example);
    }
    if (!read) throw new InputError(`Cannot read ${file}: expected at least one row, got none`);
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
  throw new InputError(`Cannot read ${file}: expected rows with ${known}, got ${names}`);
}
