import assert from "node:assert/strict";
import fc from "fast-check";
import {
  bootstrapContrasts,
  bootstrapMeans,
  countPrompts,
  meanOutcomes,
} from "../../../core/front/bootstrap.ts";
import { Random } from "../../../core/random.ts";

function normals(seed: number, n: number): number[] {
  const random = new Random(seed);
  return Array.from({ length: n }, () => random.normal());
}

function near(actual: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `got ${actual}, expected ${expected}`);
}

Deno.test("meanOutcomes() averages items, whatever prompts they belong to", () => {
  const values = [[1, 0, 1, 0], [2, 4, 6, 0]];
  assert.deepEqual(meanOutcomes({ values }), [0.5, 3]);
  assert.deepEqual(meanOutcomes({ values, prompts: [7, 7, 7, 3] }), [0.5, 3]);
  assert.equal(countPrompts({ values, prompts: [7, 7, 7, 3] }), 2);
  assert.equal(countPrompts({ values }), 4);
});

Deno.test("bootstrapMeans() agrees with the normal interval where that holds", () => {
  // 400 items of deviation s: mean ± 1.96·s/√400
  const items = normals(1, 400);
  const mean = items.reduce((sum, x) => sum + x, 0) / 400;
  const s = Math.sqrt(items.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 400);
  const [interval] = bootstrapMeans({ values: [items] }, {
    random: new Random(2),
    resamples: 4000,
  });
  near(interval?.low ?? NaN, mean - 1.96 * s / 20, 0.008);
  near(interval?.high ?? NaN, mean + 1.96 * s / 20, 0.008);
});

Deno.test("bootstrapMeans() resamples all items of a prompt together", () => {
  // 100 prompts of 4 equal items: the interval is that of 100 items, twice as wide as of 400
  const items = normals(3, 100);
  const four = items.flatMap((x) => [x, x, x, x]);
  const prompts = items.flatMap((_, p) => [p, p, p, p]);
  const width = (outcomes: Parameters<typeof bootstrapMeans>[0]) => {
    const [interval] = bootstrapMeans(outcomes, { random: new Random(4), resamples: 2000 });
    return (interval?.high ?? NaN) - (interval?.low ?? NaN);
  };
  near(width({ values: [four], prompts }), width({ values: [items] }), 1e-9);
  near(width({ values: [four], prompts }) / width({ values: [four] }), 2, 0.15);
});

Deno.test("bootstrapContrasts() pairs points: equal outcomes differ by exactly 0", () => {
  const items = normals(5, 50);
  const shifted = items.map((x) => x + 0.5); // the same prompts, each 0.5 better
  const intervals = bootstrapContrasts(
    { values: [items, items, shifted] },
    [[1, -1, 0], [-1, 0, 1]],
    { random: new Random(6) },
  );
  assert.deepEqual(intervals[0], { low: 0, high: 0 });
  near(intervals[1]?.low ?? NaN, 0.5, 1e-9);
  near(intervals[1]?.high ?? NaN, 0.5, 1e-9);
});

Deno.test("bootstrapMeans() is determined by its seed, and 0 resamples give the mean itself", () => {
  const values = [normals(7, 20), normals(8, 20)];
  const run = (seed: number, resamples?: number) =>
    bootstrapMeans({ values }, { random: new Random(seed), resamples });
  assert.deepEqual(run(1), run(1));
  assert.notDeepEqual(run(1), run(2));
  const means = meanOutcomes({ values });
  assert.deepEqual(run(1, 0), means.map((mean) => ({ low: mean, high: mean })));
});

Deno.test("intervals of 0/1 outcomes stay within [0, 1] and around the mean", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(0, 1), { minLength: 2, maxLength: 40 }),
      fc.nat(1000),
      (items, seed) => {
        const outcomes = { values: [items] };
        const [mean = NaN] = meanOutcomes(outcomes);
        const [interval] = bootstrapMeans(outcomes, { random: new Random(seed), resamples: 200 });
        const { low = NaN, high = NaN } = interval ?? {};
        assert.ok(low >= 0 && high <= 1 && low <= high);
        assert.ok(low <= mean + 1e-9 && mean - 1e-9 <= high, `${mean} outside ${low}, ${high}`);
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("outcomes that cannot be averaged are refused", () => {
  const random = new Random(0);
  assert.throws(() => meanOutcomes({ values: [[]] }), /^RangeError: .*at least 1 item, got 0/);
  assert.throws(() => meanOutcomes({ values: [[1, 2], [1]] }), /^TypeError: .*got 2, 1/);
  assert.throws(() => meanOutcomes({ values: [[1, 2]], prompts: [0] }), TypeError);
  assert.throws(() => meanOutcomes({ values: [[1, NaN]] }), /^RangeError: .*got NaN/);
  assert.throws(() => bootstrapMeans({ values: [[1]] }, { random, resamples: -1 }), RangeError);
  assert.throws(() => bootstrapMeans({ values: [[1]] }, { random, level: 1 }), RangeError);
});
