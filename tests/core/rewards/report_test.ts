import assert from "node:assert/strict";
import fc from "fast-check";
import { centringBias } from "../../../core/rewards/centre.ts";
import { rewardCsv, rewardLines, rewardSvg } from "../../../core/rewards/render.ts";
import { rewardQualities, RewardReport } from "../../../core/rewards/report.ts";
import golden from "../../golden/calibration.json" with { type: "json" };
import { assertNear } from "../../near.ts";

const prompt = Int32Array.of(1);
const settings = { dimensions: ["helpful"], seed: 7, resamples: 200 };

function pairsOf(labels: (number | null)[][]) {
  return labels.map((better, p) => ({ prompt: Int32Array.of(p), better }));
}

Deno.test("rewardQualities() equals scikit-learn's accuracy, log loss and calibration curve", () => {
  const [quality] = rewardQualities(
    Float32Array.from(golden.scores),
    pairsOf(golden.labels.map((label) => [label])),
    settings,
  );
  assert.ok(quality);
  assert.equal(quality.pairs, golden.labels.length);
  assertNear([quality.accuracy], [golden.accuracy]);
  assertNear([quality.log_loss], [golden.logLoss], { tolerance: 1e-6 });
  assertNear([quality.calibration_error], [golden.calibrationError], { tolerance: 1e-6 });
  assert.equal(quality.bins.length, golden.bins.length);
  quality.bins.forEach(({ pairs, confidence, accuracy }, k) => {
    const wanted = golden.bins[k];
    assertNear([pairs, confidence, accuracy], Object.values(wanted ?? {}), { tolerance: 1e-6 });
  });
  for (const side of ["chosen", "rejected"] as const) {
    assertNear(Object.values(quality[side]), Object.values(golden[side]), { tolerance: 1e-6 });
  }
  assert.ok(quality.low < quality.accuracy && quality.accuracy < quality.high);
});

Deno.test("rewardQualities() of three pairs, worked by hand", () => {
  // Margins 2, −1, 0; labels 0 (right), 0 (wrong), 1 (a tie is wrong): 1/3.
  // Confidences σ(2) = 0.880797, σ(1) = 0.731059, 0.5; agreement 1, 0, 1/2.
  // |1 − 0.880797| + |0 − 0.731059| + |0.5 − 0.5| = 0.850262, over three pairs 0.283421.
  const scores = Float32Array.of(2, 0, 0, 1, 3, 3);
  const [quality] = rewardQualities(scores, pairsOf([[0], [0], [1]]), settings);
  assert.ok(quality);
  assertNear([quality.accuracy, quality.calibration_error], [1 / 3, 0.850262 / 3], {
    tolerance: 1e-6,
  });
  // −log σ(2) + −log σ(−1) + log 2 = 0.126928 + 1.313262 + 0.693147
  assertNear([quality.log_loss], [2.133337 / 3], { tolerance: 1e-6 });
  assert.deepEqual([quality.chosen.mean, quality.rejected.mean], [5 / 3, 4 / 3]);
  assert.deepEqual(quality.bins.map(({ low, pairs }) => [low, pairs]), [[0.5, 1], [0.7, 1], [
    0.85,
    1,
  ]]);
});

Deno.test("rewardQualities(): shares of labels, no label, as many for either, several dimensions", () => {
  const pairs = pairsOf([[0.25, null], [0.5, 1], [null, null]]);
  const scores = Float32Array.of(1, 0, 0, 5, 0, 0, 0, 3, 9, 9, 9, 9); // (6, 2)
  const dimensions = ["helpful", "harmless"];
  const qualities = rewardQualities(scores, pairs, { ...settings, dimensions });
  assert.deepEqual(qualities.map(({ name, pairs }) => [name, pairs]), [["helpful", 1], [
    "harmless",
    1,
  ]]);
  // The model is right about pair 0, with which three quarters agree.
  assert.deepEqual(qualities[0]?.bins[0]?.accuracy, 0.75);
  assert.equal(qualities[1]?.accuracy, 1);
  assert.deepEqual(
    rewardQualities(scores, pairsOf([[null, null]]), { ...settings, dimensions }),
    [],
  );
});

Deno.test("rewardQualities() of a perfect model has no calibration error left to find as it grows sure", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(0, 1), { minLength: 1, maxLength: 40 }), (labels) => {
      const scores = Float32Array.from(labels.flatMap((label) => label === 0 ? [40, 0] : [0, 40]));
      const [quality] = rewardQualities(scores, pairsOf(labels.map((label) => [label])), settings);
      assert.equal(quality?.accuracy, 1);
      assert.ok((quality?.calibration_error ?? 1) < 1e-9);
      // Shifting all scores changes none of it but the spread.
      const shifted = scores.map((score) => score + 3);
      const [moved] = rewardQualities(shifted, pairsOf(labels.map((label) => [label])), settings);
      assert.equal(moved?.log_loss, quality?.log_loss);
      assert.equal((moved?.chosen.mean ?? 0) - (quality?.chosen.mean ?? 0), 3);
    }),
    { numRuns: 30, seed: 7 },
  );
});

Deno.test("rewardQualities() refuses a score that is not a number", () => {
  assert.throws(
    () => rewardQualities(Float32Array.of(NaN, 1), [{ prompt, better: [0] }], settings),
    RangeError,
  );
});

Deno.test("a report survives its schema and is drawn, tabled and told", () => {
  const labels = golden.labels.map((label) => [label, 1 - label]);
  const scores = Float32Array.from(golden.scores.flatMap((score) => [score, -2 * score]));
  const dimensions = ["helpful", "harm<less"];
  const report = RewardReport.parse(JSON.parse(JSON.stringify({
    format: "panacea-reward-report",
    version: 1,
    model: "runs/rm",
    step: 300,
    dataset: "builtin",
    dataset_fingerprint: "f".repeat(64),
    dimensions: rewardQualities(scores, pairsOf(labels), { ...settings, dimensions }),
  })));
  const svg = rewardSvg(report);
  assert.match(svg, /^<svg [^]*<\/svg>\n$/);
  assert.doesNotMatch(svg, /<script|href=|harm<less|NaN|undefined/);
  assert.equal(svg.split("how sure the model is").length - 1, 2);
  const [helpful] = rewardLines(report);
  assert.match(
    helpful ?? "",
    /^helpful: \d+\.\d % of 400 test pairs right \(.*\), calibration error/,
  );
  const table = rewardCsv(report).trim().split("\n");
  assert.equal(table[0], "dimension,quantity,low,high,pairs,confidence,accuracy");
  const chosen = table.filter((line) => line.startsWith("helpful,chosen"));
  assert.equal(chosen.reduce((sum, line) => sum + Number(line.split(",")[4]), 0), 400);
});

Deno.test("centringBias() makes the mean of every column 0", () => {
  // Columns (1, 3) and (2, 6): means 2 and 4.
  assert.deepEqual([...centringBias(Float32Array.of(1, 2, 3, 6), 2)], [-2, -4]);
  assert.deepEqual([...centringBias(new Float32Array(), 2)], [0, 0]);
});
