// What a reader of preference data is: one file format, recognised by its fields. The table of
// readers is in mod.ts. Fields are read here for readers of instruction data too.
import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import type { Message } from "../../core/text/example.ts";

/** A row of a data file: two responses to a prompt, and per named dimension which is better. */
export interface LabelledPair {
  prompt: Message[];
  responses: [string, string];
  /** Index of the better response by dimension; null where the row has no label for it. */
  labels: Record<string, 0 | 1 | null>;
}

/** A row as it stands in the file, and `file:line` for messages. */
export interface Row {
  fields: Record<string, unknown>;
  where: string;
}

/** Why a row gives no pair although nothing is wrong with it. */
export type LeftOut = "two_prompts";

/** What a reader is told of the file it starts on. */
export interface ReaderOptions {
  /** The only dimensions of interest; all where it is missing. */
  dimensions?: string[];
  /** To be called for a row that is left out. */
  onLeftOut: (reason: LeftOut) => void;
}

/** A file being read. */
export interface Reading {
  /**
   * The pairs that a row gives, none where it is left out or waits for others. Throws InputError
   * naming file, line and field for a malformed row.
   */
  read(row: Row): LabelledPair[];
  /** The pairs of the rows that waited. */
  end?(): LabelledPair[];
}

/** A file format. */
export interface DatasetReader {
  /** What its rows hold, for messages: `chosen, rejected`. */
  fields: string;
  /** Whether rows say themselves which dimension they label. */
  namesDimensions: boolean;
  /** Whether a file whose first row has these fields is of this format. */
  recognises(fields: Record<string, unknown>): boolean;
  /** Whether its first row could label this dimension; missing: rows do not name dimensions so. */
  mayLabel?(fields: Record<string, unknown>, dimension: string): boolean;
  /** Starts on a file. */
  open(options: ReaderOptions): Reading;
}

/** The label under which a reader gives pairs whose dimension is named outside the file. */
export const unnamed = "";

const Messages = z.array(
  z.looseObject({ role: z.enum(["system", "user", "assistant"]), content: z.string() }),
).min(1);
const Prompt = z.union([z.string().min(1), Messages]);

/** Whether a value is a list of turns. */
export function isMessages(value: unknown): value is Message[] {
  return Messages.safeParse(value).success;
}

/** A field that holds the turns of a dialogue. */
export function readMessages({ fields, where }: Row, field: string): Message[] {
  const parsed = Messages.safeParse(fields[field]);
  if (!parsed.success) {
    const form = "a list of {role, content} with the roles system, user and assistant";
    throw malformed(where, field, form, fields[field]);
  }
  return parsed.data.map(({ role, content }) => ({ role, content }));
}

/** A prompt field as messages: a string is one turn of the user. */
export function readPrompt({ fields, where }: Row): Message[] {
  const parsed = Prompt.safeParse(fields.prompt);
  if (!parsed.success) {
    throw malformed(where, "prompt", "a text or a list of {role, content}", fields.prompt);
  }
  return typeof parsed.data === "string"
    ? [{ role: "user", content: parsed.data }]
    : parsed.data.map(({ role, content }) => ({ role, content }));
}

/** A row's fields; throws InputError where it is no JSON object. */
export function readObject(value: unknown, where: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  const found = JSON.stringify(value).slice(0, 40);
  throw new InputError(`Cannot read ${where}: expected one JSON object a line, got ${found}`);
}

/** A field that holds text. */
export function readText({ fields, where }: Row, field: string): string {
  const value = fields[field];
  if (typeof value !== "string") throw malformed(where, field, "a text", value);
  return value;
}

/** A field that holds the index of a response, or nothing. */
export function readLabel({ fields, where }: Row, field: string): 0 | 1 | null {
  const value = fields[field];
  if (value === undefined || value === null) return null;
  if (value === 0 || value === 1) return value;
  throw malformed(where, field, "0, 1 or nothing", value);
}

/** A number out of a field, null where it holds nothing. */
export function readScore({ fields, where }: Row, field: string): number | null {
  const value = fields[field] ?? null;
  if (value === null) return null;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw malformed(where, field, "a number or nothing", value);
}

/** The label that two scores give, the higher the better: null where they are equal or one is missing. */
export function labelOfScores(first: number | null, second: number | null): 0 | 1 | null {
  if (first === null || second === null || first === second) return null;
  return first > second ? 0 : 1;
}

/** Every two of a list, in its order. */
export function everyTwo<T>(all: T[]): [T, T][] {
  return all.flatMap((first, i) => all.slice(i + 1).map((second): [T, T] => [first, second]));
}

/** A response with its ratings by dimension, null where it has none. */
export interface Rated {
  response: string;
  ratings: Record<string, number | null>;
}

/** Two rated responses as a pair: each of the dimensions `names` prefers the higher rating. */
export function ratedPair(
  prompt: Message[],
  [first, second]: [Rated, Rated],
  names: string[],
): LabelledPair {
  const label = (name: string) =>
    labelOfScores(first.ratings[name] ?? null, second.ratings[name] ?? null);
  return {
    prompt,
    responses: [first.response, second.response],
    labels: Object.fromEntries(names.map((name) => [name, label(name)])),
  };
}

/** The error for a field of a row that is not as it should be. */
export function malformed(
  where: string,
  field: string,
  ...[expected, found]: [string, unknown]
): InputError {
  const text = JSON.stringify(found) ?? "nothing";
  return new InputError(
    `Cannot read ${where}: expected ${expected} in the field ${field}, got ${
      text.length > 60 ? `${text.slice(0, 60)}…` : text
    }`,
  );
}
