import assert from "node:assert/strict";
import fc from "fast-check";
import {
  likelihoodLoss,
  policyLoss,
  type TokenLoss,
  tokenRewards,
  valueLoss,
} from "../../../core/objectives/ppo.ts";
import golden from "../../golden/ppo.json" with { type: "json" };
import { assertNear } from "../../near.ts";

const lists = (numbers: number[][]) => numbers.map((list) => Float32Array.from(list));
const { klCoef, cliprange, cliprangeValue } = golden.settings;

for (const [kind, update] of Object.entries(golden.updates)) {
  Deno.test(`token rewards, losses and slopes are PyTorch's: ${kind}`, () => {
    const rewards = update.scores.map((score, s) =>
      tokenRewards(score, {
        logProbs: Float32Array.from(golden.oldLogProbs[s] ?? []),
        referenceLogProbs: Float32Array.from(golden.referenceLogProbs[s] ?? []),
        klCoef,
      })
    );
    const policy = policyLoss(lists(golden.logProbs), {
      oldLogProbs: lists(golden.oldLogProbs),
      advantages: lists(update.whitened),
      cliprange,
    });
    const value = valueLoss(lists(golden.values), {
      oldValues: lists(golden.oldValues),
      returns: lists(update.returns),
      cliprangeValue,
    });
    const ptx = likelihoodLoss(lists(golden.ptxLogProbs));
    assertNear([policy.loss], [update.policyLoss], { tolerance: 1e-5, what: "policy loss" });
    assertNear([value.loss], [update.valueLoss], { tolerance: 1e-5, what: "value loss" });
    assertNear([ptx.loss], [update.ptxLoss], { tolerance: 1e-5, what: "PTX loss" });
    update.rewards.forEach((expected, s) => {
      assertNear(rewards[s] ?? [], expected, { what: "token rewards" });
      assertNear(policy.slopes[s] ?? [], update.policySlopes[s] ?? [], { what: "policy slopes" });
      assertNear(value.slopes[s] ?? [], update.valueSlopes[s] ?? [], { what: "value slopes" });
    });
  });
}

Deno.test("tokenRewards(): the KL penalty at every token, the score at the last", () => {
  const rewards = tokenRewards(3, {
    logProbs: Float32Array.of(-1, -2),
    referenceLogProbs: Float32Array.of(-1.5, -1),
    klCoef: 0.5,
  });
  // −0.5·(−1 + 1.5) = −0.25; −0.5·(−2 + 1) + 3 = 3.5
  assert.deepEqual([...rewards], [-0.25, 3.5]);
});

Deno.test("policyLoss(): four tokens worked by hand", () => {
  // ρ = 2, ½, 2, ½ with A = 1, 1, −1, −1 and ρ held within 0.8 … 1.2:
  // min(2, 1.2) = 1.2; min(½, 0.8) = ½; min(−2, −1.2) = −2; min(−½, −0.8) = −0.8. Mean −0.275.
  const half = -Math.LN2;
  const { loss, slopes, clipped } = policyLoss(lists([[0, half, 0], [half]]), {
    oldLogProbs: lists([[half, 0, half], [0]]),
    advantages: lists([[1, 1, -1], [-1]]),
    cliprange: 0.2,
  });
  assertNear([loss], [0.275]);
  assertNear(slopes.flatMap((list) => [...list]), [0, -0.125, 0.5, 0]);
  assertNear(clipped, [1 / 3, 1]);
});

Deno.test("valueLoss(): the critic may move by cliprangeValue from what it said", () => {
  // V 2, was 0, target 3: bounded 1, error −2 beside −1: loss 4/2, no slope. V 2, was 0, target 0:
  // errors 2 and 1: loss 4/2, slope 2. Mean over two tokens.
  const { loss, slopes, clipped } = valueLoss(lists([[2, 2]]), {
    oldValues: lists([[0, 0]]),
    returns: lists([[3, 0]]),
    cliprangeValue: 1,
  });
  assert.equal(loss, 2);
  assert.deepEqual([...slopes[0] ?? []], [0, 1]);
  assert.deepEqual([...clipped], [0.5]);
});

/** Slopes against differences of the loss, away from the kinks of clipping. */
function assertSlopes(
  lossOf: (values: Float32Array[]) => TokenLoss,
  values: number[],
  smooth: (value: number, t: number) => boolean,
): void {
  const step = 1e-3;
  const [slopes] = lossOf(lists([values])).slopes;
  values.forEach((value, t) => {
    if (!smooth(value, t)) return;
    const moved = (by: number) =>
      lossOf(lists([values.map((other, i) => i === t ? other + by : other)])).loss;
    const slope = (moved(step) - moved(-step)) / (2 * step);
    assertNear([slopes?.[t] ?? NaN], [slope], { tolerance: 2e-3, what: `slope of token ${t}` });
  });
}

const numbers = fc.array(
  fc.record({
    value: fc.double({ min: -1, max: 1, noNaN: true }),
    old: fc.double({ min: -1, max: 1, noNaN: true }),
    target: fc.double({ min: -2, max: 2, noNaN: true }),
  }),
  { minLength: 1, maxLength: 6 },
);

Deno.test("policyLoss() and valueLoss(): slopes are the derivatives", () => {
  fc.assert(fc.property(numbers, (tokens) => {
    const values = tokens.map(({ value }) => value);
    const old = lists([tokens.map((token) => token.old)]);
    const targets = lists([tokens.map(({ target }) => target)]);
    const ratio = (value: number, t: number) => Math.exp(value - (tokens[t]?.old ?? 0));
    assertSlopes(
      (logProbs) => policyLoss(logProbs, { oldLogProbs: old, advantages: targets, cliprange: 0.2 }),
      values,
      (value, t) => Math.abs(Math.abs(ratio(value, t) - 1) - 0.2) > 0.01,
    );
    assertSlopes(
      (found) => valueLoss(found, { oldValues: old, returns: targets, cliprangeValue: 0.5 }),
      values,
      (value, t) => {
        const { old = 0, target = 0 } = tokens[t] ?? {};
        const bounded = Math.min(old + 0.5, Math.max(old - 0.5, value));
        const far = Math.abs(Math.abs(value - old) - 0.5) > 0.01;
        return far &&
          (bounded === value ||
            Math.abs(Math.abs(value - target) - Math.abs(bounded - target)) > 0.01);
      },
    );
  }));
});

Deno.test("policyLoss() on the policy that drew the responses is −mean A, and nothing is clipped", () => {
  fc.assert(fc.property(numbers, (tokens) => {
    const logProbs = lists([tokens.map(({ value }) => value)]);
    const advantages = lists([tokens.map(({ target }) => target)]);
    const { loss, slopes, clipped } = policyLoss(logProbs, {
      oldLogProbs: logProbs,
      advantages,
      cliprange: 0.2,
    });
    const mean = tokens.reduce((sum, { target }) => sum + target, 0) / tokens.length;
    assertNear([loss], [-mean]);
    assertNear(slopes[0] ?? [], [...advantages[0] ?? []].map((a) => -a / tokens.length));
    assert.deepEqual([...clipped], [0]);
  }));
});

Deno.test("losses refuse lists of different lengths", () => {
  const short = lists([[1, 2], [3]]);
  const long = lists([[1, 2], [3, 4]]);
  const expected = {
    name: "TypeError",
    message: "Cannot compute PPO: expected lists of equal lengths, got 2 and 2 responses of " +
      "1 and 2 tokens",
  };
  assert.throws(
    () => policyLoss(short, { oldLogProbs: long, advantages: short, cliprange: 0.2 }),
    expected,
  );
  assert.throws(
    () => valueLoss(short, { oldValues: short, returns: long, cliprangeValue: 1 }),
    expected,
  );
});
