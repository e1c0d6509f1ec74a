import assert from "node:assert/strict";
import fc from "fast-check";
import { proportion } from "../../../core/dataset/proportion.ts";

Deno.test("proportion() is Wilson's interval", () => {
  // 8 of 10, z² = 3.8415: centre (8 + 1.9207)/13.8415 = 0.71674,
  // half 1.95996·√10/13.8415·√(0.16 + 0.096037) = 0.22658
  const { count, of, share, low, high } = proportion(8, 10);
  assert.deepEqual([count, of, share], [8, 10, 0.8]);
  assert.ok(Math.abs(low - 0.49016) < 1e-4 && Math.abs(high - 0.94332) < 1e-4, `${low} ${high}`);
});

Deno.test("proportion() holds its share, mirrors, and narrows with more rows", () => {
  fc.assert(fc.property(fc.nat(500), fc.integer({ min: 1, max: 500 }), (k, n) => {
    const count = k % (n + 1);
    const { share, low, high } = proportion(count, n);
    const mirrored = proportion(n - count, n);
    const more = proportion(4 * count, 4 * n);
    return 0 <= low && low <= share && share <= high && high <= 1 && low < high &&
      Math.abs(1 - mirrored.low - high) < 1e-9 && more.high - more.low < high - low;
  }));
});

Deno.test("proportion() of nothing is no number", () => {
  const { share, low, high } = proportion(0, 0);
  assert.ok([share, low, high].every(Number.isNaN));
});
