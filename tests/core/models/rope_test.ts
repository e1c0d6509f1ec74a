import assert from "node:assert/strict";
import { llama } from "../../../core/models/families/llama.ts";
import { ropeFrequencies, ropeTables } from "../../../core/models/rope.ts";
import golden from "../../golden/rope.json" with { type: "json" };

for (const { name, config: json, length, rows, cos, sin } of golden.cases) {
  Deno.test(`ropeTables() equals transformers' for ${name}, ${length} positions`, () => {
    const sizes = { vocab_size: 8, intermediate_size: 8, num_hidden_layers: 1 };
    const config = llama.fromConfigJson({ ...json, ...sizes }, "config.json");
    const tables = ropeTables(config, length);
    assert.equal(tables.cos.length, length * config.headDim);
    rows.forEach((row, i) => {
      const at = row * config.headDim;
      near(tables.cos.subarray(at, at + config.headDim), cos[i] ?? []);
      near(tables.sin.subarray(at, at + config.headDim), sin[i] ?? []);
    });
  });
}

Deno.test("ropeFrequencies() falls from 1 by equal ratios", () => {
  // theta 10000 over 8 dimensions: 10000^(-2j/8) = 1, 0.1, 0.01, 0.001
  const config = { headDim: 8, ropeTheta: 10000, ropeScaling: null };
  near(ropeFrequencies(config, 1), [1, 0.1, 0.01, 0.001]);
  // linear scaling by 4 divides each
  near(ropeFrequencies({ ...config, ropeScaling: { type: "linear", factor: 4 } }, 1), [
    0.25,
    0.025,
    0.0025,
    0.00025,
  ]);
});

Deno.test("ropeTables() repeats the angles in both halves, on the unit circle", () => {
  const { cos, sin } = ropeTables({ headDim: 6, ropeTheta: 500, ropeScaling: null }, 40);
  for (let i = 0; i < cos.length; i++) {
    const [c = 0, s = 0] = [cos[i], sin[i]];
    assert(Math.abs(c * c + s * s - 1) < 1e-6);
    if (i % 6 < 3) assert.deepEqual([c, s], [cos[i + 3], sin[i + 3]]);
  }
});

Deno.test("ropeTables() refuses an odd head size", () => {
  assert.throws(() => ropeTables({ headDim: 5, ropeTheta: 1e4, ropeScaling: null }, 2), RangeError);
});

function near(found: Float32Array, expected: number[]): void {
  assert.equal(found.length, expected.length);
  expected.forEach((value, i) => {
    assert(Math.abs((found[i] ?? NaN) - value) <= 5e-6, `${i}: ${found[i]} for ${value}`);
  });
}
