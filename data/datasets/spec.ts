// The text of the dataset option: `helpful=A.jsonl.gz+A2.jsonl.gz,harmless=B.jsonl.gz` gives each
// dimension its files, `ROWS.jsonl.gz+MORE.jsonl.gz` names files whose rows label themselves.
import { InputError } from "../../core/errors.ts";

/** Files of one dimension, or (dimension null) files whose rows name their dimensions. */
export interface SpecPart {
  dimension: string | null;
  files: string[];
}

/** Reads the dataset option; throws InputError where it is neither of the two forms. */
export function parseSpec(spec: string): SpecPart[] {
  const parts = spec.split(",").map(parsePart);
  const names = parts.map(({ dimension }) => dimension);
  if (parts.length > 1 && names.includes(null)) {
    throw refused(spec, "name=FILE in every part, or one list of files joined by +");
  }
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated) throw refused(spec, `the dimension ${repeated} once, its files joined by +`);
  if (parts.some(({ files }) => files.includes(""))) throw refused(spec, "a file in every part");
  return parts;
}

/** The option with every file replaced, in turn, by what `place` gives for it. Throws as parseSpec. */
export async function mapSpec(
  spec: string,
  place: (file: string) => Promise<string>,
): Promise<string> {
  const parts: string[] = [];
  for (const { dimension, files } of parseSpec(spec)) {
    const places: string[] = [];
    for (const file of files) places.push(await place(file));
    parts.push((dimension === null ? "" : `${dimension}=`) + places.join("+"));
  }
  return parts.join(",");
}

function parsePart(part: string): SpecPart {
  // A name has no slash or dot, so that a path with = in it is still a path.
  const named = /^\s*([\p{L}_][\p{L}\p{N}_-]*)=(.*)$/su.exec(part);
  const files = (named?.[2] ?? part).split("+").map((file) => file.trim());
  return { dimension: named?.[1] ?? null, files };
}

function refused(spec: string, expected: string): InputError {
  return new InputError(`Cannot read the dataset option: expected ${expected}, got ${spec}`);
}
