import assert from "node:assert/strict";
import fc from "fast-check";
import { distributionsOf, quantile, QUANTILE_LEVELS } from "../../../core/front/distributions.ts";
import golden from "../../golden/distributions.json" with { type: "json" };

Deno.test("distributionsOf() of a hand-worked set", () => {
  // From 0 to 2.4: 24 bins would be 0.1 wide, which is a round number.
  const { edges, initial, points } = distributionsOf({ values: [[0, 1, 1, 2.4]] }, [0.05, 0.3]);
  assert.deepEqual(edges, Array.from({ length: 26 }, (_, k) => Number((0.1 * k).toFixed(1))));
  assert.deepEqual(
    points[0]?.counts.flatMap((count, k) => count > 0 ? [[edges[k], count]] : []),
    [[0, 1], [1, 2], [2.4, 1]],
  );
  assert.equal(initial?.counts[0], 1);
  assert.equal(initial?.counts[3], 1);
  // Between the values at places 0, 1, 2, 3: the median is half-way between 1 and 1, the upper
  // quartile a quarter of the way from 1 to 2.4.
  const [, lower, median, upper] = points[0]?.quantiles ?? [];
  assert.deepEqual([lower, median], [0.75, 1]);
  assert.ok(Math.abs((upper ?? NaN) - 1.35) < 1e-12);
});

for (const { kind, values, edges, counts, quantiles } of golden.cases) {
  Deno.test(`distributionsOf() agrees with NumPy on ${kind} values`, () => {
    const [initial = [], ...rows] = values;
    const found = distributionsOf({ values: rows }, initial);
    assert.equal(found.edges.length, edges.length);
    edges.forEach((edge, k) => assert.ok(Math.abs(edge - (found.edges[k] ?? NaN)) < 1e-9));
    const all = found.initial ? [found.initial, ...found.points] : [];
    assert.deepEqual(all.map((one) => one.counts), counts);
    all.forEach((one, n) =>
      one.quantiles.forEach((value, k) =>
        assert.ok(Math.abs(value - (quantiles[n]?.[k] ?? NaN)) < 1e-9 * (1 + Math.abs(value)))
      )
    );
  });
}

Deno.test("every value is in one bin of its row, between the bin's edges", () => {
  const rows = fc.array(
    fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 20 }),
    { minLength: 1, maxLength: 4 },
  );
  fc.assert(fc.property(rows, (values) => {
    const { edges, points } = distributionsOf({ values });
    const least = Math.min(...values.flat());
    const most = Math.max(...values.flat());
    const room = 1e-6 * ((edges[1] ?? NaN) - (edges[0] ?? NaN)); // of a bin
    assert.ok((edges[0] ?? NaN) <= least + room && (edges.at(-1) ?? NaN) >= most - room);
    assert.ok(edges.every((edge, k) => k === 0 || edge > (edges[k - 1] ?? NaN)));
    assert.ok(edges.length <= 60, `${edges.length} edges`);
    values.forEach((row, n) => {
      const { counts = [], quantiles = [] } = points[n] ?? {};
      assert.equal(counts.reduce((sum, count) => sum + count, 0), row.length);
      assert.equal(counts.length, edges.length - 1);
      assert.deepEqual([...quantiles].sort((a, b) => a - b), quantiles);
    });
  }));
});

Deno.test("equal values are one bin, and no values or infinite ones are refused", () => {
  for (const value of [0, 0.95, -3, 1e-9, 1e12]) {
    const { edges, points } = distributionsOf({ values: [[value, value * (1 + 1e-15)]] });
    assert.deepEqual(points[0]?.counts.filter((count) => count > 0), [2], String(value));
    assert.ok(edges.every(Number.isFinite));
  }
  assert.throws(() => distributionsOf({ values: [[]] }), RangeError);
  assert.throws(() => distributionsOf({ values: [[1, Infinity]] }), RangeError);
  assert.throws(() => distributionsOf({ values: [[1, NaN]] }), RangeError);
});

Deno.test("quantile() runs from the least to the most value", () => {
  assert.deepEqual([0, 0.5, 1].map((level) => quantile([1, 2, 4], level)), [1, 2, 4]);
  assert.equal(quantile([7], 0.3), 7);
  assert.equal(QUANTILE_LEVELS[2], 0.5);
});
