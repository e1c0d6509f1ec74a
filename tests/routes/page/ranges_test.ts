import assert from "node:assert/strict";
import type { FrontReport } from "../../../core/front/report.ts";
import { placeAfter } from "../../../routes/page/front/list_keys.ts";
import { axisRange, showsReference } from "../../../routes/page/front/ranges.ts";

/** What of a report the axes depend on: intervals of two dimensions, and the reference point. */
function report(intervals: [number, number][], referencePoint: number[]): FrontReport {
  const [low, high] = [0, 1].map((end) => intervals.map((interval) => interval[end] ?? NaN));
  return {
    points: [{ preference: [0.5, 0.5], values: low ?? [], low: low ?? [], high: high ?? [] }],
    indicators: { referencePoint },
  } as unknown as FrontReport;
}

const first = report([[1, 2], [10, 20]], [0.5, -100]);

Deno.test("an axis shows every front, and the reference point where it lies near", () => {
  // 1 … 2 and the reference 0.5: 1.5 long, of which 9 % is room on either side.
  assert.deepEqual(axisRange([first], 0), [0.5 - 0.135, 2 + 0.135]);
  // −100 lies far from 10 … 20.
  assert.deepEqual(axisRange([first], 1), [10 - 0.9, 20 + 0.9]);
  const [low, high] = axisRange([first, report([[4, 6], [0, 0]], [0, 0])], 0);
  assert.ok(low < 0.5 && high > 6);
});

Deno.test("the reference point is shown where both axes reach it", () => {
  assert.equal(showsReference([first], { x: 0, y: 1 }), false);
  assert.equal(showsReference([report([[1, 2], [1, 2]], [0.5, 0.5])], { x: 0, y: 1 }), true);
});

Deno.test("keys move along a list and stay inside it", () => {
  const places = ["ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown", "Home", "End", "Enter", "x"];
  assert.deepEqual(places.map((key) => placeAfter(key, 1, 3)), [2, 2, 0, 0, 0, 2, 1, null]);
  assert.equal(placeAfter("ArrowRight", 2, 3), 2);
  assert.equal(placeAfter("ArrowLeft", 0, 3), 0);
});
