import assert from "node:assert/strict";
import fc from "fast-check";
import {
  heldOutCsv,
  type HeldOutData,
  HeldOutReport,
  heldOutReport,
  heldOutSvg,
  withPoint,
} from "../../core/held_out.ts";
import { assertNear } from "../near.ts";

const data: HeldOutData = {
  base_model: "base",
  dataset: "a.jsonl",
  dataset_fingerprint: "f",
  template_fingerprint: "t",
  tokens: [1, 3, 4],
  prompts: [0, 0, 1],
};
const options = { seed: 3, resamples: 500 };

Deno.test("heldOutReport() is Σ −log π / tokens, worked by hand", () => {
  const report = heldOutReport(data, [{ step: 0, nll: [2, 4, 10] }, { step: 5, nll: [1, 3, 4] }], {
    ...options,
    resamples: 0,
  });
  // (2 + 4 + 10) / (1 + 3 + 4) = 2; (1 + 3 + 4) / 8 = 1
  const numbers = report.points.flatMap(({ loss, low, high }) => [loss, low, high]);
  assertNear(numbers, [2, 2, 2, 1, 1, 1]);
  assertNear([report.points[1]?.perplexity ?? NaN], [Math.E]);
  assertNear(Object.values(report.change ?? {}), [-1, -1, -1]);
  assert.deepEqual(HeldOutReport.parse(JSON.parse(JSON.stringify(report))), report);
});

Deno.test("heldOutReport() resamples prompts, and both points together", () => {
  // Two prompts of 4 tokens: a resample is one of them twice, or both.
  const { points, change } = heldOutReport(
    data,
    [{ step: 0, nll: [2, 6, 16] }, { step: 5, nll: [1, 5, 14] }],
    options,
  );
  // prompt 0: 8 / 4 = 2 and 6 / 4 = 1.5; prompt 1: 16 / 4 = 4 and 14 / 4 = 3.5
  assertNear(points.flatMap(({ loss, low, high }) => [loss, low, high]), [3, 2, 4, 2.5, 1.5, 3.5]);
  assertNear(Object.values(change ?? {}), [-0.5, -0.5, -0.5]); // the same for either prompt
});

Deno.test("heldOutReport(): the loss lies within its interval and between its prompts' losses", () => {
  const sequence = fc.record({
    tokens: fc.integer({ min: 1, max: 9 }),
    prompt: fc.integer({ min: 0, max: 4 }),
    nll: fc.double({ min: 0.1, max: 50, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(sequence, { minLength: 1, maxLength: 12 }), (sequences) => {
      const own = {
        ...data,
        tokens: sequences.map(({ tokens }) => tokens),
        prompts: sequences.map(({ prompt }) => prompt),
      };
      const nll = sequences.map(({ nll }) => nll);
      const { points: [point] } = heldOutReport(own, [{ step: 1, nll }], {
        seed: 1,
        resamples: 50,
      });
      assert.ok(point);
      const each = sequences.map(({ tokens, nll }) => nll / tokens);
      assert.ok(point.loss >= Math.min(...each) - 1e-9 && point.loss <= Math.max(...each) + 1e-9);
      assert.ok(point.low <= point.high);
    }),
    { numRuns: 50 },
  );
});

Deno.test("withPoint() takes the place of later points; other data begin anew", () => {
  const point = (step: number) => ({ step, nll: [step, 1, 1] });
  const add = (report: HeldOutReport | null, step: number, own = data) =>
    withPoint(report, own, { ...options, point: point(step) });
  const steps = ({ points }: HeldOutReport) => points.map(({ step }) => step);
  const three = add(add(add(null, 0), 4), 8);
  assert.deepEqual(steps(three), [0, 4, 8]);
  assert.deepEqual(add(three, 4), add(add(null, 0), 4)); // resumed from step 2
  assert.equal(add(null, 4).change, undefined);
  assert.deepEqual(steps(add(three, 9, { ...data, dataset_fingerprint: "g" })), [9]);
});

Deno.test("heldOutReport() refuses what is not finite", () => {
  assert.throws(() => heldOutReport(data, [{ step: 0, nll: [1, NaN, 1] }], options), RangeError);
});

Deno.test("the table and the picture show every point", () => {
  const report = heldOutReport(data, [{ step: 0, nll: [2, 6, 16] }, { step: 5, nll: [1, 5, 14] }], {
    seed: 1,
    resamples: 0,
  });
  assert.equal(heldOutCsv(report).split("\n").length, 4);
  assert.match(heldOutCsv(report), /^step,loss,low,high,perplexity\n0,3,3,3,20\.08/);
  const svg = heldOutSvg(report, { name: "runs/<sft>", training: [{ step: 1, loss: 3 }] });
  assert.match(svg, /^<svg [\s\S]*<\/svg>\n$/);
  assert.match(svg, /runs\/&lt;sft&gt;/);
  assert.doesNotMatch(svg, /<script|href=/);
});
