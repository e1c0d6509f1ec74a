// Comparisons of numbers for tests: within a tolerance, with the worst entry in the message.
import assert from "node:assert/strict";

/** The largest |a − b|; NaN where an entry is not a number or the lengths differ. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return NaN;
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = a[i] === b[i] ? 0 : Math.abs((a[i] ?? NaN) - (b[i] ?? NaN));
    largest = Math.max(largest, difference); // NaN sticks
  }
  return largest;
}

/**
 * Asserts |actual − expected| ≤ tolerance · max(1, |expected|) for every entry: absolute for small
 * numbers, relative for large ones.
 */
export function assertNear(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { tolerance = 1e-6, what = "values" }: { tolerance?: number; what?: string } = {},
): void {
  assert.equal(actual.length, expected.length, `${what}: other length`);
  for (let i = 0; i < actual.length; i++) {
    const [found = NaN, wanted = NaN] = [actual[i], expected[i]];
    if (Math.abs(found - wanted) <= tolerance * Math.max(1, Math.abs(wanted))) continue;
    const off = largestDifference(actual, expected);
    assert.fail(`${what}: entry ${i} is ${found}, expected ${wanted}; largest difference ${off}`);
  }
}

/** Asserts that two arrays hold the same bits: NaN equals NaN, 0 differs from −0. */
export function assertSameBits(actual: Float32Array, expected: Float32Array, what: string): void {
  assert.equal(actual.length, expected.length, `${what}: other length`);
  for (let i = 0; i < actual.length; i++) {
    if (Object.is(actual[i], expected[i])) continue;
    assert.fail(`${what}: entry ${i} is ${actual[i]}, expected exactly ${expected[i]}`);
  }
}
