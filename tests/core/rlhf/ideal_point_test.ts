import assert from "node:assert/strict";
import fc from "fast-check";
import { aggregations } from "../../../core/aggregation/mod.ts";
import { idealPoint, parseIdealPoint, widenRange } from "../../../core/rlhf/ideal_point.ts";
import { assertNear } from "../../near.ts";

const dimensions = ["helpful", "harmless"];

Deno.test("idealPoint(): the highest reward seen, and a twentieth of the range above it", () => {
  const first = widenRange(null, [[0, 3], [1, -1]]);
  assert.deepEqual(first, { lowest: [0, -1], highest: [1, 3] });
  // 1 + 0.05·(1 − 0); 3 + 0.05·(3 + 1)
  assertNear(idealPoint(first, { dimensions }), [1.05, 3.2]);
  const second = widenRange(first, [[-1, 0], [0.5, 5]]);
  assert.deepEqual(second, { lowest: [-1, -1], highest: [1, 5] });
  assertNear(idealPoint(second, { dimensions }), [1.1, 5.3]);
});

Deno.test("idealPoint() bounds every reward it has seen, so that Tchebycheff takes them all", () => {
  const number = fc.double({ min: -100, max: 100, noNaN: true });
  const rewards = fc.array(fc.tuple(number, number), { minLength: 1, maxLength: 10 });
  fc.assert(fc.property(rewards, rewards, (earlier, now) => {
    const range = widenRange(widenRange(null, earlier), now);
    const point = idealPoint(range, { dimensions });
    for (const row of [...earlier, ...now]) {
      assert(aggregations.tche().reward(row, [0.5, 0.5], { idealPoint: point }) <= 0);
    }
  }));
});

Deno.test("idealPoint() takes a given bound, and refuses one below a reward", () => {
  const range = widenRange(null, [[0.2, 0.9], [0.4, 0.1]]);
  assert.deepEqual(idealPoint(range, { given: [1, 1], dimensions }), [1, 1]);
  assert.throws(() => idealPoint(range, { given: [1, 0.8], dimensions }), {
    name: "InputError",
    message: "Cannot use the ideal point: expected a bound on every reward of harmless, " +
      "got 0.8 below a reward of 0.9",
  });
});

Deno.test("parseIdealPoint() reads a bound for every dimension, in any order", () => {
  assert.deepEqual(parseIdealPoint("harmless=-0.5, helpful=2", dimensions), [2, -0.5]);
  for (
    const [text, message] of Object.entries({
      "helpful=1": 'Cannot read ideal_point: expected a bound for harmless, got "helpful=1"',
      "helpful=1,other=2":
        'Cannot read ideal_point: expected name=bound once for each of helpful, harmless, got "other=2"',
      "helpful=1,helpful=2":
        'Cannot read ideal_point: expected name=bound once for each of helpful, harmless, got "helpful=2"',
      "helpful=high,harmless=1":
        'Cannot read ideal_point: expected name=bound once for each of helpful, harmless, got "helpful=high"',
      "1,2":
        'Cannot read ideal_point: expected name=bound once for each of helpful, harmless, got "1"',
    })
  ) {
    assert.throws(() => parseIdealPoint(text, dimensions), { name: "InputError", message });
  }
});
