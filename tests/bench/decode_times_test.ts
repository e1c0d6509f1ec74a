import assert from "node:assert/strict";
import { decodeTimes } from "./decode_times.ts";

Deno.test("decodeTimes() tells the first token from the gaps between the later ones", () => {
  // Gaps 10, 12, 32 ms: median 12, mean 54 / 3 = 18; the first token after 200 ms.
  const { token, mean, first } = decodeTimes(1000, [1200, 1210, 1222, 1254]);
  assert.deepEqual([token, mean, first], [0.012, 0.018, 0.2]);
});

Deno.test("decodeTimes() refuses a generation without a gap", () => {
  assert.throws(() => decodeTimes(0, [1]), RangeError);
  assert.throws(() => decodeTimes(0, []), RangeError);
});
