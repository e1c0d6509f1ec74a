// λ of a request, in whichever of its forms it stands: a list or names in one parameter, a parameter
// per dimension, or JSON. One form at a time, plain decimal numbers, every dimension once; what the
// numbers may be is core/preference's to say.
import { InputError } from "../core/errors.ts";
import { parsePreference, toPreference } from "../core/preference.ts";

/** The forms of λ; each may be missing. */
export interface GivenPreference {
  /** `preference=0.7,0.3` or `preference=helpful=0.7,harmless=0.3`, or the end of a model id. */
  text?: string;
  /** `helpful=0.7&harmless=0.3`: parameters that are nothing else. */
  weights?: Record<string, string>;
  /** The field `preference` of a body. */
  json?: number[] | Record<string, number> | null;
}

const WEIGHT = /^\d+(\.\d+)?([eE][+-]?\d+)?$/;

/** λ (M) with sum 1, or null where none is given; throws InputError naming what cannot be used. */
export function readPreference(
  { text, weights = {}, json }: GivenPreference,
  dimensions: string[],
): number[] | null {
  const names = Object.keys(weights);
  const unknown = names.filter((name) => !dimensions.includes(name));
  if (unknown.length > 0) throw new InputError(describeUnknown(unknown, dimensions));
  const forms = [text !== undefined, names.length > 0, json !== undefined && json !== null];
  if (forms.filter((given) => given).length > 1) {
    throw new InputError("Cannot use preference: expected it in one place, got it in several");
  }
  if (dimensions.length === 0 && forms.includes(true)) {
    throw new InputError(
      "Cannot use preference: expected none for a base without adapter, got one",
    );
  }
  if (text !== undefined) {
    for (const part of text.split(",")) {
      const at = part.lastIndexOf("=");
      readWeight(at < 0 ? "preference" : part.slice(0, at).trim(), part.slice(at + 1).trim());
    }
    return parsePreference(text, dimensions);
  }
  if (names.length > 0) {
    const numbers = names.map((name) => [name, readWeight(name, weights[name] ?? "")]);
    return toPreference(Object.fromEntries(numbers), dimensions);
  }
  if (json === undefined || json === null) return null;
  return toPreference(json, dimensions).map((weight) => weight + 0); // JSON has a −0
}

function readWeight(name: string, text: string): number {
  if (WEIGHT.test(text)) return Number(text);
  throw new InputError(
    `Cannot read preference: expected a decimal number ≥ 0 for ${clip(name)}, got ${clip(text)}`,
  );
}

function describeUnknown(names: string[], dimensions: string[]): string {
  return `Cannot use preference: expected dimensions among ${dimensions.join(", ") || "none"}, ` +
    `got unknown parameter ${names.map(clip).join(", ")}`;
}

function clip(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
