import assert from "node:assert/strict";
import fc from "fast-check";
import { InputError } from "../../core/errors.ts";
import {
  latticeGrid,
  parsePreference,
  preferenceDraw,
  samplePreference,
  samplePreferences,
  toPreference,
  validatePreference,
} from "../../core/preference.ts";
import { Random } from "../../core/random.ts";

const dimensions = ["helpful", "harmless"];

function total(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function refused(action: () => unknown, pattern: RegExp): void {
  assert.throws(action, (error) => {
    assert.ok(error instanceof InputError);
    assert.match(error.message, pattern);
    return true;
  });
}

Deno.test("validatePreference() normalises sums within 1e-3 of 1", () => {
  assert.deepEqual(validatePreference([0.7, 0.3], dimensions), [0.7, 0.3]);
  // 0.3333 + 0.6666 = 0.9999, so that the first weight becomes 0.3333 / 0.9999 = 1/3
  const [first = 0, second = 0] = validatePreference([0.3333, 0.6666], dimensions);
  assert.ok(Math.abs(first - 1 / 3) < 1e-12 && Math.abs(second - 2 / 3) < 1e-12);
  fc.assert(fc.property(
    fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 1, maxLength: 6 }),
    fc.double({ min: -9e-4, max: 9e-4, noNaN: true }),
    (raw, off) => {
      const names = raw.map((_, i) => `d${i}`);
      const values = raw.map((value) => value / total(raw) * (1 + off));
      assert.ok(Math.abs(total(validatePreference(values, names)) - 1) <= 1e-9);
    },
  ));
});

Deno.test("validatePreference() names what is wrong", () => {
  refused(() => validatePreference([0.5, 0.2, 0.3], dimensions), /expected 2 weights .*got 3/);
  refused(() => validatePreference([1.2, -0.2], dimensions), /≥ 0 for harmless, got -0.2/);
  refused(() => validatePreference([NaN, 1], dimensions), /for helpful, got NaN/);
  refused(() => validatePreference([0, Infinity], dimensions), /for harmless, got Infinity/);
  refused(() => validatePreference([0.5, 0.7], dimensions), /got \[0.5, 0.7\] \(sum 1.2\)/);
  refused(() => validatePreference([0.5, 0.4985], dimensions), /sum 0.9985/);
});

Deno.test("parsePreference() reads named and positional weights", () => {
  assert.deepEqual(parsePreference("helpful=0.7,harmless=0.3", dimensions), [0.7, 0.3]);
  assert.deepEqual(parsePreference(" harmless = 0.25 , helpful=.75", dimensions), [0.75, 0.25]);
  assert.deepEqual(parsePreference("0, 1", dimensions), [0, 1]);
  assert.deepEqual(parsePreference("1", ["helpful"]), [1]);
});

Deno.test("parsePreference() names what it cannot read", () => {
  refused(() => parsePreference("0.7", dimensions), /expected 2 weights/);
  refused(() => parsePreference("0.7,", dimensions), /number for harmless, got ""/);
  refused(() => parsePreference("", dimensions), /number for helpful, got ""/);
  refused(() => parsePreference("a,b", dimensions), /number for helpful, got "a"/);
  refused(() => parsePreference("helpful=1", dimensions), /weight for harmless/);
  refused(() => parsePreference("helpful=0.5,helpful=0.5", dimensions), /helpful once/);
  refused(() => parsePreference("kind=0.5,harmless=0.5", dimensions), /got "kind=0.5"/);
  refused(() => parsePreference("helpful=0.5,0.5", dimensions), /got "0.5"/);
  refused(() => parsePreference("helpful=,harmless=1", dimensions), /number for helpful, got ""/);
});

Deno.test("samplePreference() lies on the simplex, whatever the concentration", () => {
  fc.assert(fc.property(
    fc.integer({ min: 0, max: 1000 }),
    fc.integer({ min: 1, max: 6 }),
    fc.constantFrom(1e-4, 0.01, 0.5, 1, 20),
    fc.constantFrom(0, 0.3, 1),
    (seed, m, alpha, vertexShare) => {
      const preference = samplePreference(new Random(seed), m, { alpha, vertexShare });
      assert.equal(preference.length, m);
      assert.ok(preference.every((weight) => weight >= 0));
      assert.ok(Math.abs(total(preference) - 1) <= 1e-9);
      if (vertexShare === 1) assert.ok(preference.includes(1));
    },
  ));
});

Deno.test("samplePreference() has the Dirichlet distribution's mean and variance", () => {
  // Dirichlet(a, a, a): mean 1/3, variance (1/3)(2/3)/(3a + 1); a = 1 gives 0.0556, a = 4 0.0171
  for (const alpha of [1, 4]) {
    const random = new Random(9);
    const first = Array.from(
      { length: 50_000 },
      () => samplePreference(random, 3, { alpha })[0] ?? NaN,
    );
    const mean = total(first) / first.length;
    const variance = total(first.map((value) => (value - mean) ** 2)) / first.length;
    assert.ok(Math.abs(mean - 1 / 3) < 0.005, `mean ${mean}`);
    assert.ok(Math.abs(variance - 2 / 9 / (3 * alpha + 1)) < 0.001, `variance ${variance}`);
  }
});

Deno.test("samplePreference() gives the asked share of corners, each as often", () => {
  const random = new Random(4);
  const counts = [0, 0, 0];
  for (let i = 0; i < 30_000; i++) {
    const corner = samplePreference(random, 3, { vertexShare: 0.3 }).indexOf(1);
    if (corner >= 0) counts[corner] = (counts[corner] ?? 0) + 1;
  }
  for (const count of counts) assert.ok(Math.abs(count - 3000) < 250, `count ${count}`);
});

Deno.test("latticeGrid() runs from (0, 1) to (1, 0) in 11 points for two dimensions", () => {
  const grid = latticeGrid(2, 11);
  assert.equal(grid.length, 11);
  assert.deepEqual(grid[0], [0, 1]);
  assert.deepEqual(grid[3], [0.3, 0.7]);
  assert.deepEqual(grid[10], [1, 0]);
  assert.deepEqual(latticeGrid(1, 11), [[1]]);
});

Deno.test("latticeGrid() holds each lattice point of the simplex once", () => {
  // C(pointsPerEdge + m − 2, m − 1): C(12, 2) = 66, C(8, 3) = 56, C(14, 4) = 1001
  for (const [m, pointsPerEdge, size] of [[3, 11, 66], [4, 6, 56], [5, 11, 1001]] as const) {
    const grid = latticeGrid(m, pointsPerEdge);
    assert.equal(grid.length, size);
    assert.equal(new Set(grid.map(String)).size, size);
    for (const preference of grid) {
      assert.ok(Math.abs(total(preference) - 1) <= 1e-9);
      for (const weight of preference) {
        const steps = weight * (pointsPerEdge - 1);
        assert.ok(Math.abs(steps - Math.round(steps)) < 1e-9);
      }
    }
  }
});

Deno.test("latticeGrid() and samplePreference() refuse what they cannot make", () => {
  assert.throws(() => latticeGrid(0, 11), RangeError);
  assert.throws(() => latticeGrid(2, 1), RangeError);
  refused(() => latticeGrid(5, 1001), /at most 100000 points, got \d+ for 5 dimensions/);
  assert.throws(() => samplePreference(new Random(0), 0), RangeError);
  assert.throws(() => samplePreference(new Random(0), 2, { vertexShare: 1.1 }), RangeError);
  assert.throws(() => samplePreference(new Random(0), 2, { alpha: 0 }), RangeError);
});

Deno.test("samplePreferences() spreads over the segment: gaps near 1/count", () => {
  // Three-gap theorem: n points of the golden-ratio sequence lie at most φ²/n·… apart; 2.7/n is ample.
  for (const seed of [1, 2, 3]) {
    const drawn = samplePreferences(new Random(seed), 2, { count: 24 });
    const first = drawn.map(([weight]) => weight ?? NaN).sort((a, b) => a - b);
    const gaps = first.map((weight, i) => weight - (first[i - 1] ?? 0));
    assert.ok(Math.max(...gaps, 1 - (first.at(-1) ?? 0)) < 2.7 / 24);
  }
});

Deno.test("samplePreferences() has Dirichlet(1)'s mean and variance in every dimension", () => {
  // Dirichlet(1) over m: mean 1/m, variance (m − 1)/(m²(m + 1)).
  for (const m of [2, 3, 5]) {
    const random = new Random(5);
    const drawn = Array.from({ length: 500 }, () => samplePreferences(random, m, { count: 8 }))
      .flat();
    for (const vector of drawn) {
      assert.ok(vector.every((weight) => weight >= 0));
      assert.ok(Math.abs(vector.reduce((sum, weight) => sum + weight, 0) - 1) < 1e-12);
    }
    for (let i = 0; i < m; i++) {
      const values = drawn.map((vector) => vector[i] ?? NaN);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
      assert.ok(Math.abs(mean - 1 / m) < 0.02, `mean ${mean} of ${m}`);
      const expected = (m - 1) / (m * m * (m + 1));
      assert.ok(Math.abs(variance / expected - 1) < 0.1, `variance ${variance} of ${m}`);
    }
  }
});

Deno.test("samplePreferences() keeps its share of corners and works for one dimension", () => {
  const drawn = samplePreferences(new Random(7), 2, { count: 4000, vertexShare: 0.25 });
  const corners = drawn.filter((vector) => vector.includes(1)).length;
  assert.ok(Math.abs(corners / 4000 - 0.25) < 0.03);
  assert.deepEqual(samplePreferences(new Random(7), 1, { count: 2 }), [[1], [1]]);
});

Deno.test("toPreference() takes weights in order or by name, and equal ones for null", () => {
  assert.deepEqual(toPreference([0.7, 0.3], dimensions), [0.7, 0.3]);
  assert.deepEqual(toPreference({ harmless: 0.3, helpful: 0.7 }, dimensions), [0.7, 0.3]);
  assert.deepEqual(toPreference(null, dimensions), [0.5, 0.5]);
  assert.ok(Math.abs(total(toPreference(null, ["a", "b", "c"])) - 1) < 1e-12);
});

Deno.test("toPreference() refuses names that are missing, unknown or too many, in a short sentence", () => {
  refused(() => toPreference({ helpful: 1 }, dimensions), /a weight for harmless, got "\{/);
  refused(
    () => toPreference({ helpful: 1, funny: 0 }, dimensions),
    /among helpful, harmless, got "f/,
  );
  refused(() => toPreference({ helpful: 0.5, harmless: 0.6 }, dimensions), /summing to 1/);
  refused(() => toPreference(JSON.parse('{"__proto__": 1}'), dimensions), /got "__proto__"/);
  refused(() => toPreference([0.5], dimensions), /expected 2 weights .*got 1 \(0\.5\)/);
  for (const given of [{ ["x".repeat(1e6)]: 1 }, Array(100_000).fill(0.1)]) {
    assert.throws(
      () => toPreference(given, dimensions),
      (error) => error instanceof InputError && error.message.length < 300,
    );
  }
});

Deno.test("preferenceDraw() is samplePreferences() with the run's settings", () => {
  const settings = { dirichlet_alpha: 0.5, vertex_share: 0.3 };
  const drawn = preferenceDraw(settings, dimensions)(new Random(4), 9);
  const options = { count: 9, alpha: 0.5, vertexShare: 0.3 };
  assert.deepEqual(drawn, samplePreferences(new Random(4), 2, options));
});

Deno.test("preferenceDraw() gives a fixed preference to every group and draws nothing", () => {
  const settings = { dirichlet_alpha: 1, vertex_share: 0.5 };
  const random = new Random(4);
  const draw = preferenceDraw({ ...settings, fixed_preference: "0.25, 0.75" }, dimensions);
  assert.deepEqual(draw(random, 3), [[0.25, 0.75], [0.25, 0.75], [0.25, 0.75]]);
  assert.deepEqual(random.state(), new Random(4).state());
  const named = preferenceDraw(
    { ...settings, fixed_preference: "harmless=1,helpful=0" },
    dimensions,
  );
  assert.deepEqual(named(random, 1), [[0, 1]]);
  for (const wrong of ["0.5", "0.5,0.6", "-1,2", "a,b", "1,0,0"]) {
    refused(() => preferenceDraw({ ...settings, fixed_preference: wrong }, dimensions), /^Cannot /);
  }
});
