import assert from "node:assert/strict";
import { blockTypes } from "../../../core/models/quants.ts";
import golden from "../../golden/quants.json" with { type: "json" };

for (const { type, code, bytes, values, extremes, extremesSha256 } of golden.cases) {
  const blockType = blockTypes.get(code);

  Deno.test(`dequantize() of ${type} equals gguf-py bit for bit`, () => {
    assert(blockType);
    assert.equal(blockType.name, type);
    assert.equal(bytesOf(blockType.dequantize(Uint8Array.fromHex(bytes))).toHex(), values);
  });

  Deno.test(`dequantize() of ${type} equals gguf-py at the extremes`, async () => {
    assert(blockType);
    const found = blockType.dequantize(Uint8Array.fromHex(extremes));
    assert.equal(
      new Uint8Array(await crypto.subtle.digest("SHA-256", bytesOf(found))).toHex(),
      extremesSha256,
    );
  });
}

Deno.test("the golden cases cover the table", () => {
  assert.deepEqual(
    golden.cases.map(({ code }) => code).toSorted(),
    [...blockTypes.keys()].toSorted(),
  );
});

Deno.test("dequantize() of Q4_1 is scale times quant plus minimum", () => {
  // scale 0.5 = 0x3800, minimum -1 = 0xbc00; first byte 0x3a: element 0 is 10·0.5 − 1 = 4,
  // element 16 is 3·0.5 − 1 = 0.5; the other bytes are 0: −1
  const block = new Uint8Array(20);
  block.set([0x00, 0x38, 0x00, 0xbc, 0x3a]);
  const values = blockTypes.get(3)?.dequantize(block);
  assert.equal(values?.[0], 4);
  assert.equal(values?.[16], 0.5);
  assert.equal(values?.filter((v) => v === -1).length, 30);
});

Deno.test("dequantize() takes bytes at odd offsets of their buffer", () => {
  const bytes = new Uint8Array([9, 0x00, 0x3c, 0x00, 0xc0]).subarray(1); // halves 1 and −2
  assert.deepEqual([...blockTypes.get(1)?.dequantize(bytes) ?? []], [1, -2]);
});

Deno.test("dequantize() of Q2_K is scale times quant less minimum, by groups of 16", () => {
  // scale 0.5 = 0x3800, minimum 0.25 = 0x3400. Group 0: 3 · 0.5 a step, 1 · 0.25 less; group 2, of
  // the same quants two bits up: 2 · 0.5 a step. Quants of byte 0: 0b1101 is 1, then 3.
  const block = new Uint8Array(84);
  block[0] = 0x13;
  block[2] = 0x02;
  block[16] = 0b1101;
  block.set([0x00, 0x38, 0x00, 0x34], 80);
  const values = blockTypes.get(10)?.dequantize(block);
  assert.equal(values?.[0], 1.5 * 1 - 0.25);
  assert.equal(values?.[1], -0.25);
  assert.equal(values?.[32], 1 * 3);
  assert.equal(values?.filter((value) => value !== 0).length, 17);
});

Deno.test("dequantize() of Q3_K takes 4 off where the mask has no bit", () => {
  // scale 2 = 0x4000. Group 0: scale 33 − 32 = 1 (low bits 1, high bits 2); the others: −32.
  const block = new Uint8Array(110);
  block[0] = 1; // the mask's bit of element 0
  block[32] = 0b10;
  block[33] = 0b11;
  block[96] = 1;
  block[104] = 2;
  block.set([0x00, 0x40], 108);
  const values = blockTypes.get(11)?.dequantize(block);
  assert.deepEqual([...values?.subarray(0, 3) ?? []], [2 * 2, 2 * (3 - 4), 2 * (0 - 4)]);
  assert.equal(values?.[16], 2 * -32 * -4);
});

Deno.test("dequantize() of IQ4_NL takes its steps from the table", () => {
  const block = new Uint8Array(18);
  block.set([0x00, 0x38, 0xf0]); // 0.5; element 0 is step 0, element 16 step 15
  const values = blockTypes.get(20)?.dequantize(block);
  assert.equal(values?.[0], -63.5);
  assert.equal(values?.[16], 56.5);
});

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array<ArrayBuffer>) {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
