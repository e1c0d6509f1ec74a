// Command-line flags out of a zod object: names, help, defaults and what is right all come from
// the schema, so that a setting is written once. Every command reads its flags through this file;
// commands/run_config.ts puts YAML and presets underneath them.
import { type Command, Option } from "commander";
import { closest } from "fastest-levenshtein";
import { z } from "zod";
import { InputError } from "../core/errors.ts";

/** One setting of a schema as a flag `--name`. */
export interface Flag {
  name: string; // snake_case, as in the schema
  kind: "string" | "number" | "integer" | "boolean";
  expected: string; // "a whole number above 0", for messages
  choices: string[];
  description: string;
  default?: unknown;
  required: boolean;
}

/**
 * The flags of a zod object of strings, numbers, booleans and enums, in the schema's order.
 * Throws TypeError for a field that a flag cannot carry.
 */
export function flagsOf(schema: z.ZodObject): Flag[] {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: "input" });
  return Object.entries(properties).map(([name, field]) => {
    const kind = typeof field === "object" ? field.type : undefined;
    if (
      typeof field !== "object" ||
      (kind !== "string" && kind !== "number" && kind !== "integer" && kind !== "boolean")
    ) {
      throw new TypeError(
        `Cannot make --${name}: expected a string, number or boolean, got ${kind}`,
      );
    }
    return {
      name,
      kind,
      expected: expectedValue(field),
      choices: (field.enum ?? []).map(String),
      description: field.description ?? "",
      default: field.default,
      required: required.includes(name),
    };
  });
}

/**
 * Adds the flags to a commander command, each under the heading that `groups` gives its name or
 * the last name before it. No default reaches commander: only what was typed comes back.
 */
export function declareFlags(
  command: Command,
  flags: Flag[],
  groups: Record<string, string> = {},
): void {
  let group = "Settings:";
  for (const flag of flags) {
    group = groups[flag.name] ?? group;
    // The value is optional for commander so that a missing one is refused by readFlags, in the
    // same words as a wrong one, and `--beta --json` does not take `--json` for the value.
    const option = new Option(`--${flag.name} [${placeholder(flag)}]`, helpText(flag));
    command.addOption(option.helpGroup(group));
  }
}

/**
 * The settings typed on the command line, checked; missing ones are left out.
 * Throws InputError naming the flag and what is right.
 */
export function readFlags(command: Command, schema: z.ZodObject): Record<string, unknown> {
  const typed = command.opts();
  const values: Record<string, unknown> = {};
  for (const flag of flagsOf(schema)) {
    const given: unknown = typed[flag.name];
    if (given === undefined) continue;
    if (given === true && flag.kind !== "boolean") {
      throw new InputError(`Cannot use --${flag.name}: expected ${flag.expected}, got no value`);
    }
    const value = typeof given === "string" ? parseText(flag, given) : given;
    values[flag.name] = checkValue(schema, flag, { value, label: `--${flag.name}`, given });
  }
  return values;
}

/**
 * All settings of a command that has no layer but the schema's defaults underneath its flags.
 * Throws InputError naming the flag that is wrong or missing.
 */
export function parseFlags<T extends z.ZodObject>(command: Command, schema: T): z.output<T> {
  const values = readFlags(command, schema);
  const missing = flagsOf(schema).find((flag) => flag.required && !(flag.name in values));
  if (missing) {
    throw new InputError(
      `Cannot run ${command.name()}: expected --${missing.name} (${missing.description}), got none`,
    );
  }
  return schema.parse(values);
}

/** A value checked against the field of the schema; `label` and `given` are for the message. */
export function checkValue(
  schema: z.ZodObject,
  flag: Flag,
  { value, label, given }: { value: unknown; label: string; given: unknown },
): unknown {
  const result = schema.shape[flag.name]?.safeParse(value);
  // An empty string would pass as a path or pattern and be mistaken for "not set" later.
  if (!result?.success || value === "") {
    throw new InputError(
      `Cannot use ${label}: expected ${flag.expected}, got ${JSON.stringify(given)}`,
    );
  }
  return value;
}

/**
 * The known name with the fewest edits to a wrong one; names that begin with the wrong one go
 * first, then those that hold it, so that `--model` finds `--model_name_or_path` and not something
 * short.
 */
export function nearestName(wrong: string, names: string[]): string {
  const part = wrong.replace(/^-+/, "");
  const holding = part === "" ? [] : names.filter((name) => name.includes(part));
  const beginning = holding.filter((name) => name.replace(/^-+/, "").startsWith(part));
  return closest(wrong, [beginning, holding].find(({ length }) => length > 0) ?? names);
}

/** `text` in the flag's type, or unchanged where it is not of that type. */
function parseText(flag: Flag, text: string): unknown {
  const number = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;
  switch (flag.kind) {
    case "string":
      return text;
    case "number":
    case "integer":
      return number.test(text) ? Number(text) : text;
    case "boolean":
      return text === "true" ? true : text === "false" ? false : text;
    default:
      return flag.kind satisfies never;
  }
}

type Field = z.core.JSONSchema.JSONSchema;

function expectedValue(field: Field): string {
  if (field.enum) return `one of ${field.enum.join(", ")}`;
  switch (field.type) {
    case "boolean":
      return "true or false";
    case "integer":
      return `a whole number${range(field)}`;
    case "number":
      return `a number${range(field)}`;
    default:
      return "text";
  }
}

function range(field: Field): string {
  const { minimum, exclusiveMinimum, maximum, exclusiveMaximum } = field;
  const largest = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (minimum !== undefined && largest !== undefined) return ` from ${minimum} to ${largest}`;
  const limits = [];
  if (minimum !== undefined) limits.push(`of at least ${minimum}`);
  if (exclusiveMinimum !== undefined) limits.push(`above ${exclusiveMinimum}`);
  if (largest !== undefined) limits.push(`at most ${largest}`);
  if (exclusiveMaximum !== undefined) limits.push(`below ${exclusiveMaximum}`);
  return limits.length ? ` ${limits.join(" and ")}` : "";
}

function placeholder(flag: Flag): string {
  if (flag.choices.length) return flag.choices.join("|");
  return { string: "text", number: "number", integer: "n", boolean: "true|false" }[flag.kind];
}

function helpText(flag: Flag): string {
  if (flag.required) return `${flag.description} (required)`;
  return flag.default === undefined || flag.default === ""
    ? flag.description
    : `${flag.description} (default: ${String(flag.default)})`;
}
