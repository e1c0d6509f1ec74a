import assert from "node:assert/strict";
import fc from "fast-check";
import * as tf from "@tensorflow/tfjs-core";
import type { Aggregation } from "../../../core/aggregation/aggregation.ts";
import { aggregationOf, aggregations } from "../../../core/aggregation/mod.ts";
import { RunConfig } from "../../../core/config.ts";
import { openWasm } from "../../../core/engine/wasm.ts";
import golden from "../../golden/aggregation.json" with { type: "json" };
import { eachEngine } from "../../engines.ts";

await openWasm({ dtype: "float32", threads: 1, device: "cpu" });

type Name = RunConfig["aggregation"];

/** The aggregation of a run with these settings. */
function made(aggregation: Name, settings: Partial<RunConfig> = {}): Aggregation {
  return aggregationOf(RunConfig.parse({ aggregation, ...settings }));
}

const [ls, tche] = [made("ls"), made("tche")];
const entries = (Object.keys(aggregations) as Name[]).map((name) => [name, made(name)] as const);

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
    const losses = [[0.7, 0.2, 1.1], [2.5, 0.3, 0.3]];
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
        const slope = (h: number) => (shifted(h) - shifted(-h)) / (2 * h);
        const numeric = (4 * slope(step) - slope(2 * step)) / 3; // exact to the fourth order
        near([gradient[g]?.[i] ?? NaN], [numeric], 1e-4);
      }
    }
  });

  Deno.test(`${name} of one dimension alone rises with it`, () => {
    const [low, high] = [0.3, 0.8].map((loss) => aggregated(aggregation, [[loss]], [[1]]));
    assert.ok(low && high && (high.values[0] ?? NaN) > (low.values[0] ?? NaN));
    assert.ok((low.gradient[0]?.[0] ?? NaN) > 0);
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

for (const [name, aggregation] of [["ls", ls], ["tche", tche]] as const) {
  Deno.test(`${name} at a corner of the simplex, or with one dimension, is the loss itself`, () => {
    near(aggregated(aggregation, [[0.3, 8]], [[1, 0]]).values, [0.3]);
    near(aggregated(aggregation, [[0.3]], [[1]]).values, [0.3]);
    near(aggregated(aggregation, [[0.3]], [[1]]).gradient.flat(), [1]);
  });
}

eachEngine("losses, gradients and rewards are PyTorch's", (engine) => {
  void engine;
  const { losses, preferences, idealPoint, cases } = golden;
  for (const { aggregation, settings, values, gradients, rewards } of cases) {
    const own = made(aggregation as Name, settings);
    const found = aggregated(own, losses, preferences);
    near(found.values, values, 2e-5);
    near(found.gradient.flat(), gradients.flat(), 2e-5);
    near(
      losses.map((row, g) => own.reward(row, preferences[g] ?? [], { idealPoint })),
      rewards,
      1e-9,
    );
  }
});

eachEngine(
  "the start of a run under equal weights has a finite gradient, alike for all",
  (engine) => {
    void engine;
    for (const [name, aggregation] of entries) {
      const { gradient } = aggregated(aggregation, [[Math.LN2, Math.LN2]], [[0.5, 0.5]]);
      const [first = NaN, second = NaN] = gradient[0] ?? [];
      assert.ok(first > 0 && Math.abs(first - second) < 1e-6, `${name}: ${gradient}`);
    }
  },
);

const positive = fc.double({ min: 0.01, max: 3, noNaN: true });
const rows = fc.tuple(
  fc.tuple(positive, positive, positive),
  fc.tuple(positive, positive, positive).map((raw) => {
    const total = raw.reduce((sum, value) => sum + value, 0);
    return raw.map((value) => value / total);
  }),
);

for (const name of ["ls", "tche", "smooth_tche", "augmented_tche"] as const) {
  Deno.test(`${name} never rises where a loss falls`, () => {
    fc.assert(
      fc.property(rows, fc.nat(2), ([losses, preference], i) => {
        const fallen = losses.map((loss, j) => j === i ? loss / 2 : loss);
        const { values, gradient } = aggregated(made(name), [losses, fallen], [
          preference,
          preference,
        ]);
        assert.ok((values[1] ?? NaN) <= (values[0] ?? NaN) + 1e-6);
        assert.ok(gradient.flat().every((slope) => slope >= 0));
      }),
      { numRuns: 50 },
    );
  });
}

Deno.test("smooth_tche lies between tche and μ·log M above it, and becomes it as μ falls", () => {
  fc.assert(
    fc.property(rows, ([losses, preference]) => {
      const of = (aggregation: Aggregation) =>
        aggregated(aggregation, [losses], [preference]).values[0] ?? NaN;
      const hard = of(tche);
      for (const smooth_tche_mu of [1, 0.1, 0.01, 1e-4]) {
        const soft = of(made("smooth_tche", { smooth_tche_mu }));
        assert.ok(soft >= hard - 1e-5 && soft <= hard + smooth_tche_mu * Math.log(3) + 1e-5);
      }
    }),
    { numRuns: 50 },
  );
});

Deno.test("augmented_tche with ρ = 0 is tche, and its reward too", () => {
  const plain = made("augmented_tche", { augmented_tche_rho: 0 });
  fc.assert(
    fc.property(rows, ([losses, preference]) => {
      const [one, other] = [plain, tche].map((own) => aggregated(own, [losses], [preference]));
      assert.deepEqual(one, other);
      const options = { idealPoint: [3, 3, 3] };
      assert.equal(
        plain.reward(losses, preference, options),
        tche.reward(losses, preference, options),
      );
    }),
    { numRuns: 30 },
  );
});

Deno.test("smooth_tche, augmented_tche and pbi worked by hand", () => {
  // λ L = (1, 1): 0.5·log(2·e²) = 1 + 0.5·log 2; its gradient shares λ by halves
  const smooth = aggregated(made("smooth_tche", { smooth_tche_mu: 0.5 }), [[4, 4 / 3]], [[
    0.25,
    0.75,
  ]]);
  near(smooth.values, [1 + 0.5 * Math.LN2]);
  near(smooth.gradient.flat(), [0.125, 0.375]);
  // λ L = (0.5, 3): 3 + 0.1·3.5; the gradient λ·(0, 1) + 0.1·λ
  const augmented = made("augmented_tche", { augmented_tche_rho: 0.1 });
  const found = aggregated(augmented, [[2, 4]], [[0.25, 0.75]]);
  near(found.values, [3.35]);
  near(found.gradient.flat(), [0.025, 0.825]);
  // 1/λ = (5/4, 5) as a unit vector is (1, 4)/√17. L = (1, 4) lies on the ray: d₁ = √17, d₂ = 0.
  // L = (4, −1)/√17 + (1, 4), of length 1 off it: d₁ = √17, d₂ = 1.
  const ray = Math.sqrt(17);
  const pbi = made("pbi", { pbi_theta: 3 });
  const { values, gradient } = aggregated(
    pbi,
    [[1, 4], [1 + 4 / ray, 4 - 1 / ray]],
    [[0.8, 0.2], [0.8, 0.2]],
  );
  near(values, [ray, ray + 3]);
  near(gradient[1] ?? [], [(1 + 3 * 4) / ray, (4 - 3) / ray]); // w + θ·(unit vector off the ray)
  // gaps of the rewards (2, 3) to z = (3, 7): (1, 4) again
  near([pbi.reward([2, 3], [0.8, 0.2], { idealPoint: [3, 7] })], [-ray]);
  near([augmented.reward([1, 3], [0.25, 0.75], { idealPoint: [3, 7] })], [-3.35]);
});

Deno.test("pbi with θ = 0 is the length along the ray; with more it prefers the ray", () => {
  fc.assert(
    fc.property(rows, ([losses, preference]) => {
      const of = (pbi_theta: number, row: number[]) =>
        aggregated(made("pbi", { pbi_theta }), [row], [preference]).values[0] ?? NaN;
      assert.ok(of(0, losses) <= of(2, losses) + 1e-5);
      const onRay = preference.map((weight) => 0.1 / weight);
      near([of(0, onRay)], [of(9, onRay)], 1e-3);
    }),
    { numRuns: 30 },
  );
});

Deno.test("every aggregation that needs an ideal point refuses a wrong one", () => {
  for (const [name, { needs, reward }] of entries) {
    assert.equal(needs.idealPoint, name !== "ls");
    if (!needs.idealPoint) continue;
    assert.throws(() => reward([1, 2], [0.5, 0.5]), RangeError, name);
    assert.throws(() => reward([1, 2], [0.5, 0.5], { idealPoint: [0, 3] }), RangeError, name);
    assert.throws(() => reward([1, 2], [0.5], { idealPoint: [3, 3] }), TypeError, name);
  }
});

Deno.test("settings of aggregations that make no sense are refused", () => {
  for (const wrong of [{ smooth_tche_mu: 0 }, { augmented_tche_rho: -1 }, { pbi_theta: -1 }]) {
    assert.throws(() => RunConfig.parse(wrong));
  }
});

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
