// `deno task reproduce` from the terminal: wrong usage, the dry run, and what is printed at the end.
import assert from "node:assert/strict";
import { estimateText, reproduceDocument, reproduceText } from "../../commands/reproduce.ts";
import { devices } from "../../core/footprint/devices.ts";
import { composeReport } from "../../core/report/report.ts";
import { estimatePlan } from "../../workers/reproduce/estimate.ts";
import { alpaca7b, beaverTails } from "../../workers/reproduce/real.ts";
import { planScale } from "../../workers/reproduce/scales.ts";
import { syntheticResults } from "../core/report/fixture.ts";
import { runMain } from "./process.ts";

const options = {
  ...{ outputDir: "runs/here", seeds: 1, share: 1, grid: 11, bootstrap: 100, only: [] },
  compute: { engine: "auto", threads: 0, device: "auto" } as const,
};

Deno.test("wrong usage is one sentence and exit code 2", async () => {
  const cases: [args: string[], expected: RegExp][] = [
    [["--scale", "huge"], /Cannot use --scale: expected one of tiny, small, real, got "huge"/],
    [
      ["--figures", "figure_9"],
      /expected names among figure_3, .*got "figure_9" \(nearest: figure_\d\)/,
    ],
    [
      ["--scale", "small"],
      /Cannot plan the scale small: expected --model and --dataset .*got no model/,
    ],
    [["--scale", "real", "--dry_run", "false"], /Cannot run the scale real: expected --model and/],
    [["--steps_share", "2"], /Cannot use --steps_share: expected a number/],
  ];
  for (const [args, expected] of cases) {
    const { code, stderr, stdout } = await runMain(["reproduce", ...args]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, expected);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
    assert.equal(stdout, "");
  }
});

Deno.test("the scale real tells what the paper's sizes need, and trains nothing", async () => {
  const { code, stdout, stderr } = await runMain(["reproduce", "--scale", "real", "--json"]);
  assert.equal(code, 0, stderr);
  const estimate = JSON.parse(stdout);
  assert.equal(estimate.parameters, 6_738_423_808);
  assert.deepEqual(Object.keys(estimate.seconds), ["here", ...Object.keys(devices)]);
  for (const { label, fits } of estimate.methods) {
    assert.ok(fits["A800 80 GB"].fits, `${label} fits the paper's device`);
    assert.ok(fits["A800 80 GB"].engineBytes > 2 * 6.7e9, label);
  }
});

Deno.test("estimateText() has a row for every method and a column for every device", () => {
  const plan = planScale("real", options);
  const text = estimateText(estimatePlan(plan, { decoder: alpaca7b, volume: beaverTails }));
  const rows = text.split("\n");
  for (const { label } of plan.methods) assert.ok(rows.some((row) => row.startsWith(label)), label);
  for (const name of Object.keys(devices)) assert.ok(text.includes(name));
  assert.match(text, /6738 million parameters/);
  // Eleven policies take eleven times as long as one; two take twice.
  const { methods } = estimatePlan(plan, { decoder: alpaca7b, volume: beaverTails });
  const seconds = (label: string) =>
    methods.find((method) => method.label === label)?.fits["A800 80 GB"]?.seconds ?? NaN;
  const one = seconds("Panacea LS (RLHF)");
  assert.equal(seconds("Discrete policies (RLHF)").toFixed(3), (11 * one).toFixed(3));
  assert.equal(seconds("Rewarded Soups (RLHF)").toFixed(3), (2 * one).toFixed(3));
});

Deno.test("what is printed at the end names claims, files and what is left to do", () => {
  const report = composeReport(syntheticResults());
  const outcome = {
    ...{ outputDir: "runs/here", report, before: 30, stopped: false, failed: [] },
    files: ["runs/here/report.html", "runs/here/report.json", "runs/here/figures/figure_3.svg"],
  };
  const text = reproduceText(outcome);
  assert.match(text, /^holds here +For every λ/);
  assert.match(text, /36 of 36 runs are finished, 6 of them now/);
  assert.match(text, /Report +runs\/here\/report\.html/);
  assert.match(text, /Figures +1 beside it/);
  const stopped = reproduceText({ ...outcome, stopped: true });
  assert.match(stopped, /Stopped; saved in runs\/here\nContinue with the same command/);
  const document = reproduceDocument({ ...outcome, failed: [{ name: "a", error: "b" }] });
  assert.deepEqual(Object.keys(document), ["output_dir", "findings", "files", "failed"]);
});
