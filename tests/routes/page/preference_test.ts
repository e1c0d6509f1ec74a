import assert from "node:assert/strict";
import fc from "fast-check";
import {
  cornerPreference,
  describePreference,
  equalPreference,
  readPreference,
  roundPreference,
  withWeight,
} from "../../../routes/page/front/preference.ts";

const simplex = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
  minLength: 2,
  maxLength: 6,
}).filter((weights) => weights.some((weight) => weight > 1e-6))
  .map((weights) => {
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return weights.map((weight) => weight / sum);
  });

/** Hundredths are whole numbers, so their sum is exact. */
function hundredths(preference: number[]): number {
  return preference.reduce((sum, weight) => sum + Math.round(weight * 100), 0);
}

Deno.test("equal weights of three dimensions give the odd hundredth to the first", () => {
  assert.deepEqual(equalPreference(3), [0.34, 0.33, 0.33]);
  assert.deepEqual(equalPreference(2), [0.5, 0.5]);
  assert.deepEqual(cornerPreference(1, 3), [0, 1, 0]);
});

Deno.test("a rounded preference is in hundredths, sums to 1 and moves no weight by 0.01", () => {
  fc.assert(fc.property(simplex, (preference) => {
    const rounded = roundPreference(preference);
    assert.equal(hundredths(rounded), 100);
    for (const [i, weight] of rounded.entries()) {
      assert.ok(Math.abs(weight * 100 - Math.round(weight * 100)) < 1e-9);
      assert.ok(Math.abs(weight - (preference[i] ?? NaN)) < 0.01 + 1e-9);
    }
  }));
});

Deno.test("a moved weight leaves the others their proportions", () => {
  // 0.2 : 0.6 is 1 : 3, and 0.6 is left to share: 0.15 and 0.45.
  assert.deepEqual(withWeight([0.2, 0.2, 0.6], 0, 0.4), [0.4, 0.15, 0.45]);
  assert.deepEqual(withWeight([0.3, 0.7], 0, 0.25), [0.25, 0.75]);
});

Deno.test("where the others had nothing they share equally", () => {
  assert.deepEqual(withWeight([1, 0, 0], 0, 0.5), [0.5, 0.25, 0.25]);
});

Deno.test("whatever is moved, λ stays on the simplex", () => {
  const moves = fc.array(fc.tuple(fc.nat(5), fc.double({ min: -1, max: 2, noNaN: true })));
  fc.assert(fc.property(simplex, moves, (start, steps) => {
    let preference = roundPreference(start);
    for (const [i, weight] of steps) {
      preference = withWeight(preference, i % preference.length, weight);
      assert.equal(hundredths(preference), 100);
      assert.ok(preference.every((each) => each >= 0 && each <= 1));
    }
  }));
});

Deno.test("weights of an address are brought to sum 1, or refused", () => {
  assert.deepEqual(readPreference([2, 1, 1], 3), [0.5, 0.25, 0.25]);
  assert.equal(readPreference([0.5, 0.5], 3), null);
  assert.equal(readPreference([0, 0], 2), null);
  assert.equal(readPreference([-1, 2], 2), null);
  assert.equal(readPreference([NaN, 1], 2), null);
  assert.equal(readPreference([1e308, 1e308], 2), null);
});

Deno.test("λ is told by name", () => {
  assert.equal(
    describePreference([0.7, 0.3], ["helpful", "harmless"]),
    "helpful 0.70, harmless 0.30",
  );
});
