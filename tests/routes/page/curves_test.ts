import assert from "node:assert/strict";
import {
  type LoggedStep,
  makeCurves,
  smoothed,
  stepOfEvent,
  stepOfRow,
  thinned,
} from "../../../routes/page/jobs/curves.ts";

const step = (at: number, loss: number): LoggedStep => ({
  step: at,
  loss,
  losses: { helpful: loss + 1, harmless: loss + 2 },
  accuracies: { helpful: 0.5, harmless: 0.25 },
  metrics: {},
});

Deno.test("a logged row and an event of the same step give the same point", () => {
  const row = {
    step: 3,
    loss: 0.5,
    "loss/helpful": 0.4,
    "loss/harmless": 0.6,
    "accuracy/helpful": 1,
    "accuracy/harmless": 0,
    kl: 2,
    "kl/helpful": 3,
    learning_rate: 1e-3,
  };
  const fromEvent = stepOfEvent({
    type: "step",
    step: 3,
    steps: 10,
    loss: 0.5,
    losses: { helpful: 0.4, harmless: 0.6 },
    accuracies: { helpful: 1, harmless: 0 },
    metrics: { kl: 2, "kl/helpful": 3 },
    learningRate: 1e-3,
    gradNorm: 1,
    tokens: 1,
    seconds: 1,
    tokensPerSecond: 1,
    etaSeconds: 1,
  });
  assert.deepEqual(stepOfRow(row), fromEvent);
  assert.equal(stepOfRow({ tokens: 4 }), null);
});

Deno.test("curves follow the steps: the aggregated loss first, then each dimension", () => {
  const { loss, accuracy } = makeCurves([step(2, 20), step(1, 10)]);
  assert.deepEqual(loss.map(({ name, dimension }) => [name, dimension]), [
    ["aggregated", null],
    ["helpful", 0],
    ["harmless", 1],
  ]);
  assert.deepEqual(loss[1]?.points, [{ step: 1, value: 11 }, { step: 2, value: 21 }]);
  assert.deepEqual(accuracy.map(({ name }) => name), ["helpful", "harmless"]);
});

Deno.test("what else an objective tells has a chart each, with the colours of the dimensions", () => {
  const logged = (at: number, metrics: Record<string, number>): LoggedStep => ({
    ...step(at, 1),
    losses: {},
    accuracies: {},
    metrics,
  });
  const { loss, accuracy, others } = makeCurves([
    logged(1, { kl: 0.5, "reward/helpful": 1, "reward/harmless": 2, clip_fraction: 0 }),
    logged(2, { kl: 0.75, "reward/harmless": 3, clip_fraction: 0.25 }),
  ]);
  assert.deepEqual(loss.map(({ name }) => name), ["aggregated", "helpful", "harmless"]);
  assert.ok(accuracy.every(({ points }) => points.length === 0));
  assert.deepEqual(
    others.map(({ title, curves }) => [title, ...curves.map((c) => [c.name, c.dimension])]),
    [
      ["KL", ["all", null]],
      ["Reward", ["helpful", 0], ["harmless", 1]],
      ["Clip fraction", ["all", null]],
    ],
  );
  assert.deepEqual(others[1]?.curves[1]?.points, [{ step: 1, value: 2 }, { step: 2, value: 3 }]);
});

Deno.test("of a step logged twice the later one counts", () => {
  const { loss } = makeCurves([step(1, 10), step(2, 20), step(2, 5)]);
  assert.deepEqual(loss[0]?.points, [{ step: 1, value: 10 }, { step: 2, value: 5 }]);
});

Deno.test("values that are not finite leave a gap", () => {
  assert.deepEqual(makeCurves([step(1, NaN), step(2, 1)]).loss[0]?.points, [
    { step: 2, value: 1 },
  ]);
});

Deno.test("a thinned curve has means of equal stretches, and a short one stays as it is", () => {
  const points = [1, 2, 3, 4].map((at) => ({ step: at, value: 10 * at }));
  assert.deepEqual(thinned(points, 2), [{ step: 1.5, value: 15 }, { step: 3.5, value: 35 }]);
  assert.equal(thinned(points, 4), points);
  const many = Array.from({ length: 1001 }, (_, i) => ({ step: i, value: 1 }));
  assert.equal(thinned(many, 300).length, 300);
  assert.ok(thinned(many, 300).every(({ value }) => value === 1));
});

Deno.test("the moving mean starts unbiased and follows", () => {
  // memory 2: decay ½; (1), (½·1 + 3)/(½ + 1) = 7/3
  const points = [{ step: 1, value: 1 }, { step: 2, value: 3 }];
  assert.deepEqual(smoothed(points, 2), [{ step: 1, value: 1 }, { step: 2, value: 3.5 / 1.5 }]);
  assert.deepEqual(smoothed(points, 1), points);
});
