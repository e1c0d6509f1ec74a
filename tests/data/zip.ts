// Writes small zip files for the tests, so that none has to be kept.
import { deflateRawSync } from "node:zlib";

/** A zip of files; `stored` ones are not deflated. Dates and checksums are left zero. */
export function makeZip(
  files: Record<string, Uint8Array>,
  { stored = [], comment = "" }: { stored?: string[]; comment?: string } = {},
): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(files)) {
    const method = stored.includes(name) ? 0 : 8;
    const packed = method === 0 ? content : new Uint8Array(deflateRawSync(content));
    const bytes = new TextEncoder().encode(name);
    const extra = new Uint8Array(7); // local headers have extra fields that the directory lacks
    const common = [[2, 20], [2, 0], [2, method], [4, 0], [4, 0]];
    const sizes = [[4, packed.length], [4, content.length], [2, bytes.length]];
    const local = fields([[4, 0x04034b50], ...common, ...sizes, [2, extra.length]]);
    const entry = fields([
      ...[[4, 0x02014b50], [2, 20], ...common, ...sizes, [2, 0], [2, 0]],
      ...[[2, 0], [2, 0], [4, 0], [4, offset]],
    ]);
    parts.push(local, bytes, extra, packed);
    directory.push(entry, bytes);
    offset += local.length + bytes.length + extra.length + packed.length;
  }
  const count = Object.keys(files).length;
  const length = directory.reduce((sum, part) => sum + part.length, 0);
  const end = fields([
    ...[[4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count]],
    ...[[4, length], [4, offset], [2, comment.length]],
  ]);
  return concatenate([...parts, ...directory, end, new TextEncoder().encode(comment)]);
}

function fields(values: number[][]): Uint8Array {
  return concatenate(
    values.map(([bytes = 0, value = 0]) =>
      Uint8Array.from({ length: bytes }, (_, i) => (value >>> (8 * i)) & 255)
    ),
  );
}

function concatenate(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
