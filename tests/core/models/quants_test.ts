import assert from "node:assert/strict";
import { blockTypes } from "../../../core/models/quants.ts";
import golden from "../../golden/quants.json" with { type: "json" };

for (const { type, code, bytes, values } of golden.cases) {
  Deno.test(`dequantize() of ${type} equals gguf-py bit for bit`, () => {
    const blockType = blockTypes.get(code);
    assert(blockType);
    assert.equal(blockType.name, type);
    const found = blockType.dequantize(Uint8Array.fromHex(bytes));
    assert.equal(new Uint8Array(found.buffer, found.byteOffset, found.byteLength).toHex(), values);
  });
}

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
