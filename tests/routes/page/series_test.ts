import assert from "node:assert/strict";
import { latticeGrid } from "../../../core/preference.ts";
import { summarizeFront } from "../../../core/front/report.ts";
import {
  comparable,
  frontTitle,
  isBaseline,
  mainFront,
} from "../../../routes/page/front/series.ts";

function report(grid: number, dimensions = ["helpful", "harmless"]) {
  const preferences = latticeGrid(dimensions.length, grid);
  return summarizeFront({
    adapter: "a",
    metric: "implicit_accuracy",
    dimensions,
    preferences,
    outcomes: dimensions.map((_, i) => ({
      values: preferences.map((preference) => [preference[i] ?? 0]),
    })),
    referencePoint: dimensions.map(() => 0),
  }, { seed: 1, resamples: 0 });
}

Deno.test("the finest front is shown first, of equals the one of the end of training", () => {
  assert.equal(mainFront({}), null);
  assert.equal(mainFront({ front: report(3), final: report(5), "step-10": report(5) }), "final");
  assert.equal(mainFront({ final: report(3), fine: report(9) }), "fine");
});

Deno.test("a baseline stands beside a front, never in its place", () => {
  assert.ok(isBaseline("baseline-soup"));
  assert.equal(mainFront({ "baseline-soup": report(9), final: report(3) }), "final");
  assert.equal(mainFront({ "baseline-soup": report(9) }), null);
});

Deno.test("fronts stand in one plot where dimensions and measure agree", () => {
  assert.ok(comparable(report(3), report(5)));
  assert.equal(comparable(report(3), report(3, ["helpful", "concise"])), false);
  assert.equal(comparable(report(3), { ...report(3), metric: "reward" }), false);
});

Deno.test("stored fronts have titles that people can read", () => {
  const titles = ["final", "step-10", "0123456789abcdef0123456789abcdef", "baseline-soup"]
    .map((name) => frontTitle(name, report(5)));
  assert.deepEqual(titles, ["end of training", "step 10", "5 points, on request", "baseline-soup"]);
});
