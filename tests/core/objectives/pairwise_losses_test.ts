import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { RunConfig } from "../../../core/config.ts";
import { InputError } from "../../../core/errors.ts";
import { pairObjectives } from "../../../core/objectives/mod.ts";
import {
  implicitMargin,
  type PairwiseLoss,
  pairwiseLosses,
} from "../../../core/objectives/pairwise_losses.ts";
import type { TokenizedPair } from "../../../core/text/example.ts";
import { eachEngine } from "../../engines.ts";
import trl from "../../golden/trl_losses.json" with { type: "json" };
import { assertNear } from "../../near.ts";

const losses: [RunConfig["loss_type"], PairwiseLoss][] = Object.entries(pairwiseLosses) as never;

/** Settings of a run, so that the tests go through what the command line goes through. */
type Settings = Partial<
  Pick<RunConfig, "loss_type" | "beta" | "label_smoothing" | "simpo_gamma" | "rpo_alpha">
>;

/** Pairs whose responses have `tokens` tokens (2P, response 0 and 1 of each pair by turns). */
function pairsOf(labels: (number | null)[][], tokens: number[]): TokenizedPair[] {
  const ids = (count = 1) => new Int32Array(count).fill(5);
  return labels.map((better, p) => ({
    prompt: ids(),
    responses: [ids(tokens[2 * p]), ids(tokens[2 * p + 1])],
    better,
  }));
}

/** Losses of one group (M) and the gradient of their sum by the policy's log-probs (2P). */
function lossesOf(settings: Settings, { examples, policy, reference }: {
  examples: TokenizedPair[];
  policy: number[];
  reference: number[];
}) {
  const M = examples[0]?.better.length ?? 0;
  const objective = pairObjectives.dpo(
    RunConfig.parse(settings),
    Array.from({ length: M }, (_, i) => `dimension ${i}`),
  );
  const batch = {
    examples,
    groups: examples.map(() => 0),
    preferences: [new Array<number>(M).fill(1 / M)],
  };
  const before = tf.memory().numTensors;
  const found = tf.tidy(() => {
    let rows: number[][] = [];
    const gradient = tf.grad((x) => {
      const table = objective.losses(x as tf.Tensor1D, tf.tensor1d(reference), batch);
      rows = table.arraySync();
      return tf.sum(table);
    })(tf.tensor1d(policy));
    return { losses: rows[0] ?? [], gradient: Array.from(gradient.dataSync()) };
  });
  assert.equal(tf.memory().numTensors, before, "leaked tensors");
  return found;
}

/** (all preferred, all others) as response 0 and 1 by turns. */
function interleaved(values: number[]): number[] {
  const half = values.length / 2;
  return values.map((_, s) => values[Math.floor(s / 2) + (s % 2) * half] ?? NaN);
}

eachEngine("losses() and gradients are TRL's", (engine) => {
  void engine;
  const examples = pairsOf(
    Array.from({ length: trl.tokens.length / 2 }, () => [0]),
    interleaved(trl.tokens),
  );
  const scores = {
    examples,
    policy: interleaved(trl.policy),
    reference: interleaved(trl.reference),
  };
  for (const { loss, gradient, ...settings } of trl.cases) {
    const found = lossesOf(settings as Settings, scores);
    const what = JSON.stringify(settings);
    assertNear(found.losses, [loss], { tolerance: 2e-6, what });
    assertNear(found.gradient, interleaved(gradient), { tolerance: 2e-6, what });
  }
});

eachEngine("hinge, IPO and SimPO worked by hand", (engine) => {
  void engine;
  // Ratios log π/π_ref: −2 − (−4) = 2 over 2 tokens, and −6 − (−6) = 0 over 4.
  const one = {
    examples: pairsOf([[0]], [2, 4]),
    policy: [-2, -6],
    reference: [-4, -6],
  };
  // β = 0.25: margin 0.25·(2 − 0) = 0.5, hinge 1 − 0.5; gradient ∓β
  const hinge = lossesOf({ loss_type: "hinge", beta: 0.25 }, one);
  assertNear(hinge.losses, [0.5]);
  assertNear(hinge.gradient, [-0.25, 0.25]);
  // τ = 0.25: per token 2/2 − 0/4 = 1, less 1/(2·0.25) = 2, squared: 1; slope 2·(1 − 2) = −2 by
  // the difference, so −2/2 and 2/4
  const ipo = lossesOf({ loss_type: "ipo", beta: 0.25 }, one);
  assertNear(ipo.losses, [1]);
  assertNear(ipo.gradient, [-1, 0.5]);
  // β = 2, γ = 0.5: per token −2/2 − (−6/4) = 0.5; 2·0.5 − 0.5 = 0.5: −log σ(0.5) = 0.4740770;
  // slope −σ(−0.5)·2 = −0.7550813, by 1/2 and 1/4
  const simpo = lossesOf({ loss_type: "simpo", beta: 2, simpo_gamma: 0.5 }, one);
  assertNear(simpo.losses, [0.474077]);
  assertNear(simpo.gradient, [-0.3775407, 0.1887703]);
  // conservative DPO, β = 0.5, ε = 0.25: margin 1: 0.75·0.3132617 + 0.25·1.3132617
  assertNear(lossesOf({ beta: 0.5, label_smoothing: 0.25 }, one).losses, [0.5632617]);
});

const scores = fc.array(fc.double({ min: -20, max: 0, noNaN: true }), {
  minLength: 4,
  maxLength: 4,
});

for (const [loss_type, loss] of losses) {
  const settings = { loss_type, beta: 0.4 };

  eachEngine(`${loss_type}: a share of labels is the mean over the labellers`, (engine) => {
    void engine;
    fc.assert(
      fc.property(scores, fc.constantFrom(0.1, 0.25, 0.5, 0.8), (values, share) => {
        const of = (label: number) =>
          lossesOf(settings, {
            examples: pairsOf([[label]], [3, 5]),
            policy: values.slice(0, 2),
            reference: values.slice(2),
          });
        const [first, second, mixed] = [of(0), of(1), of(share)];
        const mean = (a: number[], b: number[]) =>
          a.map((value, i) => (1 - share) * value + share * (b[i] ?? NaN));
        assertNear(mixed.losses, mean(first.losses, second.losses), { tolerance: 1e-5 });
        assertNear(mixed.gradient, mean(first.gradient, second.gradient), { tolerance: 1e-5 });
      }),
      { numRuns: 20 },
    );
  });

  eachEngine(`${loss_type}: the gradient agrees with finite differences`, (engine) => {
    void engine;
    const state = {
      examples: pairsOf([[0, 1], [0.25, null]], [3, 5, 2, 4]),
      policy: [-3, -4, -2.5, -2],
      reference: [-3.5, -3, -2, -2.5],
    };
    const { gradient } = lossesOf(settings, state);
    const step = 1 / 32;
    gradient.forEach((slope, s) => {
      const at = (by: number) => {
        const policy = state.policy.map((value, k) => k === s ? value + by : value);
        return lossesOf(settings, { ...state, policy }).losses.reduce((a, b) => a + b, 0);
      };
      assertNear([slope], [(at(step) - at(-step)) / (2 * step)], { tolerance: 2e-4 });
    });
  });

  eachEngine(`${loss_type}: swapping the responses and their labels changes nothing`, (engine) => {
    void engine;
    const state = { policy: [-3, -4], reference: [-3.5, -3] };
    const turn = (row: number[]) => row.toReversed();
    const one = lossesOf(settings, { ...state, examples: pairsOf([[0, 0.25]], [3, 5]) });
    const other = lossesOf(settings, {
      examples: pairsOf([[1, 0.75]], [5, 3]),
      policy: turn(state.policy),
      reference: turn(state.reference),
    });
    assertNear(other.losses, one.losses);
    assertNear(other.gradient, turn(one.gradient));
  });

  eachEngine(`${loss_type}: never negative, and finite far away`, (engine) => {
    void engine;
    const values = tf.tidy(() => {
      const margins = tf.tensor1d([-800, -3, 0, 0.5, 1, 4, 800]);
      const options = { beta: 0.4, labelSmoothing: loss.smoothed ? 0.2 : 0, simpoGamma: 0.5 };
      return Array.from(loss.loss(margins, options).dataSync());
    });
    assert(values.every((value) => value >= 0 && Number.isFinite(value)), `${values}`);
  });

  eachEngine(`${loss_type} reads the reference only where it says so`, (engine) => {
    void engine;
    const examples = pairsOf([[0]], [3, 5]);
    const of = (reference: number[]) =>
      lossesOf(settings, { examples, policy: [-3, -4], reference });
    const [near, far] = [of([-3, -4]), of([-3, -9])];
    if (loss.needs.reference) assert.notDeepEqual(near, far);
    else assert.deepEqual(near, far);
    const objective = pairObjectives.dpo(RunConfig.parse(settings), ["a"]);
    assert.deepEqual(objective.needs, loss.needs);
    // and accuracies rank by the same reward: 3 tokens of log π −3, 5 of −4
    const batch = { examples, groups: [0], preferences: [[1]] };
    const [accuracy] = objective.accuracies(
      Float32Array.of(-3, -4),
      Float32Array.of(-9, -4),
      batch,
    );
    assert.equal(accuracy, loss.needs.reference ? 1 : 0);
  });

  Deno.test(`${loss_type}: its description says what it computes`, () => {
    assert.match(loss.description, /margin/);
  });
}

eachEngine("label_smoothing 0 is DPO, and more of it asks for less", (engine) => {
  void engine;
  const state = { examples: pairsOf([[0]], [3, 5]), policy: [-3, -4], reference: [-4, -3] };
  const of = (label_smoothing: number) => lossesOf({ beta: 1, label_smoothing }, state);
  assert.deepEqual(of(0), lossesOf({ beta: 1 }, state));
  // the margin that minimises it is the log-odds of the smoothed label: log(0.8/0.2) at margin 2·0.693
  const [margin, ε] = [Math.log(4), 0.2];
  const best = { ...state, policy: [-4 + margin, -3], reference: [-4, -3] };
  assertNear(lossesOf({ beta: 1, label_smoothing: ε }, best).gradient, [0, 0]);
});

eachEngine("hinge is zero beyond the margin, with no gradient", (engine) => {
  void engine;
  const beyond = {
    examples: pairsOf([[0]], [3, 5]),
    policy: [-3, -9],
    reference: [-3, -3],
  };
  const { losses: values, gradient } = lossesOf({ loss_type: "hinge", beta: 0.5 }, beyond);
  assertNear([...values, ...gradient], [0, 0, 0], { tolerance: 0 });
});

eachEngine(
  "IPO is least where the difference per token is 1/2β, whatever the lengths",
  (engine) => {
    void engine;
    const beta = 0.25; // 1/2β = 2 a token
    for (const tokens of [[2, 4], [7, 1]]) {
      const [first = 0] = tokens;
      const { losses: values, gradient } = lossesOf({ loss_type: "ipo", beta }, {
        examples: pairsOf([[0]], tokens),
        policy: [-30 + 2 * first, -20],
        reference: [-30, -20],
      });
      assertNear([...values, ...gradient], [0, 0, 0]);
    }
  },
);

Deno.test("implicitMargin() is of sums or means, with or without the reference", () => {
  const state = {
    logProbs: Float32Array.of(0, 0, -2, -6),
    referenceLogProbs: Float32Array.of(0, 0, -4, -6),
    pairs: pairsOf([[0], [0]], [1, 1, 2, 4]),
  };
  const { sigmoid, hinge, ipo, simpo } = pairwiseLosses;
  assert.equal(implicitMargin(sigmoid, state, 1), 2);
  assert.equal(implicitMargin(hinge, state, 1), 2);
  assert.equal(implicitMargin(ipo, state, 1), 1); // 2/2 − 0/4
  assert.equal(implicitMargin(simpo, state, 1), 0.5); // −2/2 + 6/4
});

Deno.test("label_smoothing is refused where it has no meaning, in one sentence", () => {
  for (const loss_type of ["hinge", "ipo"] as const) {
    assert.throws(
      () => pairObjectives.dpo(RunConfig.parse({ loss_type, label_smoothing: 0.1 }), ["a"]),
      (error) =>
        error instanceof InputError &&
        error.message === `Cannot train with loss_type ${loss_type}: expected label_smoothing 0, ` +
            "or loss_type sigmoid or simpo, got label_smoothing 0.1",
    );
  }
  assert.throws(() => RunConfig.parse({ label_smoothing: 0.5 }));
  assert.throws(() => RunConfig.parse({ simpo_gamma: -1 }));
});
