import assert from "node:assert/strict";
import fc from "fast-check";
import {
  dominatedShare,
  dominates,
  hypervolume,
  indicators,
  innerProduct,
  nondominated,
  spacing,
  span,
  sparsity,
} from "../../../core/front/indicators.ts";
import golden from "../../golden/front.json" with { type: "json" };

function near(actual: number, expected: number, tolerance = 1e-9): void {
  const allowed = tolerance * Math.max(1, Math.abs(expected));
  assert.ok(Math.abs(actual - expected) <= allowed, `got ${actual}, expected ${expected}`);
}

/** Points of `m` numbers; coarse values, so that ties and duplicates are frequent. */
function fronts(m: number, maxLength = 12): fc.Arbitrary<number[][]> {
  const value = fc.integer({ min: -2, max: 8 }).map((k) => k / 4);
  return fc.array(fc.array(value, { minLength: m, maxLength: m }), { maxLength });
}

const dimensionCount = fc.integer({ min: 1, max: 5 });

Deno.test("hypervolume() is 0 for an empty front", () => {
  assert.equal(hypervolume([], [0, 0]), 0);
  assert.equal(hypervolume([[1, 0], [-1, 5], [0, 0]], [0, 0]), 0); // none exceeds in both
});

Deno.test("hypervolume() of hand-worked fronts", () => {
  assert.equal(hypervolume([[3], [5], [4]], [2]), 3); // 5 − 2
  // rectangles 3×1, 2×2, 1×3 above (0, 0): 3 + 2·1 + 1·1 = 6 in steps
  assert.equal(hypervolume([[3, 1], [1, 3], [2, 2]], [0, 0]), 6);
  // two boxes 2×2×1 and 1×1×3 share 1×1×1: 4 + 3 − 1 = 6
  assert.equal(hypervolume([[2, 2, 1], [1, 1, 3]], [0, 0, 0]), 6);
  // reference point (1, 1): boxes 2×1 and 1×2 share 1×1: 2 + 2 − 1 = 3
  assert.equal(hypervolume([[3, 2], [2, 3]], [1, 1]), 3);
  // corners of the 4-cube's faces: each box 2·1·1·1, all share 1: 4·2 − 3·1 = 5
  const corners = [0, 1, 2, 3].map((i) => [0, 1, 2, 3].map((j) => (i === j ? 2 : 1)));
  assert.equal(hypervolume(corners, [0, 0, 0, 0]), 5);
});

Deno.test("indicators equal moocore, NumPy and pandas on random fronts of 1 to 5 dimensions", () => {
  for (const front of golden.fronts) {
    near(hypervolume(front.points, front.referencePoint), front.hypervolume);
    assert.equal(nondominated(front.points).length, front.nondominated);
    near(dominatedShare(front.points), front.dominatedShare);
    near(sparsity(front.points), front.sparsity);
    near(spacing(front.points), front.spacing);
  }
});

Deno.test("hypervolume() does not depend on the order of points or of dimensions", () => {
  fc.assert(fc.property(
    dimensionCount.chain((m) => fronts(m).map((points) => ({ m, points }))),
    ({ m, points }) => {
      const referencePoint = Array.from({ length: m }, (_, i) => -i / 4);
      const volume = hypervolume(points, referencePoint);
      near(hypervolume([...points].reverse(), referencePoint), volume);
      const turned = points.map((point) => [...point].reverse());
      near(hypervolume(turned, [...referencePoint].reverse()), volume);
    },
  ));
});

Deno.test("hypervolume() never falls with a further point, and a dominated one adds nothing", () => {
  fc.assert(fc.property(
    dimensionCount.chain((m) =>
      fronts(m).chain((points) => fronts(m, 1).map((more) => ({ m, points, more })))
    ),
    ({ m, points, more }) => {
      const referencePoint = new Array<number>(m).fill(-0.5);
      const volume = hypervolume(points, referencePoint);
      assert.ok(hypervolume([...points, ...more], referencePoint) >= volume - 1e-9);
      const dominated = points.map((point) => point.map((value) => value - 0.25));
      near(hypervolume([...points, ...dominated, ...points], referencePoint), volume);
    },
  ));
});

Deno.test("hypervolume() equals the count of unit cells on an integer lattice", () => {
  const lattice = fc.array(
    fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 3, maxLength: 3 }),
    { maxLength: 8 },
  );
  fc.assert(fc.property(lattice, (points) => {
    let cells = 0;
    for (let cell = 0; cell < 64; cell++) {
      const corner = [cell % 4, Math.floor(cell / 4) % 4, Math.floor(cell / 16)];
      if (points.some((p) => corner.every((low, i) => low + 1 <= (p[i] ?? 0)))) cells++;
    }
    near(hypervolume(points, [0, 0, 0]), cells);
  }));
});

Deno.test("hypervolume() refuses points of another length and points that are not finite", () => {
  assert.throws(() => hypervolume([[1, 2, 3]], [0, 0]), /^TypeError: .*points of 2 finite numbers/);
  assert.throws(() => hypervolume([[1, NaN]], [0, 0]), TypeError);
});

Deno.test("nondominated() keeps each best point once, and nothing else", () => {
  fc.assert(fc.property(dimensionCount.chain((m) => fronts(m)), (points) => {
    const front = nondominated(points);
    assert.equal(new Set(front.map(String)).size, front.length);
    for (const point of points) {
      const best = !points.some((other) => dominates(other, point));
      assert.equal(front.some((kept) => String(kept) === String(point)), best);
    }
  }));
});

Deno.test("innerProduct() is the mean of λ · J", () => {
  // (0·1 + 1·5 + 0.5·2 + 0.5·4) / 2 = (5 + 3) / 2
  assert.equal(innerProduct([[1, 5], [2, 4]], [[0, 1], [0.5, 0.5]]), 4);
  assert.equal(innerProduct([], []), 0);
});

Deno.test("sparsity() is PGMORL's mean squared gap", () => {
  // sorted gaps: 1 and 2 in both dimensions: (1 + 4 + 4 + 1) / (3 − 1) = 5
  assert.equal(sparsity([[0, 3], [1, 1], [3, 0]]), 5);
  assert.equal(sparsity([[0, 3], [1, 1], [3, 0], [0, 0], [1, 1]]), 5); // only the front counts
  assert.equal(sparsity([[1, 2]]), 0);
  assert.equal(sparsity([]), 0);
});

Deno.test("spacing() is Schott's deviation of the nearest distances", () => {
  // nearest city-block distances: 1+2 = 3, 3, 2+1 = 3: even
  assert.equal(spacing([[0, 3], [1, 1], [3, 0]]), 0);
  // points on a line at 0, 1, 3: nearest 2, 2, 4, mean 8/3: sqrt((4/9 + 4/9 + 16/9) / 2)
  near(spacing([[0, 3], [1, 2], [3, 0]]), Math.sqrt(24 / 9 / 2));
  assert.equal(spacing([[1, 2], [1, 2]]), 0);
});

Deno.test("span() and dominatedShare() of a hand-worked front", () => {
  const points = [[0, 3], [1, 1], [3, 0], [0, 1]];
  assert.deepEqual(span(points, 2), [3, 3]);
  assert.equal(dominatedShare(points), 1 / 4); // (0, 1) below (0, 3) and (1, 1)
  assert.equal(dominatedShare([[1, 1], [1, 1]]), 0); // equal points dominate neither
});

Deno.test("every indicator of the table is finite, 0 for an empty front, and order-free", () => {
  const preferences = [[0, 1], [0.5, 0.5], [1, 0]];
  const points = [[0.2, 0.9], [0.6, 0.7], [0.8, 0.1]];
  const reversed = { points: points.toReversed(), preferences: preferences.toReversed() };
  for (const [name, { compute, schema, description }] of Object.entries(indicators)) {
    const whole = compute({ points, preferences, referencePoint: [0, 0] });
    assert.ok(schema.safeParse(whole).success, name);
    const turned = [compute({ ...reversed, referencePoint: [0, 0] })].flat();
    for (const [i, value] of [whole].flat().entries()) near(turned[i] ?? NaN, value);
    const empty = compute({ points: [], preferences: [], referencePoint: [0, 0] });
    assert.ok([empty].flat().every((value) => value === 0), name);
    assert.ok(description.length > 0);
  }
});
