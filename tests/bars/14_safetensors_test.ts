// Bar 14: of thousands of damaged files, our reader takes exactly those that PyPI safetensors takes,
// and sees the same tensors in them. The exceptions are listed: what it takes and we refuse, as two
// readers must not see two different tensors in one file.
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { memorySource } from "../../core/bytes.ts";
import { openSafetensors, safetensorsBits } from "../../core/models/safetensors.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";
import { runPython, whyNoModules } from "../python.ts";

const FILES = 8_000;
/** Why we refuse what PyPI safetensors takes. */
const stricter = [
  /got repeated name/, // a tensor or a field of the metadata twice: it keeps the last
  /expected an object for tensor .*, got \[/, // fields by their order, as in ["U8",[2],[0,2]]
];

/** A tensor of a header, as text, and the bytes it takes. */
interface Written {
  name: string;
  dtype: string;
  shape: number[];
  bytes: number;
}

const names = fc.oneof(
  fc.constantFrom("a", "b", "c", "model.norm.weight", "é", "\\u0061", "", "__proto__", "0"),
  fc.string({ unit: "grapheme-ascii", maxLength: 6 }).map((s) => JSON.stringify(s).slice(1, -1)),
);
const bits: Record<string, number> = safetensorsBits;
const tensor = fc.record({
  name: names,
  dtype: fc.constantFrom(...Object.keys(safetensorsBits)),
  shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
}).map(({ name, dtype, shape }): Written => ({
  ...{ name, dtype, shape },
  bytes: Math.ceil(shape.reduce((product, size) => product * size, bits[dtype] ?? 8) / 8),
}));

/** Files as they should be, but for the order and spacing of their header. */
const file = fc.record({
  tensors: fc.array(tensor, { maxLength: 4 }),
  metadata: fc.constantFrom("", "", '"__metadata__":{"format":"pt"}', '"__metadata__":null'),
  shuffle: fc.boolean(),
  padding: fc.constantFrom("", " ", "\n", "   \t"),
}).map(({ tensors, metadata, shuffle, padding }) => {
  let end = 0;
  const entries = tensors.map(({ name, dtype, shape, bytes }) => {
    const offsets = `[${end},${end += bytes}]`;
    const fields = [`"dtype":"${dtype}"`, `"shape":[${shape}]`, `"data_offsets":${offsets}`];
    return `"${name}":{${(shuffle ? fields.toReversed() : fields).join(",")}}`;
  });
  const fields = [...(metadata === "" ? [] : [metadata]), ...entries];
  const header = `{${(shuffle ? fields.toReversed() : fields).join(",")}}${padding}`;
  return { header, data: Uint8Array.from({ length: end }, (_, i) => 17 * i) };
});

/** A change of the header's text at one of the places that a pattern finds. */
const replaced = (pattern: RegExp, by: string[]) =>
  fc.record({ at: fc.nat(1000), text: fc.constantFrom(...by) }).map(({ at, text }) => {
    return (header: string) => {
      const places = [...header.matchAll(pattern)];
      const place = places[at % Math.max(1, places.length)];
      if (place === undefined) return header;
      return header.slice(0, place.index) + text + header.slice(place.index + place[0].length);
    };
  });
const numbers = ["0", "1", "2", "3", "4", "8", "12", "-1", "-0", "1.0", "1e0", "01", '"1"', "null"];
const headerEdit = fc.oneof(
  replaced(/\d+/g, [...numbers, "18446744073709551616", "9007199254740993", "true", "[1]"]),
  replaced(/"[A-Z]+\d*(_\w+)?"/g, [
    ...['"F32"', '"U8"', '"BF16"', '"f32"', '"F4"', '"F6_E2M3"', '"F6_E3M2"', '"C128"', "7"],
    ...['"I64"', '""', '"F8_E4M3"'],
  ]),
  replaced(/"(dtype|shape|data_offsets)"/g, ['"dtype"', '"shape"', '"extra"', '"Shape"']),
  replaced(/"[^"]*":\{/g, [
    '"a":{',
    '"b":{',
    '"__metadata__":{',
    '"\\ud83d\\ude00":{',
    '"\\udc00":{',
  ]),
  replaced(/[[\]{},:]/g, ["", "[", "]", "{", "}", ",", ":", ",,", " ", "\n", "\u00a0", "\ufeff"]),
  replaced(/\[\d+,\d+\]/g, ["[0,0]", "[0,1]", "[1,0]", "[0,1,2]", "[]", "[0]", "{}", "[0, 4 ]"]),
  replaced(/\{"dtype[^}]*\}/g, ['["U8",[1],[0,1]]', "{}", "null", "[]", '""', '{"a":{"b":{}}}']),
);
const change = fc.record({
  edits: fc.array(headerEdit, { maxLength: 2 }),
  length: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.integer({ min: -3, max: 9 })),
  data: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.integer({ min: -2, max: 2 })),
  flip: fc.oneof({ weight: 6, arbitrary: fc.constant(-1) }, fc.nat(4000)),
  cut: fc.oneof({ weight: 9, arbitrary: fc.constant(-1) }, fc.nat(120)),
});
const damaged = fc.tuple(file, change).map(([{ header, data }, { edits, length, ...rest }]) => {
  const text = new TextEncoder().encode(edits.reduce((text, edit) => edit(text), header));
  const size = Math.max(0, data.length + rest.data);
  const bytes = new Uint8Array(8 + text.length + size);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(text.length + length), true);
  bytes.set(text, 8);
  bytes.set(data.subarray(0, size), 8 + text.length);
  if (rest.flip >= 0) {
    const at = Math.floor(rest.flip / 8) % bytes.length;
    bytes[at] = (bytes[at] ?? 0) ^ 1 << rest.flip % 8;
  }
  return rest.cut >= 0 ? bytes.slice(0, rest.cut) : bytes;
});

const missing = await whyNoModules("safetensors");

Deno.test({
  name: "of damaged files our reader takes what PyPI safetensors takes, but for listed exceptions" +
    (missing === null ? "" : `: skipped, ${missing}`),
  ignore: missing !== null,
  async fn() {
    const files = fc.sample(damaged, { numRuns: FILES, seed: 14 });
    assert(new Set(files.map((bytes) => bytes.toHex())).size >= 5_000);
    await using folder = await temporaryFolder();
    const path = join(folder.path, "files");
    await Deno.writeFile(path, joined(files));
    const script = new URL("./14_safetensors_peer.py", import.meta.url);
    const theirs = await runPython<(Record<string, unknown> | null)[]>(script, { args: [path] });
    assert.equal(theirs.length, FILES);

    const counts = { both: 0, neither: 0, stricter: 0 };
    for (const [i, bytes] of files.entries()) {
      const found = await tensorsOf(bytes);
      const told = `${new TextDecoder().decode(bytes)} (${bytes.toHex()}): ${found}`;
      const their = theirs[i] ?? null;
      if (their === null) {
        assert(found instanceof Error, `we alone take ${told}`);
        counts.neither++;
      } else if (found instanceof Error) {
        assert(stricter.some((reason) => reason.test(found.message)), `we alone refuse ${told}`);
        counts.stricter++;
      } else {
        assert.deepEqual(found, their, told);
        counts.both++;
      }
    }
    // Enough of each, or the comparison would say nothing.
    assert(counts.both > 1_000 && counts.neither > 3_000 && counts.stricter > 20, `${counts}`);
  },
});

/** What our reader sees in a file, as the peer tells it, or why it refuses. */
async function tensorsOf(bytes: Uint8Array): Promise<Record<string, unknown> | Error> {
  try {
    const file = await openSafetensors(memorySource("damaged", bytes));
    const entries = [...file.tensors.keys()].map(async (name) => {
      const { dtype, shape, data } = await file.read(name);
      return [name, [dtype, shape, data.toHex()]];
    });
    return Object.fromEntries(await Promise.all(entries));
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
}

function joined(files: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(files.reduce((sum, { length }) => sum + 4 + length, 0));
  const view = new DataView(whole.buffer);
  let at = 0;
  for (const bytes of files) {
    view.setUint32(at, bytes.length, true);
    whole.set(bytes, at + 4);
    at += 4 + bytes.length;
  }
  return whole;
}
