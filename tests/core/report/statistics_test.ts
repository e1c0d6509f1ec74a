import assert from "node:assert/strict";
import fc from "fast-check";
import { pairedInterval, seedInterval, studentQuantile } from "../../../core/report/statistics.ts";
import golden from "../../golden/student.json" with { type: "json" };
import { assertNear } from "../../near.ts";

Deno.test("seedInterval() of three seeds by hand", () => {
  // mean 2, s² = (1 + 0 + 1)/2 = 1, standard error 1/√3; P(|T₂| < t) = t/√(2 + t²) = 0.95 gives
  // t² = 2·0.9025/(1 − 0.9025), t = 4.3027
  const reach = Math.sqrt(2 * 0.9025 / 0.0975) / Math.sqrt(3);
  const { mean, low, high, seeds } = seedInterval([1, 2, 3]);
  assertNear([mean, low ?? NaN, high ?? NaN, seeds], [2, 2 - reach, 2 + reach, 3]);
});

Deno.test("studentQuantile() and seedInterval() agree with SciPy", () => {
  for (const { level, degrees, t } of golden.quantiles) {
    assertNear([studentQuantile(level, degrees)], [t], { tolerance: 1e-9 });
  }
  for (const { values, mean, low, high } of golden.intervals) {
    const ours = seedInterval(values);
    assertNear([ours.mean, ours.low ?? NaN, ours.high ?? NaN], [mean, low, high]);
  }
});

Deno.test("one seed has a mean and no interval; no seed is refused", () => {
  assert.deepEqual(seedInterval([0.5]), { mean: 0.5, low: null, high: null, seeds: 1 });
  assert.throws(() => seedInterval([]), RangeError);
  assert.throws(() => seedInterval([1, NaN]), RangeError);
  assert.throws(() => studentQuantile(0.95, 0), RangeError);
  assert.throws(() => studentQuantile(1, 3), RangeError);
});

Deno.test("pairedInterval() matches seeds: what they share falls out", () => {
  const a = new Map([[1, 0.5], [2, 0.7], [3, 0.9]]);
  const b = new Map([[3, 0.8], [1, 0.4], [2, 0.6], [9, 100]]);
  const { mean, low, high, seeds } = pairedInterval(a, b) ?? seedInterval([NaN]);
  assertNear([mean, low ?? NaN, high ?? NaN, seeds], [0.1, 0.1, 0.1, 3]);
  assert.equal(pairedInterval(a, new Map([[9, 1]])), null);
});

Deno.test("seedInterval() follows shifts and scales, and a higher level is wider", () => {
  const value = fc.double({ min: -5, max: 5, noNaN: true });
  fc.assert(fc.property(
    fc.array(value, { minLength: 2, maxLength: 9 }),
    value,
    fc.double({ min: 0.1, max: 3, noNaN: true }),
    (values, shift, scale) => {
      const plain = seedInterval(values);
      const moved = seedInterval(values.map((x) => scale * x + shift));
      assertNear(
        [moved.mean, moved.low ?? NaN, moved.high ?? NaN],
        [plain.mean, plain.low ?? NaN, plain.high ?? NaN].map((x) => scale * x + shift),
        { tolerance: 1e-6 },
      );
      const wide = seedInterval(values, { level: 0.99 });
      assert.ok((wide.high ?? 0) - (wide.low ?? 0) >= (plain.high ?? 0) - (plain.low ?? 0));
    },
  ));
});
