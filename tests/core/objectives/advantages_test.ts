import assert from "node:assert/strict";
import fc from "fast-check";
import {
  explainedVariance,
  generalizedAdvantages,
  whiten,
} from "../../../core/objectives/advantages.ts";
import golden from "../../golden/ppo.json" with { type: "json" };
import { assertNear } from "../../near.ts";

const lists = (numbers: number[][]) => numbers.map((list) => Float32Array.from(list));
const { gamma, lam } = golden.settings;

for (const [kind, update] of Object.entries(golden.updates)) {
  Deno.test(`generalizedAdvantages() and whiten() are PyTorch's on padded tensors: ${kind}`, () => {
    const estimates = lists(update.rewards).map((rewards, s) =>
      generalizedAdvantages(rewards, Float32Array.from(golden.oldValues[s] ?? []), { gamma, lam })
    );
    const advantages = estimates.map((estimate) => estimate.advantages);
    const white = whiten(advantages);
    estimates.forEach(({ returns }, s) => {
      assertNear(advantages[s] ?? [], update.advantages[s] ?? [], { tolerance: 1e-6 });
      assertNear(returns, update.returns[s] ?? [], { tolerance: 1e-6 });
      assertNear(white[s] ?? [], update.whitened[s] ?? [], { tolerance: 1e-5 });
    });
  });
}

Deno.test("generalizedAdvantages(): two tokens worked by hand", () => {
  // γ = 0.5, lam = 0.5: δ₂ = 4 − 2 = 2, A₂ = 2; δ₁ = 1 + 0.5·2 − 3 = −1, A₁ = −1 + 0.25·2 = −0.5
  const { advantages, returns } = generalizedAdvantages(
    Float32Array.of(1, 4),
    Float32Array.of(3, 2),
    { gamma: 0.5, lam: 0.5 },
  );
  assert.deepEqual([...advantages], [-0.5, 2]);
  assert.deepEqual([...returns], [2.5, 4]);
});

const rows = fc.array(
  fc.tuple(
    fc.float({ min: -4, max: 4, noNaN: true }),
    fc.float({ min: -4, max: 4, noNaN: true }),
  ),
  { minLength: 1, maxLength: 12 },
);

Deno.test("generalizedAdvantages(): lam 1 gives the discounted sum of what follows, less the value", () => {
  fc.assert(fc.property(rows, fc.double({ min: 0, max: 1, noNaN: true }), (tokens, gamma) => {
    const rewards = Float32Array.from(tokens, ([reward]) => reward);
    const values = Float32Array.from(tokens, ([, value]) => value);
    const { returns } = generalizedAdvantages(rewards, values, { gamma, lam: 1 });
    let following = 0;
    const sums = [...rewards].reverse().map((reward) => following = reward + gamma * following);
    assertNear(returns, sums.reverse(), { tolerance: 1e-4 });
  }));
});

Deno.test("generalizedAdvantages(): lam 0 looks one token ahead", () => {
  fc.assert(fc.property(rows, (tokens) => {
    const rewards = Float32Array.from(tokens, ([reward]) => reward);
    const values = Float32Array.from(tokens, ([, value]) => value);
    const { advantages } = generalizedAdvantages(rewards, values, { gamma: 0.9, lam: 0 });
    const expected = tokens.map(([reward, value], t) =>
      reward + 0.9 * (tokens[t + 1]?.[1] ?? 0) - value
    );
    assertNear(advantages, expected, { tolerance: 1e-5 });
  }));
});

Deno.test("generalizedAdvantages(): a critic that is right leaves no advantage", () => {
  const rewards = Float32Array.of(0.5, -1, 2);
  const { advantages } = generalizedAdvantages(rewards, Float32Array.of(1.5, 1, 2), { gamma: 1 });
  assertNear(advantages, [0, 0, 0]);
});

Deno.test("generalizedAdvantages() refuses lists of different lengths", () => {
  assert.throws(() => generalizedAdvantages(new Float32Array(2), new Float32Array(3)), {
    name: "TypeError",
    message: "Cannot estimate advantages: expected a value for each of 2 rewards, got 3",
  });
});

Deno.test("whiten(): mean 0, variance 1, whatever lists the numbers are in", () => {
  fc.assert(fc.property(rows, rows, (first, second) => {
    const a = Float32Array.from(first, ([x]) => x);
    const b = Float32Array.from(second, ([x]) => x);
    const apart = whiten([a, b]).flatMap((list) => [...list]);
    assertNear(apart, [...whiten([Float32Array.of(...a, ...b)])[0] ?? []]);
    const mean = apart.reduce((sum, x) => sum + x, 0) / apart.length;
    const variance = apart.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (apart.length - 1);
    assert(Math.abs(mean) < 1e-3, `mean ${mean}`);
    const all = [...a, ...b];
    const wide = Math.max(...all) - Math.min(...all) > 0.1; // far above the offset of 1e-8
    if (wide) assert(Math.abs(variance - 1) < 1e-3, `variance ${variance}`);
  }));
});

Deno.test("whiten() of equal numbers, and of one, is 0", () => {
  assert.deepEqual(whiten(lists([[3, 3], [3]])).map((list) => [...list]), [[0, 0], [0]]);
  assert.deepEqual(whiten(lists([[7]])).map((list) => [...list]), [[0]]);
});

Deno.test("explainedVariance(): 1 for a critic that is right, 0 for one constant, NaN for equal returns", () => {
  const returns = lists([[1, 2], [4]]);
  assert.equal(explainedVariance(returns, returns), 1);
  assert.equal(explainedVariance(lists([[9, 9], [9]]), returns), 0);
  // errors 0, 1, 2 of variance 1; returns of variance 7/3
  assertNear([explainedVariance(lists([[1, 1], [2]]), returns)], [1 - 3 / 7]);
  assert.equal(explainedVariance(lists([[1, 2], [4]]), lists([[5, 5], [5]])), NaN);
  // a list of weight 0 does not count; one of weight 2 counts as if it were there twice
  assert.equal(explainedVariance(lists([[1, 2], [9]]), returns, [1, 0]), 1);
  assertNear(
    [explainedVariance(lists([[1, 1], [2]]), returns, [2, 1])],
    [explainedVariance(lists([[1, 1], [1, 1], [2]]), lists([[1, 2], [1, 2], [4]]))],
  );
});
