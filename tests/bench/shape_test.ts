import assert from "node:assert/strict";
import { smollm2, stepOperations, weightsPerToken } from "./shape.ts";

// One block, width 4, 2 heads of 2 with 1 key head, mlp 8, vocabulary 10.
// Σ in·out: q 4·4, k 4·2, v 4·2, o 4·4, gate 4·8, up 4·8, down 8·4 = 144.
// Σ in+out: 8 + 6 + 6 + 8 + 12 + 12 + 12 = 64.
const tiny = {
  ...smollm2,
  vocabSize: 10,
  width: 4,
  layers: 1,
  heads: 2,
  kvHeads: 1,
  headDim: 2,
  mlpWidth: 8,
};
const shape = { rows: 2, length: 3, rank: 5 }; // 6 tokens, 4 of them scored

Deno.test("stepOperations() counts the products of a tiny step", () => {
  // maps: 2·6·144 = 1728 a pass; forward and backward.  head: 2·4·4·10 = 320, and its slopes.
  // adapters: 2·6·5·64 = 3840 a pass; forward, half again for the gradient, and two backward.
  // attention: 2·2·2 rows·2 heads·9·2 = 288; likewise.
  const operations = stepOperations(tiny, { ...shape, reference: false, recomputed: 0 });
  assert.deepEqual(operations, { held: 2 * 1728 + 2 * 320, float32: 3.5 * 3840 + 3.5 * 288 });
});

Deno.test("stepOperations() adds a forward pass for recomputation and for the reference", () => {
  const operations = stepOperations(tiny, { ...shape, reference: true, recomputed: 1 });
  // The reference has no adapter, and its head no slopes.
  assert.deepEqual(operations, { held: 4 * 1728 + 3 * 320, float32: 4 * 3840 + 5 * 288 });
});

Deno.test("stepOperations() of SmolLM2 is twice its weights per token and pass, and the head's", () => {
  const { held } = stepOperations(smollm2, {
    rows: 8,
    length: 256,
    rank: 10,
    reference: false,
    recomputed: 0,
  });
  // 106 168 320 weights in linear maps, 49152·576 in the head; 2048 tokens, 2040 of them scored.
  assert.equal(held, 2 * (2 * 2048 * 106_168_320 + 2 * 2040 * 49152 * 576));
});

Deno.test("weightsPerToken() counts every map of every block and the head once", () => {
  assert.equal(weightsPerToken({ ...tiny, layers: 3 }), 3 * 144 + 4 * 10);
  assert.equal(weightsPerToken(smollm2), 106_168_320 + 49152 * 576);
});
