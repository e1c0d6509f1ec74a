import assert from "node:assert/strict";
import fc from "fast-check";
import { latticeGrid } from "../../../core/preference.ts";
import { frontAt, nearestOnLine } from "../../../routes/page/front/interpolate.ts";

/** Points over a grid whose values are a function of λ. */
function pointsOver(grid: number[][], valuesAt: (preference: number[]) => number[]) {
  return grid.map((preference) => {
    const values = valuesAt(preference);
    return {
      preference,
      values,
      low: values.map((value) => value - 1),
      high: values.map((value) => value + 2),
    };
  });
}

function near(got: number[], wanted: number[], tolerance = 1e-9): void {
  assert.equal(got.length, wanted.length);
  for (const [i, value] of got.entries()) {
    assert.ok(Math.abs(value - (wanted[i] ?? NaN)) <= tolerance, `${got} is not near ${wanted}`);
  }
}

Deno.test("between two measured λ values are interpolated linearly", () => {
  // Grid 0, 0.5, 1; at λ₁ = 0.6 a fifth of the way from the second to the third point.
  const values: Record<string, number[]> = { "0,1": [0, 10], "0.5,0.5": [4, 8], "1,0": [9, 3] };
  const points = pointsOver(latticeGrid(2, 3), (preference) => values[preference.join()] ?? []);
  const place = frontAt(points, [0.6, 0.4]);
  assert.ok(place);
  near(place.values, [5, 7]); // 4 + (9 − 4)/5, 8 + (3 − 8)/5
  near(place.low, [4, 6]);
  near(place.high, [7, 9]);
  assert.equal(place.measured, false);
});

Deno.test("a measured λ has its own values, in any order of the points", () => {
  const points = pointsOver(latticeGrid(3, 5), (weights) => weights.map((w) => w * w)).reverse();
  for (const { preference, values } of points) {
    const place = frontAt(points, preference);
    assert.ok(place?.measured, preference.join());
    near(place.values, values);
  }
});

Deno.test("a linear front is met exactly at every λ, whatever the number of dimensions", () => {
  fc.assert(fc.property(
    fc.integer({ min: 2, max: 5 }),
    fc.integer({ min: 2, max: 6 }),
    fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 5, maxLength: 5 }),
    (m, perEdge, draw) => {
      const some = draw.slice(0, m).map((weight, i) => weight + (i === 0 ? 1e-3 : 0));
      const sum = some.reduce((total, weight) => total + weight, 0);
      const preference = some.map((weight) => weight / sum);
      const linear = (weights: number[]) =>
        weights.map((_, i) => weights.reduce((total, w, j) => total + w * (i + 2) * (j - 1), 0));
      const place = frontAt(pointsOver(latticeGrid(m, perEdge), linear), preference);
      assert.ok(place, preference.join());
      near(place.values, linear(preference), 1e-4);
    },
  ));
});

Deno.test("without a whole lattice there is no interpolation", () => {
  const points = pointsOver(latticeGrid(3, 4), (weights) => weights).slice(1);
  assert.equal(frontAt(points, [0.2, 0.3, 0.5]), null);
  assert.equal(frontAt([], [0.5, 0.5]), null);
});

Deno.test("a front of one dimension is its one point", () => {
  const points = pointsOver([[1]], () => [0.8]);
  assert.deepEqual(frontAt(points, [1])?.values, [0.8]);
});

Deno.test("a place beside the line gives the λ of the nearest place on it", () => {
  const stops = [
    { x: 0, y: 0, preference: [0, 1] },
    { x: 10, y: 0, preference: [0.4, 0.6] },
    { x: 10, y: 10, preference: [1, 0] },
  ];
  near(nearestOnLine(stops, { x: 5, y: -3 }) ?? [], [0.2, 0.8]);
  near(nearestOnLine(stops, { x: 14, y: 5 }) ?? [], [0.7, 0.3]);
  near(nearestOnLine(stops, { x: -4, y: -4 }) ?? [], [0, 1]);
  near(nearestOnLine(stops, { x: 11, y: 99 }) ?? [], [1, 0]);
  assert.equal(nearestOnLine([], { x: 0, y: 0 }), null);
});

Deno.test("points that lie on one another still give a λ", () => {
  const same = [{ x: 1, y: 1, preference: [0, 1] }, { x: 1, y: 1, preference: [1, 0] }];
  assert.deepEqual(nearestOnLine(same, { x: 1, y: 1 }), [0, 1]);
});
