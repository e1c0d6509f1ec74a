// The text of the options reward_model and reward_scale: `helpful=runs/a,harmless=runs/b` names a
// source per dimension, `runs/a` one for all; `harmless=5` multiplies that dimension's reward.
import { InputError } from "../../core/errors.ts";

/** A source, and the dimension it rewards; null: all of them. */
export interface RewardPart {
  dimension: string | null;
  source: string;
}

/** Reads the option reward_model; throws InputError where it is neither of the two forms. */
export function parseRewards(spec: string): RewardPart[] {
  const parts = spec.split(",").map((part): RewardPart => {
    // A name has no slash or dot, so that a path with = in it is still a path.
    const named = /^\s*([\p{L}_][\p{L}\p{N}_-]*)=(.*)$/su.exec(part);
    return { dimension: named?.[1] ?? null, source: (named?.[2] ?? part).trim() };
  });
  const names = parts.map(({ dimension }) => dimension);
  if (parts.length > 1 && names.includes(null)) {
    throw refused(spec, "dimension=SOURCE in every part, or one source for all dimensions");
  }
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated) throw refused(spec, `one source for the dimension ${repeated}`);
  if (parts.some(({ source }) => source === "")) throw refused(spec, "a source in every part");
  return parts;
}

/** The source of each of `dimensions`; throws InputError where one has none, or is not theirs. */
export function sourcesByDimension(spec: string, dimensions: string[]): string[] {
  const parts = parseRewards(spec);
  const unknown = parts.find(({ dimension }) =>
    dimension !== null && !dimensions.includes(dimension)
  );
  if (unknown) throw refused(spec, `dimensions among ${dimensions.join(", ")}`);
  return dimensions.map((name) => {
    const part = parts.find(({ dimension }) => dimension === null || dimension === name);
    if (part === undefined) throw refused(spec, `a source for the dimension ${name}`);
    return part.source;
  });
}

/** Factors (M) of the option reward_scale, 1 where it names none; throws InputError. */
export function parseScale(text: string | undefined, dimensions: string[]): number[] {
  const scale = dimensions.map(() => 1);
  if (text === undefined) return scale;
  for (const part of text.split(",")) {
    const at = part.lastIndexOf("=");
    const index = dimensions.indexOf(part.slice(0, Math.max(at, 0)).trim());
    const value = Number(part.slice(at + 1).trim() || NaN);
    if (at < 0 || index < 0 || !(value > 0 && value < Infinity)) {
      throw new InputError(
        `Cannot read reward_scale: expected name=factor with a name among ${
          dimensions.join(", ")
        } and a factor above 0, got ${JSON.stringify(part.trim())}`,
      );
    }
    scale[index] = value;
  }
  return scale;
}

function refused(spec: string, expected: string): InputError {
  return new InputError(`Cannot read the reward_model option: expected ${expected}, got ${spec}`);
}
