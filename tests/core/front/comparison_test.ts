import assert from "node:assert/strict";
import { parseHTML } from "linkedom";
import { compareFronts, FrontComparison } from "../../../core/front/comparison.ts";
import {
  comparisonCsv,
  comparisonSvg,
  distributionsCsv,
  distributionsSvg,
  evolutionSvg,
} from "../../../core/front/render.ts";
import { type FrontReport, summarizeFront } from "../../../core/front/report.ts";
import { InputError } from "../../../core/errors.ts";
import { seriesShape, shapePath } from "../../../core/front/shapes.ts";
import { shownPoints } from "../../../core/front/shown_points.ts";
import { latticeGrid } from "../../../core/preference.ts";
import { measurement } from "./fixture.ts";

/** A front of two dimensions through these points, over one test item. */
function front(adapter: string, points: number[][], referencePoint = [0, 0]): FrontReport {
  return summarizeFront({
    adapter,
    metric: "reward",
    dimensions: ["helpful", "harmless"],
    preferences: latticeGrid(2, points.length),
    outcomes: [0, 1].map((i) => ({ values: points.map((point) => [point[i] ?? NaN]) })),
    initial: [[0], [0]],
    referencePoint,
  }, { seed: 1, resamples: 0 });
}

const good = front("good", [[1, 3], [3, 1]]);
const poor = front("poor", [[1, 1], [2, 2]], [1, 1]);

function elements(svg: string, selector: string): number {
  const { document } = parseHTML(`<body>${svg}</body>`) as unknown as {
    document: { querySelectorAll(s: string): Iterable<unknown> };
  };
  return [...document.querySelectorAll(selector)].length;
}

Deno.test("compareFronts() sees every front from the first one's reference point", () => {
  const comparison = compareFronts([{ name: "a", report: good }, { name: "b", report: poor }]);
  assert.deepEqual(comparison.referencePoint, [0, 0]);
  const [a, b] = comparison.fronts;
  // Above (0, 0): the rectangles 3 × 1 + 1 × 2 = 5, and 2 × 2 = 4; b's own point (1, 1) gave 1.
  assert.equal(a?.indicators.hypervolume, 5);
  assert.equal(b?.indicators.hypervolume, 4);
  assert.equal(poor.indicators.hypervolume, 1);
  assert.deepEqual([a?.hypervolumeShare, b?.hypervolumeShare], [1, 0.8]);
  // (1, 1) lies under (1, 3); nothing lies above (2, 2) or the two of a.
  assert.deepEqual([a?.dominatedByOthers, b?.dominatedByOthers], [0, 0.5]);
  assert.deepEqual(FrontComparison.parse(JSON.parse(JSON.stringify(comparison))), comparison);
  const none = compareFronts([{ name: "a", report: front("z", [[-1, -1], [-2, -2]]) }]);
  assert.equal(none.fronts[0]?.hypervolumeShare, null);
});

Deno.test("compareFronts() refuses fronts that cannot stand on the same axes", () => {
  const other = summarizeFront(measurement(2), { seed: 1, resamples: 0 });
  const named = (report: FrontReport, name = "b") => ({ name, report });
  for (
    const [wrong, words] of [
      [[], /expected at least one, got none/],
      [[named(good), named(poor)], /expected b once, got it twice/],
      [[named(good, "a"), named(other)], /mean reward of helpful, harmless as in a, got implicit/],
      [
        [named(good, "a"), named({ ...poor, dimensions: ["helpful", "concise"] })],
        /got mean reward of helpful, concise in b/,
      ],
    ] as const
  ) {
    assert.throws(() => compareFronts([...wrong]), (error) => {
      assert.ok(error instanceof InputError);
      assert.match(error.message, words);
      return true;
    });
  }
});

Deno.test("comparisonSvg() draws every front on the same axes, each with a name of its own", () => {
  const comparison = compareFronts([
    { name: "panacea", report: good },
    { name: "soups <1>", report: poor },
    { name: "policies", report: front("c", [[0, 2], [2, 0]]) },
  ]);
  const svg = comparisonSvg(comparison);
  assert.doesNotMatch(svg, /NaN|undefined|<script|href=/);
  for (const text of ["panacea, λ: harmless to helpful", "soups &lt;1&gt;", "policies"]) {
    assert.ok(svg.includes(`>${text}<`), text);
  }
  assert.match(svg, /Hypervolume above \(0, 0\): panacea 5, soups &lt;1&gt; 4 \(80\.0 %\)/);
  // One axis for all: (0, 2) and (3, 1) lie inside it.
  assert.equal(elements(svg, '[aria-label="x-axis tick label"]'), 1);
  // Two points of the first, circles; two of the second, circles; two squares, which are paths.
  assert.equal(elements(svg, '[aria-label="dot"] circle'), 4);
  assert.equal(elements(svg, '[aria-label="dot"] path'), 4); // and reference point and no adapter
  assert.deepEqual(
    comparisonCsv(comparison).split("\n").slice(0, 4),
    [
      "front,lambda_helpful,lambda_harmless,helpful,helpful_low,helpful_high," +
      "harmless,harmless_low,harmless_high",
      "panacea,0,1,1,1,1,3,3,3",
      "panacea,1,0,3,3,3,1,1,1",
      "soups <1>,0,1,1,1,1,1,1,1",
    ],
  );
});

Deno.test("evolutionSvg() draws the steps of one adapter, the last one leading", () => {
  const steps = [3, 2, 1].map((step) => ({
    name: `step ${step}`,
    report: front("runs/a", [[0, step], [step, 0]]),
  }));
  const svg = evolutionSvg(compareFronts(steps));
  assert.ok(svg.includes("Front of runs/a as it grew"));
  assert.ok(svg.includes(">step 3, λ: harmless to helpful<"));
  // The darker, the later.
  assert.ok(svg.indexOf("#8a6a1f") < svg.indexOf("#d5c49a"));
});

Deno.test("distributionsSvg() draws a row for each λ and one for the model without adapter", () => {
  for (const m of [1, 2, 3]) {
    const preferences = latticeGrid(m, m === 1 ? 2 : 5);
    const dimensions = ["helpful", "harmless", "concise"].slice(0, m);
    const report = summarizeFront({
      adapter: "runs/a",
      metric: "reward",
      dimensions,
      preferences,
      outcomes: dimensions.map((_, i) => ({
        values: preferences.map((weights) => [0, 0.5, 1].map((x) => x + (weights[i] ?? 0))),
      })),
      initial: dimensions.map(() => [0, 0.2, 0.4]),
      referencePoint: dimensions.map(() => 0),
    }, { seed: 1, resamples: 0 });
    const svg = distributionsSvg(report);
    assert.doesNotMatch(svg, /NaN|undefined|<script|href=/);
    const rows = shownPoints(report).length + 1;
    assert.equal(elements(svg, '[aria-label="area"]'), rows * m);
    assert.equal(svg.split(">no adapter<").length - 1, m);
    const lines = distributionsCsv(report).trimEnd().split("\n");
    assert.equal(lines[0]?.split(",").length, m + 4);
    const counts = lines.slice(1).map((line) => Number(line.split(",").at(-1)));
    assert.equal(counts.reduce((sum, count) => sum + count, 0), 3 * m * (preferences.length + 1));
  }
  const without = summarizeFront(measurement(2), { seed: 1, resamples: 0 });
  assert.equal(without.distributions, undefined);
  assert.throws(() => distributionsSvg(without), /^TypeError: Cannot draw distributions/);
});

Deno.test("shownPoints() takes the whole range of λ, or the corners and the middle", () => {
  const points = (m: number, grid: number) => ({
    dimensions: ["a", "b", "c"].slice(0, m),
    points: latticeGrid(m, grid).map((preference) => ({
      preference,
      values: [],
      low: [],
      high: [],
    })),
  });
  const two = points(2, 101);
  const shown = shownPoints(two).map((n) => two.points[n]?.preference[0]);
  assert.equal(shown.length, 11);
  assert.deepEqual([shown[0], shown[5], shown[10]], [0, 0.5, 1]);
  const three = points(3, 4);
  assert.deepEqual(
    shownPoints(three).map((n) => three.points[n]?.preference.map((w) => Number(w.toFixed(2)))),
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.33, 0.33, 0.33]],
  );
});

Deno.test("shapes are closed outlines, four of them different", () => {
  const outlines = [0, 1, 2, 3].map((i) => shapePath(seriesShape(i), 4));
  assert.equal(new Set(outlines).size, 4);
  for (const outline of outlines) assert.match(outline, /^M[-\d.,a hlvzH]+z$/);
  assert.equal(seriesShape(4), seriesShape(0));
});
