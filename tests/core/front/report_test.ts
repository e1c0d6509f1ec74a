import assert from "node:assert/strict";
import { exactShare, FrontReport, summarizeFront } from "../../../core/front/report.ts";
import { measurement } from "./fixture.ts";

Deno.test("summarizeFront() of a hand-worked measurement", () => {
  const report = summarizeFront({
    adapter: "runs/first",
    metric: "expected_reward",
    dimensions: ["helpful", "harmless"],
    preferences: [[0, 1], [0.5, 0.5], [1, 0]],
    outcomes: [
      { values: [[0, 2], [1, 3], [2, 4]] }, // means 1, 2, 3
      { values: [[4, 4, 1], [2, 2, 2], [0, 0, 3]] }, // means 3, 2, 1 over other items
    ],
    referencePoint: [0, 0],
    exact: [{ preference: [0, 1], values: [2, 4] }, { preference: [1, 0], values: [4, 2] }],
    settings: { split: "test" },
  }, { seed: 1 });
  assert.deepEqual(report.points.map(({ values }) => values), [[1, 3], [2, 2], [3, 1]]);
  // rectangles 3×1 + 2×1 + 1×1 = 6; exact 4×2 + 2×2 = 12
  assert.equal(report.indicators.hypervolume, 6);
  assert.equal(report.exact?.hypervolumeRatio, 0.5);
  // (3 + 2 + 3) / 3
  assert.ok(Math.abs(report.indicators.innerProduct - 8 / 3) < 1e-12);
  assert.deepEqual(report.indicators.span, [2, 2]);
  assert.deepEqual(report.indicators.referencePoint, [0, 0]);
  assert.equal(report.indicators.dominatedShare, 0);
  assert.equal(report.controllability.helpful?.range, 2);
  assert.equal(report.controllability.harmless?.rho, 1);
  assert.deepEqual(report.settings, {
    split: "test",
    bootstrap: { seed: 1, resamples: 1000, level: 0.95 },
  });
  assert.match(report.verdict, /2 test prompts are too few to be sure$/);
});

Deno.test("summarizeFront() tells steering from no effect", () => {
  const steered = summarizeFront(measurement(2), { seed: 3 });
  assert.match(steered.verdict, /^λ steers helpful \(ρ (0\.9\d|1\.00)\) and harmless \(ρ .*\)$/);
  const flat = summarizeFront(measurement(2, { effect: 0 }), { seed: 3 });
  assert.equal(flat.verdict, "λ has no measurable effect");
  assert.equal(flat.controllability.helpful?.rho, 0);
  const untested = summarizeFront(measurement(2), { seed: 3, resamples: 0 });
  assert.match(untested.verdict, /not tested against chance/);
});

Deno.test("summarizeFront() survives JSON and its schema for one to four dimensions", () => {
  for (const m of [1, 2, 3, 4]) {
    const report = summarizeFront(measurement(m, { pointsPerEdge: 4 }), { seed: 1, resamples: 50 });
    const again = FrontReport.parse(JSON.parse(JSON.stringify(report)));
    assert.deepEqual(again, report);
    assert.equal(Object.keys(report.controllability).length, m);
    for (const { values, low, high } of report.points) {
      for (const [i, value] of values.entries()) {
        assert.ok((low[i] ?? NaN) <= value && value <= (high[i] ?? NaN));
      }
    }
  }
  assert.ok(!FrontReport.safeParse({ adapter: "x" }).success);
});

Deno.test("summarizeFront() is determined by its seed, and dimensions do not disturb each other", () => {
  const both = measurement(2);
  const report = summarizeFront(both, { seed: 5, resamples: 100 });
  assert.deepEqual(summarizeFront(both, { seed: 5, resamples: 100 }), report);
  assert.notDeepEqual(summarizeFront(both, { seed: 6, resamples: 100 }), report);
  const [helpful, harmless] = both.outcomes;
  const swapped = summarizeFront({
    ...both,
    dimensions: ["harmless", "helpful"],
    preferences: both.preferences.map((preference) => [...preference].reverse()),
    outcomes: harmless && helpful ? [harmless, helpful] : [],
  }, { seed: 5, resamples: 100 });
  assert.deepEqual(
    swapped.points.map(({ low }) => [...low].reverse()),
    report.points.map(({ low }) => low),
  );
  assert.deepEqual(swapped.controllability.helpful, report.controllability.helpful);
});

Deno.test("summarizeFront() refuses what does not fit together", () => {
  const good = measurement(2);
  const broken = (overrides: Partial<typeof good>) => () =>
    summarizeFront({ ...good, ...overrides }, { seed: 1 });
  assert.throws(broken({ referencePoint: [0] }), /^TypeError: Cannot summarise the front/);
  assert.throws(broken({ outcomes: good.outcomes.slice(1) }), TypeError);
  assert.throws(broken({ preferences: good.preferences.slice(1) }), /at each of 10 preferences/);
  assert.throws(broken({ preferences: [] }), TypeError);
});

Deno.test("summarizeFront() has no share where the exact front has no hypervolume itself", () => {
  // (0.1, 0.1) lies below the reference point (0.25, 0.25): its hypervolume is 0.
  const exact = [{ preference: [1, 0], values: [0.1, 0.1] }];
  const report = summarizeFront({ ...measurement(2), exact }, { seed: 1 });
  assert.equal(report.exact?.hypervolumeRatio, null);
  assert.match(exactShare(report.exact), /^where the exact front has none/);
});
