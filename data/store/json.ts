// JSON crossing the disk: written only from plain, finite values, read only through a zod schema.
import { z } from "zod";
import { CorruptFileError, DivergedError } from "../../core/errors.ts";

/**
 * Encodes plain JSON exactly: every finite number, -0 included, reads back bit for bit.
 *
 * @param options.name what the value is called in errors
 * @param options.indent spaces of indentation; 0 puts all on one line
 * @throws {DivergedError} a number is not finite, naming where it lies
 * @throws {TypeError} a value that JSON would silently alter (typed array, bigint, class, function)
 */
export function encodeJson(
  value: unknown,
  { name, indent = 2 }: { name: string; indent?: number },
): string {
  return JSON.stringify(plain(value, name), null, indent);
}

/**
 * Decodes and validates JSON.
 *
 * @throws {CorruptFileError} naming the file: not UTF-8, not JSON, or not of the schema
 */
export function decodeJson<T extends z.ZodType>(
  bytes: Uint8Array,
  { schema, path }: { schema: T; path: string },
): z.infer<T> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new CorruptFileError(
      `Cannot read ${path}: expected JSON, got ${error instanceof Error ? error.message : error}`,
    );
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new CorruptFileError(
    `Cannot read ${path}: expected its schema, got ${describeIssues(result.error)}`,
  );
}

/** The issues of a zod error in one line: `lora_r: Invalid input …; …`. */
export function describeIssues(error: z.ZodError): string {
  return error.issues
    .map(({ path, message }) => `${path.length > 0 ? `${path.join(".")}: ` : ""}${message}`)
    .join("; ");
}

function plain(value: unknown, where: string): unknown {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return exactNumber(value, where);
  if (isRawJSON(value)) return value; // written as it is, such as 30.0
  if (Array.isArray(value)) return value.map((item, i) => plain(item, `${where}[${i}]`));
  if (typeof value === "object" && isPlainObject(value)) {
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([key, item]) => [key, plain(item, `${where}.${key}`)]),
    );
  }
  throw new TypeError(
    `Cannot save ${where}: expected plain JSON, got ${Object.prototype.toString.call(value)}`,
  );
}

// JSON.stringify(-0) is "0"; a resumed run must see the same bits.
const { rawJSON, isRawJSON } = JSON as typeof JSON & {
  rawJSON(text: string): unknown;
  isRawJSON(value: unknown): boolean;
};

function exactNumber(value: number, where: string): unknown {
  if (!Number.isFinite(value)) {
    throw new DivergedError(`Cannot save ${where}: expected a finite number, got ${value}`);
  }
  return Object.is(value, -0) ? rawJSON("-0") : value;
}

function isPlainObject(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
