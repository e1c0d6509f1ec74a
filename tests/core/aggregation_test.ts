import assert from "node:assert/strict";
import fc from "fast-check";
import * as tf from "@tensorflow/tfjs-core";
import { type Aggregation, aggregations } from "../../core/aggregation.ts";
import { openWasm } from "../../core/engine/wasm.ts";

await openWasm({ dtype: "float32", threads: 1, device: "cpu" });

const { ls, tche } = aggregations;
const entries: [string, Aggregation][] = Object.entries(aggregations);

/** The aggregated losses (G) and the gradient of their sum (G, M). */
function aggregated(
  aggregation: Aggregation,
  losses: number[][],
  preferences: number[][],
): { values: number[]; gradient: number[][] } {
  return tf.tidy(() => {
    const lambda = tf.tensor2d(preferences);
    const { value, grad } = tf.valueAndGrad((x) =>
      tf.sum(aggregation.loss(x as tf.Tensor2D, lambda))
    )(tf.tensor2d(losses));
    assert.deepEqual(value.shape, []);
    const values = aggregation.loss(tf.tensor2d(losses), lambda);
    assert.deepEqual(values.shape, [losses.length]);
    return {
      values: Array.from(values.dataSync()),
      gradient: grad.arraySync() as number[][],
    };
  });
}

function near(actual: number[], expected: number[], tolerance = 1e-6): void {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of actual.entries()) {
    const wanted = expected[i] ?? NaN;
    assert.ok(Math.abs(value - wanted) <= tolerance, `got ${actual}, expected ${expected}`);
  }
}

Deno.test("ls.loss() is the weighted sum and its gradient is λ", () => {
  // 0.25·2 + 0.75·4 = 3.5; 1·0.5 + 0·9 = 0.5
  const { values, gradient } = aggregated(ls, [[2, 4], [0.5, 9]], [[0.25, 0.75], [1, 0]]);
  near(values, [3.5, 0.5]);
  near(gradient.flat(), [0.25, 0.75, 1, 0]);
});

Deno.test("tche.loss() is the largest weighted loss and its gradient flows through that alone", () => {
  // max(0.25·2, 0.75·4) = 3 by dimension 2; max(0.9·1, 0.1·5) = 0.9 by dimension 1
  const { values, gradient } = aggregated(tche, [[2, 4], [1, 5]], [[0.25, 0.75], [0.9, 0.1]]);
  near(values, [3, 0.9]);
  near(gradient.flat(), [0, 0.75, 0.9, 0]);
});

Deno.test("tche.loss() shares the gradient between equal weighted losses", () => {
  // before the first update L = (log 2, log 2): λ = (1/2, 1/2) gives dL/dL_i = λ_i / 2 = 1/4;
  // (1/3, 1/3, 1/3) on (1, 1, 0) ties the first two: 1/6 each
  const half = aggregated(tche, [[Math.LN2, Math.LN2]], [[0.5, 0.5]]);
  near(half.values, [Math.LN2 / 2]);
  near(half.gradient.flat(), [0.25, 0.25]);
  const third = aggregated(tche, [[1, 1, 0]], [[1 / 3, 1 / 3, 1 / 3]]);
  near(third.gradient.flat(), [1 / 6, 1 / 6, 0]);
});

for (const [name, aggregation] of entries) {
  Deno.test(`${name}.loss() agrees with finite differences`, () => {
    const losses = [[0.7, 0.2, 1.1], [2.5, 0.4, 0.3]];
    const preferences = [[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]];
    const { gradient } = aggregated(aggregation, losses, preferences);
    const step = 1 / 64; // far from a change of the largest entry, exact in float32
    for (const [g, row] of losses.entries()) {
      for (const i of row.keys()) {
        const shifted = (by: number) => {
          const moved = losses.map((values, k) =>
            values.map((value, j) => k === g && j === i ? value + by : value)
          );
          const { values } = aggregated(aggregation, moved, preferences);
          return values.reduce((sum, value) => sum + value, 0);
        };
        const numeric = (shifted(step) - shifted(-step)) / (2 * step);
        near([gradient[g]?.[i] ?? NaN], [numeric], 1e-4);
      }
    }
  });

  Deno.test(`${name} at a corner of the simplex, or with one dimension, is the loss itself`, () => {
    near(aggregated(aggregation, [[0.3, 8]], [[1, 0]]).values, [0.3]);
    near(aggregated(aggregation, [[0.3]], [[1]]).values, [0.3]);
    near(aggregated(aggregation, [[0.3]], [[1]]).gradient.flat(), [1]);
  });

  Deno.test(`${name} keeps a loss that is not finite visible`, () => {
    for (const losses of [[NaN, 1], [1, NaN], [Infinity, 1]]) {
      const { values } = aggregated(aggregation, [losses], [[0.5, 0.5]]);
      assert.ok(!Number.isFinite(values[0]), `got ${values[0]} for ${losses}`);
    }
  });

  Deno.test(`${name}.loss() treats the rows of a batch apart, and leaks no tensors`, () => {
    const row = fc.array(fc.double({ min: 0, max: 5, noNaN: true }), {
      minLength: 3,
      maxLength: 3,
    });
    const before = tf.memory().numTensors;
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 4 }), (losses) => {
        const preferences = losses.map((_, g) => [0.2 + 0.1 * g, 0.5 - 0.1 * g, 0.3]);
        const whole = aggregated(aggregation, losses, preferences).values;
        for (const [g, values] of losses.entries()) {
          const alone = aggregated(aggregation, [values], [preferences[g] ?? []]).values;
          near([whole[g] ?? NaN], alone);
        }
      }),
      { numRuns: 30 },
    );
    assert.equal(tf.memory().numTensors, before);
  });
}

Deno.test("ls.reward() is the weighted sum", () => {
  assert.equal(ls.reward([2, -4], [0.25, 0.75]), -2.5); // 0.5 − 3
});

Deno.test("tche.reward() is minus the largest weighted gap to the ideal point", () => {
  // gaps 3 − 2 = 1 and 1 − (−4) = 5; −max(0.75·1, 0.25·5) = −1.25
  assert.equal(tche.reward([2, -4], [0.75, 0.25], { idealPoint: [3, 1] }), -1.25);
  assert.equal(tche.reward([3, 1], [0.75, 0.25], { idealPoint: [3, 1] }), 0);
});

Deno.test("tche.reward() rises with the reward of the dimension that lags under its weight", () => {
  // With z = 0 below positive rewards the order would turn round: the trap that is refused.
  const idealPoint = [10, 10];
  const before = tche.reward([4, 4], [0.9, 0.1], { idealPoint });
  assert.ok(tche.reward([5, 4], [0.9, 0.1], { idealPoint }) > before);
  assert.equal(tche.reward([4, 5], [0.9, 0.1], { idealPoint }), before);
});

Deno.test("tche.reward() refuses an ideal point that is missing or below a reward", () => {
  assert.ok(tche.needs.idealPoint && !ls.needs.idealPoint);
  assert.throws(() => tche.reward([1, 2], [0.5, 0.5]), /^RangeError: .*2 numbers, got none/);
  assert.throws(
    () => tche.reward([1, 2], [0.5, 0.5], { idealPoint: [0, 0] }),
    /^RangeError: .*bounds them from above, got 0 below the reward 1 of dimension 0/,
  );
  assert.throws(() => tche.reward([1, NaN], [0.5, 0.5], { idealPoint: [2, 2] }), RangeError);
  assert.throws(() => ls.reward([1, 2], [1]), TypeError);
});
