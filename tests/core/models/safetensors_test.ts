import assert from "node:assert/strict";
import fc from "fast-check";
import { memorySource } from "../../../core/bytes.ts";
import { CorruptFileError } from "../../../core/errors.ts";
import {
  encodeSafetensors,
  float32Tensor,
  openSafetensors,
  type TensorData,
  toFloat32,
} from "../../../core/models/safetensors.ts";
import golden from "../../golden/safetensors_cases.json" with { type: "json" };

/** What PyPI safetensors takes and we refuse: two readers must not see two different tensors. */
const stricter = new Set(["repeated tensor", "repeated metadata field", "tensor as array"]);

for (const { name, bytes, accepted } of golden.cases) {
  const wanted = accepted && !stricter.has(name);
  Deno.test(`openSafetensors() ${wanted ? "accepts" : "refuses"} a file with ${name}`, async () => {
    const opening = openSafetensors(memorySource("a.safetensors", Uint8Array.fromHex(bytes)));
    if (wanted) await opening;
    else await assert.rejects(opening, corruptNaming("a.safetensors"));
  });
}

Deno.test("encodeSafetensors() writes PyPI safetensors' bytes", () => {
  const tensors: Record<string, TensorData> = {
    "a.b": float32Tensor([1], Float32Array.of(0.25)),
    "b.weight": float32Tensor([2, 3], Float32Array.of(0, 1, 2, 3, 4, 5)),
    "é": { dtype: "F16", shape: [1], data: new Uint8Array(Uint16Array.of(0x3e00).buffer) },
    "0": { dtype: "U8", shape: [1, 1], data: Uint8Array.of(7) },
    "a": { dtype: "I64", shape: [2], data: new Uint8Array(BigInt64Array.of(1n, 2n).buffer) },
  };
  assert.equal(encodeSafetensors(tensors).toHex(), golden.written);
});

Deno.test("openSafetensors() reads what encodeSafetensors() wrote", async () => {
  const name = fc.string({ unit: "grapheme", maxLength: 12 }).filter((n) => n !== "__metadata__");
  const tensor = fc.record({
    dtype: fc.constantFrom("U8", "BF16", "F32", "I64"),
    shape: fc.array(fc.nat(3), { maxLength: 3 }),
  }).map(({ dtype, shape }): TensorData => {
    const sizes = { U8: 1, BF16: 2, F32: 4, I64: 8 };
    const length = shape.reduce((a, b) => a * b, sizes[dtype]);
    return { dtype, shape, data: Uint8Array.from({ length }, (_, i) => i * 37) };
  });
  const metadata = fc.dictionary(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), {
    maxKeys: 3,
    noNullPrototype: true,
  });
  await fc.assert(fc.asyncProperty(
    fc.dictionary(name, tensor, { maxKeys: 5, noNullPrototype: true }),
    metadata,
    async (tensors, metadata) => {
      const file = await openSafetensors(memorySource("x", encodeSafetensors(tensors, metadata)));
      assert.deepEqual(file.metadata, metadata);
      assert.deepEqual([...file.tensors.keys()].sort(), Object.keys(tensors).sort());
      for (const [key, value] of Object.entries(tensors)) {
        assert.deepEqual(await file.read(key), value);
      }
    },
  ));
});

Deno.test("openSafetensors() refuses or reads identically any damaged file", async () => {
  const original = encodeSafetensors({
    "model.norm.weight": float32Tensor([4], Float32Array.of(1, 2, 3, 4)),
    "model.layers.0.q": float32Tensor([2, 3], Float32Array.of(1, -2, 3, -4, 5, -6)),
    "ids": { dtype: "I64", shape: [1], data: new Uint8Array(8) },
  }, { format: "pt" });
  const dataStart = 8 + Number(new DataView(original.buffer).getBigUint64(0, true));
  const position = fc.nat(original.length - 1);
  const edit = fc.oneof(
    fc.record({ at: position, byte: fc.nat(255) }).map(({ at, byte }) => (b: Uint8Array) => {
      b = b.slice();
      b[at % b.length] = byte;
      return b;
    }),
    fc.record({ at: position, bit: fc.nat(7) }).map(({ at, bit }) => (b: Uint8Array) =>
      b.map((v, i) => i === at ? v ^ (1 << bit) : v)
    ),
    position.map((length) => (b: Uint8Array) => b.slice(0, length)),
    fc.record({ at: position, bytes: fc.uint8Array({ minLength: 1, maxLength: 9 }) })
      .map(({ at, bytes }) => (b: Uint8Array) =>
        Uint8Array.from([...b.slice(0, at), ...bytes, ...b.slice(at)])
      ),
    // a number of the header replaced by another: shapes, offsets
    fc.record({ which: fc.nat(20), by: fc.constantFrom("0", "1", "9", "99999999999999999999") })
      .map(({ which, by }) => (b: Uint8Array) => {
        const header = new TextDecoder("latin1").decode(b.slice(8, dataStart));
        let count = 0;
        const text = header.replace(/\d+/g, (n) => count++ === which ? by.padStart(n.length) : n);
        if (text.length !== header.length) return b.slice(0, 40);
        return Uint8Array.from([
          ...b.slice(0, 8),
          ...new TextEncoder().encode(text),
          ...b.slice(dataStart),
        ]);
      }),
  );
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 2 }), async (edits) => {
      const bytes = edits.reduce((b, apply) => b.length > 0 ? apply(b) : b, original as Uint8Array);
      const found = await openSafetensors(memorySource("bad.safetensors", bytes)).catch((error) => {
        assert(corruptNaming("bad.safetensors")(error), String(error));
        refused++;
      });
      if (!found) return;
      // taken: then header and tensors account for every byte of the file, once
      let covered = 0;
      for (const [name, entry] of found.tensors) {
        const { data } = await found.read(name);
        assert.equal(data.length, entry.length);
        covered += data.length;
      }
      const header = Number(new DataView(bytes.slice(0, 8).buffer).getBigUint64(0, true));
      assert.equal(8 + header + covered, bytes.length);
    }),
    { numRuns: 4000, seed: 1 },
  );
  assert(refused > 1500, `${refused} refused`);
});

Deno.test("openSafetensors() refuses hostile headers of a mebibyte within a second", async () => {
  const mebibyte = 2 ** 20;
  const hostile = [
    "[".repeat(mebibyte),
    `{"a":${"[".repeat(mebibyte / 2 - 5)}${"]".repeat(mebibyte / 2 - 5)}}`,
    `{"a":"${"x".repeat(mebibyte)}"}`,
    `{${Array.from({ length: 60_000 }, (_, i) => `"${i}":1`).join(",")}}`,
    `{"a":{"dtype":"F32","shape":[${"1,".repeat(mebibyte / 2)}2],"data_offsets":[0,4]}}`,
  ];
  for (const text of hostile) {
    const bytes = new Uint8Array(8 + text.length);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
    bytes.set(new TextEncoder().encode(text), 8);
    const start = performance.now();
    await assert.rejects(
      openSafetensors(memorySource("h.safetensors", bytes)),
      corruptNaming("h.safetensors"),
    );
    assert(performance.now() - start < 1000, text.slice(0, 20));
  }
});

Deno.test("toFloat32() widens halves exactly", () => {
  // F16 0x3555 = 1.0101010101b · 2^-2 = 1365/4096; BF16 0x3eab = 1.0101011b · 2^-2 = 171/512
  const f16 = new Uint8Array(Uint16Array.of(0x3555, 0xfc00, 0x0001).buffer);
  const bf16 = new Uint8Array(Uint16Array.of(0x3eab, 0xff80).buffer);
  assert.deepEqual([...toFloat32({ dtype: "F16", shape: [3], data: f16 })], [
    1365 / 4096,
    -Infinity,
    2 ** -24,
  ]);
  assert.deepEqual([...toFloat32({ dtype: "BF16", shape: [2], data: bf16 })], [
    171 / 512,
    -Infinity,
  ]);
  assert.throws(() => toFloat32({ dtype: "I32", shape: [1], data: new Uint8Array(4) }), TypeError);
});

Deno.test("float32Tensor() and encodeSafetensors() refuse shapes that do not fit", () => {
  assert.throws(() => float32Tensor([2, 2], new Float32Array(3)), TypeError);
  const wrong: TensorData = { dtype: "F32", shape: [2], data: new Uint8Array(4) };
  assert.throws(() => encodeSafetensors({ wrong }), TypeError);
});

function corruptNaming(file: string): (error: unknown) => boolean {
  return (error) => error instanceof CorruptFileError && error.message.includes(file);
}
