// The option `columns`: names of a file's columns for what the readers look for, so that a file of any
// other form is read as one of theirs: `prompt=question,chosen=good,rejected=bad`,
// `prompt=q,response_0=a,response_1=b,label:helpful=winner,score:polite=politeness_a/politeness_b`.
import { InputError } from "../../core/errors.ts";
import { isMessages, malformed, type Row } from "./reader.ts";

/** What a column may be taken for, besides labels and scores. */
const targets = [
  "prompt",
  "system",
  "chosen",
  "rejected",
  "response_0",
  "response_1",
  "dimension",
  "instruction",
  "input",
  "output",
  "completion",
  "messages",
];

/** Columns by what they are taken for. */
export interface ColumnMap {
  /** Field that a reader knows, by the column it is read from. */
  fields: Record<string, string>;
  /** Dimensions that `label:` and `score:` name; undefined where there are none. */
  dimensions?: string[];
  /** The text it was read from, for messages. */
  text: string;
}

/**
 * Reads the option. `label:NAME=COLUMN`: 0 or 1 (which response is better) or nothing;
 * `score:NAME=COLUMN_0/COLUMN_1`: a number for each response, the higher the better. Where they stand
 * beside chosen and rejected, chosen is response 0. A column inside another is written `outer.inner`.
 * Throws InputError for another form, an unknown or repeated name.
 */
export function parseColumns(text: string): ColumnMap {
  const fields: Record<string, string> = {};
  const dimensions: string[] = [];
  const add = (field: string, column: string) => {
    if (Object.hasOwn(fields, field)) throw refused(text, `${field} once`);
    fields[field] = column;
  };
  for (const part of text.split(",")) {
    const [, kind, name = "", column = ""] =
      /^\s*(?:(label|score):)?([\p{L}_][\p{L}\p{N}_-]*)=(.+?)\s*$/u.exec(part) ?? [];
    if (column === "") throw refused(text, "name=column, label:name=column or score:name=a/b");
    if (kind === undefined && !targets.includes(name)) {
      throw refused(text, `names among ${targets.join(", ")}, label:… and score:…`, name);
    }
    if (kind !== undefined) dimensions.push(name);
    if (kind === "score") {
      const [first, second, ...more] = column.split("/");
      if (!first || !second || more.length > 0) throw refused(text, `score:${name}=a/b`, part);
      add(`${name}_score_0`, first);
      add(`${name}_score_1`, second);
    } else {
      add(name, column);
    }
  }
  if (dimensions.length === 0) return { fields, text };
  // Readers of labels call the two responses by number.
  const renamed = Object.entries(fields).map(([field, column]) =>
    [responseNumbers[field] ?? field, column] as const
  );
  if (new Set(renamed.map(([field]) => field)).size < renamed.length) {
    throw refused(text, "chosen and rejected, or response_0 and response_1");
  }
  return { fields: Object.fromEntries(renamed), dimensions, text };
}

const responseNumbers: Record<string, string> = { chosen: "response_0", rejected: "response_1" };

/** Whether a row has any of the columns: a file that has none is read as it is. */
export function mapApplies({ fields }: ColumnMap, row: Record<string, unknown>): boolean {
  return Object.values(fields).some((column) => find(row, column) !== undefined);
}

/**
 * The row as a reader knows it; columns that the map does not name are left out. Throws InputError
 * where a column other than a label's, a score's or the system's is missing.
 */
export function mapColumns(
  { fields, dimensions = [] }: ColumnMap,
  { fields: given, where }: Row,
): Row {
  const mapped: Record<string, unknown> = {};
  const mayMiss = new Set([
    "system",
    "input",
    ...dimensions.flatMap((name) => [name, `${name}_score_0`, `${name}_score_1`]),
  ]);
  for (const [field, column] of Object.entries(fields)) {
    const value = find(given, column);
    if (value === undefined && !mayMiss.has(field)) {
      throw new InputError(
        `Cannot read ${where}: expected the column ${column} (--columns ${field}=${column}), got ${
          Object.keys(given).join(", ") || "none"
        }`,
      );
    }
    mapped[field] = value ?? null;
  }
  return { fields: withSystem(mapped, where), where };
}

/** A system text becomes the first message of the prompt. */
function withSystem(
  { system = null, ...fields }: Record<string, unknown>,
  where: string,
): Record<string, unknown> {
  if (system === null || system === "") return fields;
  if (typeof system !== "string") throw malformed(where, "system", "a text", system);
  const { prompt } = fields;
  const turns = isMessages(prompt) ? prompt : [{ role: "user", content: prompt }];
  return { ...fields, prompt: [{ role: "system", content: system }, ...turns] };
}

/** The value of a column, by its whole name or from inside another. */
function find(row: Record<string, unknown>, column: string): unknown {
  if (Object.hasOwn(row, column)) return row[column];
  const dot = column.indexOf(".");
  const inner = dot < 0 ? undefined : row[column.slice(0, dot)];
  if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return undefined;
  return find({ ...inner }, column.slice(dot + 1));
}

function refused(text: string, expected: string, found = text): InputError {
  return new InputError(`Cannot use columns: expected ${expected}, got ${found}`);
}
