import assert from "node:assert/strict";
import { figureNames } from "../../../core/report/figure_names.ts";
import { memoryText, reportHtml, timeText } from "../../../core/report/html.ts";
import { meanPreference, nearestOnFront } from "../../../core/report/labellers.ts";
import { composeReport, drawFigures, Report } from "../../../core/report/report.ts";
import type { Results } from "../../../core/report/results.ts";
import { hullGap } from "../../../core/report/shape.ts";
import { hypervolume } from "../../../core/front/indicators.ts";
import { assertNear } from "../../near.ts";
import { assertWellFormed } from "../front/markup.ts";
import { syntheticResults } from "./fixture.ts";

const verdictOf = (results: Results, words: RegExp) =>
  composeReport(results).findings.find(({ claim }) => words.test(claim));

Deno.test("the report of the same results is the same, byte for byte", () => {
  const [one, other] = [syntheticResults(), syntheticResults()].map(composeReport);
  assert.ok(one && other);
  assert.equal(JSON.stringify(one), JSON.stringify(other));
  assert.equal(reportHtml(one), reportHtml(other));
});

Deno.test("report.json reads back as what it was", () => {
  const report = composeReport(syntheticResults());
  assert.deepEqual(Report.parse(JSON.parse(JSON.stringify(report))), report);
});

Deno.test("a summary is the mean of its runs above one reference point, with an interval", () => {
  const results = syntheticResults();
  const { summaries } = composeReport(results);
  const summary = summaries.find(({ method, metric }) =>
    method === "panacea_ppo_ls" && metric === "expected_reward"
  );
  const runs = results.runs.filter(({ method }) => method === "panacea_ppo_ls");
  const volumes = runs.map(({ fronts }) =>
    hypervolume(
      fronts.expected_reward?.points.map(({ values }) => values) ?? [],
      summary?.referencePoint ?? [],
    )
  );
  const { mean = NaN, low, high } = summary?.values.hypervolume ?? {};
  assertNear([mean], [volumes.reduce((sum, value) => sum + value, 0) / 3]);
  assert.ok((low ?? mean) < mean && mean < (high ?? mean));
  assert.deepEqual(summary?.seeds, [1, 2, 3]);
  assert.equal(summary?.points.length, 11);
  const references = summaries.filter(({ metric, dimensions }) =>
    metric === "expected_reward" && dimensions.length === 2
  ).map(({ referencePoint }) => referencePoint.join());
  assert.equal(new Set(references).size, 1, "hypervolumes can be compared");
});

Deno.test("claims hold, fail or stay open by the interval of the differences", () => {
  const results = syntheticResults();
  assert.equal(verdictOf(results, /RLHF, LS\) is better than Rewarded Soups/)?.verdict, "holds");
  assert.equal(verdictOf(results, /same compute/)?.verdict, "missing");
  assert.equal(verdictOf(results, /Learned scaling/)?.verdict, "holds");
  assert.equal(verdictOf(results, /mixed labellers/)?.verdict, "holds");
  // The other way round: what were Panacea's runs are now the soups'.
  const swapped = { panacea: "rewarded_soups", rewarded_soups: "panacea" } as const;
  const turned = syntheticResults();
  for (const method of turned.methods) {
    if (method.objective !== "ppo" || method.aggregation !== "ls") continue;
    if (method.family === "panacea" || method.family === "rewarded_soups") {
      method.family = swapped[method.family];
    }
  }
  assert.equal(verdictOf(turned, /RLHF, LS\) is better than Rewarded Soups/)?.verdict, "fails");
  // One seed decides nothing.
  const single = verdictOf(syntheticResults({ seeds: 1 }), /better than Rewarded Soups/);
  assert.equal(single?.verdict, "open");
});

Deno.test("a failed or missing run is left out of the means and told", () => {
  const results = syntheticResults();
  const lost = results.runs.find(({ name }) => name === "soups_ppo_seed_2");
  assert.ok(lost);
  Object.assign(lost, { state: "failed", error: "Training diverged at step 3", cost: undefined });
  const report = composeReport(results);
  const soups = report.summaries.find(({ method }) => method === "soups_ppo");
  assert.deepEqual(soups?.seeds, [1, 3]);
  const html = reportHtml(report);
  assert.match(html, /failed: Training diverged at step 3/);
  assert.match(html, /35 of 36 runs finished, 1 failed/);
});

Deno.test("every figure is drawn for both widths, well-formed and without what lies elsewhere", () => {
  const report = composeReport(syntheticResults());
  for (const width of ["wide", "narrow"] as const) {
    const drawn = drawFigures(report, width);
    // Of these the fixture has one method or none, which compares nothing.
    const missing = ["same_compute_rlhf", "same_compute_dpo", "ablations"];
    assert.deepEqual([...drawn.keys()], figureNames.filter((name) => !missing.includes(name)));
    for (const [name, svg] of drawn) {
      assertWellFormed(svg);
      assert.doesNotMatch(svg, /<script|href=|url\(|@import|NaN/, name);
      const [, pixels] = /^<svg[^>]* width="(\d+)"/.exec(svg) ?? [];
      assert.ok(Number(pixels) <= (width === "wide" ? 930 : 370), `${name} is ${pixels} wide`);
    }
  }
});

Deno.test("results without a finished run give a report that says so", () => {
  const results = syntheticResults();
  for (const run of results.runs) {
    Object.assign(run, { state: "missing", fronts: {}, evolution: [], curve: [], cost: undefined });
  }
  const report = composeReport({ ...results, samples: [] });
  assert.ok(report.findings.every(({ verdict }) => verdict === "missing"));
  assert.equal(drawFigures(report).size, 0);
  assert.match(reportHtml(report), /0 of 36 runs finished, 36 not reached/);
  assert.match(reportHtml(report), /Not drawn: its runs \(.*\) are not finished/);
});

Deno.test("the page holds no script, no outside reference, and no markup of what models say", () => {
  const html = reportHtml(composeReport(syntheticResults()));
  assert.doesNotMatch(html, /<script|<link|<iframe|<img|\son\w+=|javascript:/i);
  assert.doesNotMatch(html.replaceAll("http://www.w3.org/2000/svg", ""), /https?:\/\//);
  assert.match(html, /&lt;script&gt;alert\(1\)&lt;\/script&gt;/);
  assert.match(html, /&lt;b&gt;markup&lt;\/b&gt; &amp; quotes &quot;/);
  assertWellFormed(html.replace(/^<!doctype html>/, "").replaceAll(/<meta [^>]*>/g, ""));
});

Deno.test("hullGap() is 0 for a concave front and measures a dent in spans", () => {
  const circle = [0, 0.25, 0.5, 0.75, 1].map((t) => [
    Math.sin(t * Math.PI / 2),
    Math.cos(t * Math.PI / 2),
  ]);
  assertNear([hullGap(circle)], [0]);
  // (0,1), (1,0) and (0.2,0.2): the line x + y = 1 lies 0.6 above it, 0.3 along both axes
  assertNear([hullGap([[0, 1], [1, 0], [0.2, 0.2]])], [0.3]);
  // units do not matter
  assertNear([hullGap([[0, 10], [500, 0], [100, 2]])], [0.3]);
  assert.equal(hullGap([[0, 1], [1, 0]]), 0);
});

Deno.test("meanPreference() and nearestOnFront() by hand", () => {
  const labellers = [{ share: 3, preference: [1, 0] }, { share: 1, preference: [0, 1] }];
  assertNear(meanPreference({ labellers }), [0.75, 0.25]);
  const points = [
    { preference: [1, 0], values: [1, 0] },
    { preference: [0, 1], values: [0, 1] },
  ];
  // (0.75, 0.75) falls on (0.5, 0.5) of the line, √(2·0.25²) away
  const { preference, distance } = nearestOnFront(points, [0.75, 0.75]);
  assertNear([...preference, distance], [0.5, 0.5, Math.SQRT2 / 4]);
  assertNear(nearestOnFront(points, [2, 0]).preference, [1, 0]);
  assert.throws(() => nearestOnFront([], [0, 0]), RangeError);
});

Deno.test("times and memory are told in the unit that people would use", () => {
  assert.deepEqual([4.24, 90, 600, 3600, 12_000, 1e6].map(timeText), [
    "4.2 s",
    "90 s",
    "10 min",
    "1 h",
    "3 h 20 min",
    "12 days",
  ]);
  assert.deepEqual([5e8, 4e9].map(memoryText), ["477 MiB", "3.7 GiB"]);
});
