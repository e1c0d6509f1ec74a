import assert from "node:assert/strict";
import fc from "fast-check";
import { InputError } from "../../../core/errors.ts";
import { type Goal, GoalAnswer, reachGoal } from "../../../core/front/goal.ts";
import type { FrontReport } from "../../../core/front/report.ts";
import { latticeGrid } from "../../../core/preference.ts";
import golden from "../../golden/goal.json" with { type: "json" };
import { assertNear } from "../../near.ts";

const names = ["helpful", "harmless", "concise", "honest"];

/** A report of these values, with intervals of ±0.1 around them. */
function front(preferences: number[][], values: number[][]): FrontReport {
  const m = preferences[0]?.length ?? 0;
  return {
    adapter: "a",
    metric: "implicit_accuracy",
    dimensions: names.slice(0, m),
    points: preferences.map((preference, n) => ({
      preference,
      values: values[n] ?? [],
      low: (values[n] ?? []).map((value) => value - 0.1),
      high: (values[n] ?? []).map((value) => value + 0.1),
    })),
    indicators: {
      ...{ hypervolume: 0, innerProduct: 0, sparsity: 0, spacing: 0, span: [] },
      ...{ dominatedShare: 0, referencePoint: [] },
    },
    controllability: {},
    verdict: "",
    settings: {},
  };
}

function ask(report: FrontReport, goal: Goal): GoalAnswer {
  const answer = reachGoal(report, goal);
  assert.deepEqual(GoalAnswer.parse(answer), answer);
  assert.deepEqual(answer.dimensions, report.dimensions);
  return answer;
}

/** λ = (0, 1), (0.5, 0.5), (1, 0): helpful rises with its weight, harmless falls. */
const line = front([[0, 1], [0.5, 0.5], [1, 0]], [[0.2, 0.9], [0.6, 0.8], [0.9, 0.4]]);

Deno.test("reachGoal() of a hand-worked front of two dimensions", () => {
  // Harmless falls from 0.8 to 0.4 over the second half: 0.7 is a quarter of the way, so
  // λ = (0.5 + 0.5/4, …) = (0.625, 0.375), and helpful is 0.6 + 0.3/4 = 0.675.
  const answer = ask(line, { atLeast: { harmless: 0.7 }, maximize: "helpful" });
  assert.ok(answer.met);
  assertNear(answer.point.preference, [0.625, 0.375]);
  assertNear(answer.point.values, [0.675, 0.7]);
  assertNear(answer.point.low, [0.575, 0.6]);
  assertNear(answer.point.high, [0.775, 0.8]);
});

Deno.test("reachGoal() without wishes gives the best measured point", () => {
  const answer = ask(line, { atLeast: {}, maximize: "harmless" });
  assert.ok(answer.met);
  assert.deepEqual(answer.point, line.points[0]);
});

Deno.test("reachGoal() meets a wish that exactly one point meets", () => {
  const answer = ask(line, { atLeast: { harmless: 0.9 }, maximize: "helpful" });
  assert.ok(answer.met);
  assert.deepEqual(answer.point, line.points[0]);
  const both = ask(line, { atLeast: { helpful: 0.6, harmless: 0.8 }, maximize: "helpful" });
  assert.ok(both.met);
  assertNear(both.point.preference, [0.5, 0.5]);
});

Deno.test("reachGoal() gives what comes nearest and by how much it falls short", () => {
  const alone = ask(line, { atLeast: { harmless: 1 }, maximize: "helpful" });
  assert.ok(!alone.met);
  assert.deepEqual(alone.nearest, line.points[0]);
  assertNear(Object.values(alone.shortfall), [0.1]);
  assert.deepEqual(Object.keys(alone.shortfall), ["harmless"]);
  // Both 0.8: helpful 0.6 + 0.6u and harmless 0.8 − 0.8u for u in [0, 0.5] after the middle; the
  // larger shortfall max(0.2 − 0.6u, 0.8u) is least where they are equal: u = 1/7, 0.8/7.
  const both = ask(line, { atLeast: { helpful: 0.8, harmless: 0.8 }, maximize: "helpful" });
  assert.ok(!both.met);
  assertNear(both.nearest.preference, [0.5 + 1 / 7, 0.5 - 1 / 7]);
  assertNear([both.shortfall.helpful ?? NaN, both.shortfall.harmless ?? NaN], [0.8 / 7, 0.8 / 7]);
});

Deno.test("reachGoal() of a hand-worked front of three dimensions", () => {
  // One cell, each value the weight itself: harmless ≥ 0.3 and concise ≥ 0.2 leave helpful 0.5.
  const corners = latticeGrid(3, 2);
  const plane = front(corners, corners);
  const answer = ask(plane, { atLeast: { harmless: 0.3, concise: 0.2 }, maximize: "helpful" });
  assert.ok(answer.met);
  assertNear(answer.point.preference, [0.5, 0.3, 0.2]);
  assertNear(answer.point.values, [0.5, 0.3, 0.2]);
  // 0.5 + 0.5 + 0.5 is 0.5 more than there is: each falls short by a sixth.
  const short = ask(plane, {
    atLeast: { helpful: 0.5, harmless: 0.5, concise: 0.5 },
    maximize: "helpful",
  });
  assert.ok(!short.met);
  assertNear(short.nearest.preference, [1 / 3, 1 / 3, 1 / 3]);
  assertNear(Object.values(short.shortfall), [1 / 6, 1 / 6, 1 / 6]);
});

Deno.test("reachGoal() of a single dimension is its one point", () => {
  const single = front([[1]], [[0.8]]);
  assert.ok(ask(single, { atLeast: { helpful: 0.8 }, maximize: "helpful" }).met);
  const short = ask(single, { atLeast: { helpful: 1 }, maximize: "helpful" });
  assert.ok(!short.met);
  assertNear([short.shortfall.helpful ?? NaN], [0.2]);
});

Deno.test("reachGoal() of a flat front and of values far from 1", () => {
  const grid = latticeGrid(2, 3);
  const flat = front(grid, grid.map(() => [0.5, 0.5]));
  assert.ok(ask(flat, { atLeast: { helpful: 0.5 }, maximize: "harmless" }).met);
  assert.ok(!ask(flat, { atLeast: { helpful: 0.6 }, maximize: "harmless" }).met);
  const [large, small] = [1e6, 1e-6].map((scale) => {
    const scaled = front(grid, [[0, 3], [2, 2], [3, 0]].map((row) => row.map((v) => v * scale)));
    return ask(scaled, { atLeast: { harmless: 1 * scale }, maximize: "helpful" });
  });
  assert.ok(large?.met && small?.met);
  assertNear(large.point.preference, [0.75, 0.25]);
  assertNear(small.point.preference, [0.75, 0.25]);
});

Deno.test("reachGoal() refuses a dimension that the front does not have", () => {
  assert.throws(() => reachGoal(line, { atLeast: {}, maximize: "kind" }), InputError);
  assert.throws(
    () => reachGoal(line, { atLeast: { kind: 1 }, maximize: "helpful" }),
    (error) => error instanceof InputError && error.message.includes("kind"),
  );
});

Deno.test("reachGoal() agrees with scipy's linear programming over all cells", () => {
  for (const [n, known] of golden.cases.entries()) {
    const atLeast = Object.fromEntries(
      known.atLeast.flatMap((least, i) => (least === null ? [] : [[names[i] ?? "", least]])),
    );
    const maximize = names[known.maximize] ?? "";
    const answer = ask(front(known.preferences, known.values), { atLeast, maximize });
    const what = `case ${n}`;
    const point = answer.met ? answer.point : answer.nearest;
    assert.equal(answer.met, known.shortfall === 0, what);
    const shortfall = answer.met ? 0 : Math.max(...Object.values(answer.shortfall));
    assertNear([shortfall], [known.shortfall], { tolerance: 1e-6, what });
    assertNear([point.values[known.maximize] ?? NaN], [known.most], { tolerance: 1e-6, what });
  }
  assert.ok(golden.cases.some(({ shortfall }) => shortfall > 0));
});

/** A front over a grid with arbitrary values, and a goal that may or may not be in reach. */
const questions = fc.constantFrom([2, 6], [2, 3], [3, 4], [3, 2], [4, 3]).chain((
  [m = 2, perEdge = 2],
) => {
  const grid = latticeGrid(m, perEdge);
  // Coarse and fine steps: ties, but no slope on which rounding alone decides.
  const value = fc.constantFrom(4, 1000).chain((steps) =>
    fc.integer({ min: 0, max: steps }).map((k) => k / steps)
  );
  return fc.record({
    m: fc.constant(m),
    values: fc.array(fc.array(value, { minLength: m, maxLength: m }), {
      minLength: grid.length,
      maxLength: grid.length,
    }),
    least: fc.array(fc.option(value), {
      minLength: m,
      maxLength: m,
    }),
    maximized: fc.integer({ min: 0, max: m - 1 }),
  }).map((question) => ({ ...question, grid }));
});

function goalOf(least: (number | null)[], maximized: number): Goal {
  const wishes = least.flatMap((value, i) => (value === null ? [] : [[names[i] ?? "", value]]));
  return { atLeast: Object.fromEntries(wishes), maximize: names[maximized] ?? "" };
}

Deno.test("the answer is never worse than a measured point, and is where it says it is", () => {
  fc.assert(
    fc.property(questions, ({ grid, values, least, maximized }) => {
      const answer = ask(front(grid, values), goalOf(least, maximized));
      const gapOf = (row: number[]) =>
        Math.max(0, ...least.map((value, i) => (value === null ? 0 : value - (row[i] ?? NaN))));
      const point = answer.met ? answer.point : answer.nearest;
      const sum = point.preference.reduce((total, weight) => total + weight, 0);
      assert.ok(Math.abs(sum - 1) < 1e-9 && point.preference.every((weight) => weight >= 0));
      const gap = gapOf(point.values);
      if (answer.met) assert.ok(gap <= 1e-8);
      else assertNear([gap], [Math.max(...Object.values(answer.shortfall))], { tolerance: 1e-8 });
      for (const row of values) {
        assert.ok(gapOf(row) >= gap - 1e-8);
        if (gapOf(row) > gap) continue;
        assert.ok((point.values[maximized] ?? NaN) >= (row[maximized] ?? NaN) - 1e-8);
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("a higher wish never gives more of what is maximised", () => {
  fc.assert(
    fc.property(questions, fc.integer({ min: 0, max: 500 }), (question, thousandths) => {
      const { grid, values, least, maximized } = question;
      const more = thousandths / 1000;
      const report = front(grid, values);
      const lower = ask(report, goalOf(least, maximized));
      const higher = ask(
        report,
        goalOf(least.map((v) => (v === null ? null : v + more)), maximized),
      );
      if (higher.met) {
        assert.ok(lower.met);
        const [a = NaN, b = NaN] = [lower, higher].map(({ point }) =>
          point.values[maximized] ?? NaN
        );
        assert.ok(b <= a + 1e-8);
      } else if (!lower.met) {
        const [a, b] = [lower, higher].map(({ shortfall }) =>
          Math.max(...Object.values(shortfall))
        );
        assert.ok((b ?? NaN) >= (a ?? NaN) - 1e-8);
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("a goal over the largest grid of three dimensions is answered within the time of a request", () => {
  const grid = latticeGrid(3, 44); // 990 points: the most that may be asked for is 1001
  const values = grid.map((preference) => preference.map((weight) => Math.sqrt(weight)));
  const start = performance.now();
  const answer = ask(front(grid, values), {
    atLeast: { harmless: 0.5, concise: 0.5 },
    maximize: "helpful",
  });
  assert.ok(answer.met && performance.now() - start < 1000);
});
