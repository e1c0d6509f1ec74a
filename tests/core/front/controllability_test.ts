import assert from "node:assert/strict";
import fc from "fast-check";
import {
  averageRanks,
  controlVerdict,
  type DimensionControl,
  dimensionControl,
  monotonicity,
  spearman,
} from "../../../core/front/controllability.ts";
import { latticeGrid } from "../../../core/preference.ts";
import { Random } from "../../../core/random.ts";
import golden from "../../golden/front.json" with { type: "json" };

function control(overrides: Partial<DimensionControl>): DimensionControl {
  return { rho: 1, violations: 0, comparisons: 10, range: 0.3, low: 0.2, high: 0.4, ...overrides };
}

Deno.test("spearman() of hand-worked ranks", () => {
  assert.deepEqual(averageRanks([10, 30, 20, 30]), [1, 3.5, 2, 3.5]);
  // ranks 1 2 3 4 against 2 1 4 3: 1 − 6·(1+1+1+1) / (4·15) = 0.6
  assert.ok(Math.abs(spearman([1, 2, 3, 4], [20, 10, 40, 30]) - 0.6) < 1e-12);
  assert.equal(spearman([1, 2, 3], [5, 5, 5]), 0);
  assert.equal(spearman([1], [5]), 0);
});

Deno.test("spearman() and averageRanks() equal pandas, ties included", () => {
  for (const { x, y, ranksOfX, rho } of golden.correlations) {
    assert.deepEqual(averageRanks(x), ranksOfX);
    assert.ok(Math.abs(spearman(x, y) - rho) < 1e-12, `got ${spearman(x, y)}, expected ${rho}`);
  }
});

Deno.test("spearman() sees only the order", () => {
  const values = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 2, maxLength: 20 });
  fc.assert(fc.property(values, fc.nat(1000), (x, seed) => {
    const order = [...new Random(seed).shuffle(x.length)];
    const rho = spearman(x, order);
    assert.ok(rho >= -1 && rho <= 1);
    assert.ok(Math.abs(spearman(x.map((value) => value ** 3), order) - rho) < 1e-12);
    assert.ok(Math.abs(spearman(x.map((value) => -value), order) + rho) < 1e-12);
  }));
});

Deno.test("monotonicity() counts the falls of J as λ rises", () => {
  const grid = latticeGrid(2, 5); // λ_1 = 0, 0.25, 0.5, 0.75, 1
  const values = [0.1, 0.3, 0.2, 0.2, 0.5]; // one fall; equal is no fall
  assert.deepEqual(monotonicity(grid, values, 0), { violations: 1, comparisons: 4 });
  // along λ_2 the same values are read backwards: falls 0.5→0.2, 0.3→0.1; 0.2→0.2 and 0.2→0.3 not
  assert.deepEqual(monotonicity(grid, values, 1), { violations: 2, comparisons: 4 });
  const shuffled = [3, 0, 4, 2, 1];
  assert.deepEqual(
    monotonicity(shuffled.map((i) => grid[i] ?? []), shuffled.map((i) => values[i] ?? 0), 0),
    { violations: 1, comparisons: 4 },
  );
});

Deno.test("monotonicity() follows the lattice's lines towards each corner for M = 3", () => {
  // 3 points per edge: (0,0,1) (0,½,½) (0,1,0) (½,0,½) (½,½,0) (1,0,0). Lines to corner 1 by the
  // other weights' proportion: 0:1 with λ_1 = 0, ½, 1; 1:1 with 0, 1; 1:0 with 0, ½, 1: 2+1+2 steps
  const grid = latticeGrid(3, 3);
  const rising = grid.map(([weight = 0]) => weight);
  assert.deepEqual(monotonicity(grid, rising, 0), { violations: 0, comparisons: 5 });
  const falling = rising.map((value) => -value);
  assert.deepEqual(monotonicity(grid, falling, 0), { violations: 5, comparisons: 5 });
});

Deno.test("dimensionControl() measures the range between the ends with a paired interval", () => {
  const preferences = latticeGrid(2, 3);
  // each prompt has its own level and gains exactly 0.2 from λ_1 = 0 to 1: no spread in the range
  const base = Array.from({ length: 30 }, (_, p) => p / 10);
  const values = [base, base.map((x) => x + 0.3), base.map((x) => x + 0.2)];
  const means = values.map((row) => row.reduce((sum, x) => sum + x, 0) / row.length);
  const result = dimensionControl(
    { dimension: 0, preferences, values: means, outcomes: { values } },
    { random: new Random(1) },
  );
  for (const number of [result.range, result.low, result.high]) {
    assert.ok(Math.abs(number - 0.2) < 1e-9);
  }
  assert.equal(result.violations, 1); // 0.3 → 0.2
  assert.equal(result.comparisons, 2);
  assert.ok(Math.abs(result.rho - 0.5) < 1e-12); // ranks 1 2 3 against 1 3 2: 1 − 6·2 / (3·8)
});

Deno.test("dimensionControl() takes the mean of the face λ_i = 0 as the lower end for M = 3", () => {
  const preferences = latticeGrid(3, 2); // the corners (0,0,1) (0,1,0) (1,0,0)
  const values = [[1], [3], [5]];
  const result = dimensionControl(
    { dimension: 0, preferences, values: [1, 3, 5], outcomes: { values } },
    { random: new Random(1), resamples: 0 },
  );
  assert.equal(result.range, 3); // 5 − (1 + 3) / 2
  assert.deepEqual([result.low, result.high], [3, 3]);
});

Deno.test("controlVerdict() says in plain words what λ does", () => {
  const steered = { helpful: control({ rho: 0.98 }), harmless: control({ rho: 0.951 }) };
  assert.equal(
    controlVerdict(steered),
    "λ steers helpful (ρ 0.98) and harmless (ρ 0.95)",
  );
  const flat = control({ rho: 0.4, low: -0.1, high: 0.2 });
  assert.equal(controlVerdict({ helpful: flat, harmless: flat }), "λ has no measurable effect");
  assert.equal(
    controlVerdict({ helpful: control({ rho: 0.9 }), harmless: flat }),
    "λ steers helpful (ρ 0.90) but has no measurable effect on harmless (ρ 0.40)",
  );
  assert.equal(
    controlVerdict({
      helpful: control({ rho: 0.3 }),
      harmless: control({ rho: -0.9, low: -0.4, high: -0.1 }),
      concise: control({}),
    }),
    "λ steers concise (ρ 1.00), moves helpful (ρ 0.30) unevenly but moves harmless (ρ -0.90) backwards",
  );
  assert.equal(
    controlVerdict({ helpful: flat, harmless: flat }, { caution: "3 test prompts are too few" }),
    "λ has no measurable effect; 3 test prompts are too few",
  );
  assert.match(controlVerdict({ helpful: control({}) }), /only one dimension/);
});

Deno.test("an effect at the edge of its interval does not count as measured", () => {
  const edge = control({ rho: 1, low: 0, high: 0.4 });
  assert.equal(controlVerdict({ a: edge, b: edge }), "λ has no measurable effect");
});
