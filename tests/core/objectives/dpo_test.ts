import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { aggregations } from "../../../core/aggregation/mod.ts";
import { RunConfig } from "../../../core/config.ts";
import { prefers } from "../../../core/objectives/bradley_terry.ts";
import { dpo } from "../../../core/objectives/dpo.ts";
import { pairObjectives as table } from "../../../core/objectives/mod.ts";
import type { GroupedBatch } from "../../../core/objectives/objective.ts";
import { implicitMargin, pairwiseLosses } from "../../../core/objectives/pairwise_losses.ts";
import type { TokenizedPair } from "../../../core/text/example.ts";
import { eachEngine } from "../../engines.ts";
import policyGolden from "../../golden/policy.json" with { type: "json" };
import trl from "../../golden/trl_dpo.json" with { type: "json" };
import { assertNear } from "../../near.ts";
import { svdLora } from "../../../core/adapters/svd_lora.ts";
import { disposeParameters } from "../../../core/adapters/parameters.ts";
import { createPolicy } from "../../../core/policy.ts";
import { packSequences } from "../../../core/text/pack.ts";
import { formulaParameters, holdGolden, load } from "../models/golden_models.ts";

type Label = number | null;

/** A batch whose examples differ in their labels only. */
function batchOf(labels: Label[][], groups: number[], preferences: number[][]) {
  const ids = Int32Array.from([1]);
  const examples = labels.map((better): TokenizedPair => ({
    prompt: ids,
    responses: [ids, ids],
    better,
  }));
  return { examples, groups, preferences } satisfies GroupedBatch<TokenizedPair>;
}

/** Losses (G, M) and the gradient of their sum by the policy's log-probs (2P). */
function lossesOf(
  batch: GroupedBatch<TokenizedPair>,
  { policy, reference, beta = 0.5, rpoAlpha }: {
    policy: number[];
    reference: number[];
    beta?: number;
    rpoAlpha?: number;
  },
) {
  const objectives = batch.examples[0]?.better.length ?? 0;
  const objective = dpo({ beta, rpoAlpha, objectives });
  return tf.tidy(() => {
    const fixed = tf.tensor1d(reference);
    let rows: number[][] = [];
    const gradient = tf.grad((x) => {
      const losses = objective.losses(x as tf.Tensor1D, fixed, batch);
      rows = losses.arraySync();
      return tf.sum(losses);
    })(tf.tensor1d(policy));
    return { losses: rows, gradient: Array.from(gradient.dataSync()) };
  });
}

eachEngine("losses() under a share of labels is the mean over the labellers", (engine) => {
  void engine;
  // β 0.5, margin 1: L(0) = ln(1 + e⁻¹) = 0.313262, L(1) = ln(1 + e) = 1.313262;
  // a share of 1/4 for response 1 gives 0.75·0.313262 + 0.25·1.313262 = 0.563262.
  const scores = { policy: [-1, -2], reference: [-3, -2] };
  const one = (label: Label) => lossesOf(batchOf([[label]], [0], [[1]]), scores);
  const shared = one(0.25);
  assertNear(shared.losses[0] ?? [], [0.563262], { tolerance: 1e-6 });
  const [first, second] = [one(0), one(1)];
  assertNear(
    shared.gradient,
    first.gradient.map((g, i) => 0.75 * g + 0.25 * (second.gradient[i] ?? NaN)),
    { tolerance: 1e-6 },
  );
});

eachEngine("losses() of two pairs, worked by hand", (engine) => {
  void engine;
  // β 0.5. Pair 0: ratios log π/π_ref = −1 − (−3) = 2 and −2 − (−2) = 0: margin 0.5·(2 − 0) = 1.
  // Pair 1: ratios −5 − (−4) = −1 and −1 − (−2) = 1: margin 0.5·(−1 − 1) = −1.
  const batch = batchOf([[0, 1], [0, null]], [0, 0], [[0.4, 0.6]]);
  const { losses, gradient } = lossesOf(batch, {
    policy: [-1, -2, -5, -1],
    reference: [-3, -2, -4, -2],
  });
  // L_1 = mean(−log σ(1), −log σ(−1)) = (0.3132617 + 1.3132617)/2 = 0.8132617
  // L_2 = −log σ(−1) = 1.3132617, pair 0 alone: its label names response 1
  assertNear(losses.flat(), [0.8132617, 1.3132617], { tolerance: 1e-6 });
  // d(−log σ(x))/dx = −σ(−x). Pair 0, dimension 1: −σ(−1)·β/2 = −0.2689414/4 = −0.0672354;
  // dimension 2 (sign −1): +σ(1)·β = 0.7310586/2 = 0.3655293; together 0.2982939
  // Pair 1, dimension 1: −σ(1)·β/2 = −0.1827646
  assertNear(gradient, [0.2982939, -0.2982939, -0.1827646, 0.1827646], { tolerance: 1e-6 });
});

eachEngine("losses() with rpo_alpha adds −log π per token of the preferred response", (engine) => {
  void engine;
  // Responses of 2 and 4 tokens, log π −1 and −2. A share of 1/4 for response 1:
  // 0.75·(1/2) + 0.25·(2/4) = 0.5, times rpo_alpha 0.5: 0.25 more; the gradient by log π:
  // −0.5·0.75/2 = −0.1875 and −0.5·0.25/4 = −0.03125. The second pair has no label: nothing.
  const responses = [Int32Array.of(1, 2), Int32Array.of(1, 2, 3, 4)] as [Int32Array, Int32Array];
  const labelled = batchOf([[0.25], [null]], [0, 0], [[1]]);
  const batch = { ...labelled, examples: labelled.examples.map((e) => ({ ...e, responses })) };
  const scores = { policy: [-1, -2, -3, -5], reference: [-3, -2, -1, -1] };
  const plain = lossesOf(batch, scores);
  const held = lossesOf(batch, { ...scores, rpoAlpha: 0.5 });
  assertNear(held.losses.flat(), plain.losses.flat().map((loss) => loss + 0.25));
  const added = [-0.1875, -0.03125, 0, 0];
  assertNear(held.gradient, plain.gradient.map((g, i) => g + (added[i] ?? NaN)));
});

eachEngine("losses() keeps preference groups apart and averages within each", (engine) => {
  void engine;
  const labels: Label[][] = [[0, 0], [1, 1], [null, 0], [1, null]];
  const policy = [-1, -2, -3, -5, -2, -2.5, -7, -4];
  const reference = [-2, -2, -3, -3, -1, -4, -6, -6];
  const all = lossesOf(batchOf(labels, [0, 0, 1, 1], [[1, 0], [0, 1]]), { policy, reference });
  const first = lossesOf(batchOf(labels.slice(0, 2), [0, 0], [[1, 0]]), {
    policy: policy.slice(0, 4),
    reference: reference.slice(0, 4),
  });
  const second = lossesOf(batchOf(labels.slice(2), [0, 0], [[0, 1]]), {
    policy: policy.slice(4),
    reference: reference.slice(4),
  });
  assertNear(all.losses.flat(), [...first.losses.flat(), ...second.losses.flat()]);
  assertNear(all.gradient, [...first.gradient, ...second.gradient]);
});

eachEngine("losses() of a dimension does not see pairs without its label", (engine) => {
  void engine;
  const reference = [-2, -2, -3, -3];
  const lossesWith = (last: number) =>
    lossesOf(batchOf([[0, 0], [0, null]], [0, 0], [[0.5, 0.5]]), {
      policy: [-1, -2, -3, last],
      reference,
    }).losses[0] ?? [];
  const [near, far] = [lossesWith(-5), lossesWith(-50)];
  assert(near[0] !== far[0]);
  assert.equal(near[1], far[1]);
  const none = lossesOf(batchOf([[0, null]], [0], [[0.5, 0.5]]), {
    policy: [-1, -2],
    reference: [-2, -2],
  });
  assert.equal(none.losses[0]?.[1], 0, "no pair, no loss");
});

eachEngine("M = 1 and λ = e_i both reduce to single-objective DPO", (engine) => {
  void engine;
  const policy = [-1, -2, -3, -5, -2, -2.5];
  const reference = [-2, -2, -3, -3, -1, -4];
  const both: Label[][] = [[0, 1], [1, 0], [1, 1]];
  for (const i of [0, 1]) {
    const alone = lossesOf(batchOf(both.map((row) => [row[i] ?? null]), [0, 0, 0], [[1]]), {
      policy,
      reference,
    });
    const vertex = [Number(i === 0), Number(i === 1)];
    const { losses } = lossesOf(batchOf(both, [0, 0, 0], [vertex]), { policy, reference });
    for (const aggregation of [aggregations.ls(), aggregations.tche()]) {
      const total = tf.tidy(() =>
        aggregation.loss(tf.tensor2d(losses), tf.tensor2d([vertex])).dataSync()[0] ?? NaN
      );
      assertNear([total], alone.losses[0] ?? []);
    }
  }
});

eachEngine("losses() at the reference is log 2, and finite far away from it", (engine) => {
  void engine;
  const batch = batchOf([[0, 1], [1, null]], [0, 0], [[0.5, 0.5]]);
  const same = [-3, -4, -5, -6];
  assertNear(lossesOf(batch, { policy: same, reference: same }).losses.flat(), [
    Math.LN2,
    Math.LN2,
  ]);
  // margin 0.5·2000 = 1000: the loss of the wrong side is the margin itself, of the right side 0
  const far = lossesOf(batchOf([[0], [1]], [0, 1], [[1], [1]]), {
    policy: [0, -2000, 0, -2000],
    reference: [0, 0, 0, 0],
  });
  assertNear(far.losses.flat(), [0, 1000]);
  assert(far.gradient.every(Number.isFinite));
});

eachEngine(
  "sequences() and losses() reproduce the DPO loss and accuracy of TRL",
  async (engine) => {
    const decoder = await holdGolden(engine, "llama_tied");
    const { rank, objectives, alpha, beta } = policyGolden;
    const adapter = svdLora({ rank, objectives, alpha, init: "gaussian" });
    const parameters = load(adapter, decoder.config, formulaParameters(adapter, decoder.config));
    // TRL saw the pairs that dimension 0 labels, and weights with the adapter folded in at (1, 0)
    const examples = policyGolden.pairs.filter(({ better }) => better[0] !== null)
      .map(({ prompt, responses, better }): TokenizedPair => ({
        prompt: Int32Array.from(prompt),
        responses: responses.map((ids) => Int32Array.from(ids)) as [Int32Array, Int32Array],
        better: [better[0] as Label],
      }));
    const single = dpo({ beta, objectives: 1 });
    const sequences = examples.flatMap(single.sequences);
    const [pack] = packSequences(sequences, { rowLength: 32, maxTokens: 1024 });
    assert(pack);
    const preferences = sequences.map(() => trl.preference);
    const sums = async (adapted: boolean) => {
      const policy = createPolicy(
        engine,
        decoder,
        adapted ? { adapter, objectives, parameters } : null,
      );
      const values = await policy.logProbs(pack, preferences);
      const totals = new Float32Array(sequences.length);
      pack.owners.forEach((s, n) => totals[s] = (totals[s] ?? 0) + (values[n] ?? 0));
      return totals;
    };
    const [policy, reference] = [await sums(true), await sums(false)];
    const batch = { examples, groups: examples.map(() => 0), preferences: [[1]] };
    const { losses } = lossesOf(batch, { policy: [...policy], reference: [...reference], beta });
    assertNear(losses.flat(), [trl.loss], { tolerance: 1e-5 });
    assertNear(single.accuracies(policy, reference, batch), [trl.metrics["rewards/accuracies"]]);
    const scores = { logProbs: policy, referenceLogProbs: reference, pairs: examples };
    const margins = examples.map(({ better }, p) =>
      beta * implicitMargin(pairwiseLosses.sigmoid, scores, p) * (better[0] === 0 ? 1 : -1)
    );
    const mean = margins.reduce((sum, margin) => sum + margin, 0) / margins.length;
    assertNear([mean], [trl.metrics["rewards/margins"]], { tolerance: 1e-5 });
    disposeParameters(parameters);
    decoder.dispose();
  },
);

Deno.test("accuracies() counts labelled pairs only; a tie is wrong, no label is NaN", () => {
  const { accuracies } = dpo({ beta: 0.1, objectives: 3 });
  const batch = batchOf([[0, 1, null], [0, null, null], [1, 1, null]], [0, 0, 0], [[1, 0, 0]]);
  const policy = Float32Array.from([-1, -3, -5, -5, -2, -4]); // margins 2, 0 and 2
  const reference = new Float32Array(6);
  // dimension 0: right, tie, wrong: 1/3; dimension 1: wrong, wrong: 0
  assertNear(accuracies(policy, reference, batch).slice(0, 2), [1 / 3, 0]);
  assert(Number.isNaN(accuracies(policy, reference, batch)[2]));
});

Deno.test("prefers() is never true of both labels", () => {
  fc.assert(fc.property(fc.double(), (margin) => {
    assert(!(prefers(margin, 0) && prefers(margin, 1)));
    if (margin === 0) assert(!prefers(margin, 0) && !prefers(margin, 1));
  }));
});

Deno.test("the table's DPO takes beta from the configuration and M from the data", () => {
  const config = RunConfig.parse({ beta: 2 });
  const objective = table.dpo(config, ["helpful", "harmless", "concise"]);
  assert.deepEqual(objective.needs, { reference: true });
  const pair: TokenizedPair = {
    prompt: Int32Array.from([5]),
    responses: [Int32Array.from([6, 2]), Int32Array.from([7, 8, 2])],
    better: [0, null, 1],
  };
  const sequences = objective.sequences(pair);
  assert.deepEqual(sequences.map(({ response }) => [...response]), [[6, 2], [7, 8, 2]]);
  const batch = { examples: [pair], groups: [0], preferences: [[1, 0, 0]] };
  const figures = objective.accuracies(Float32Array.of(1, 0), new Float32Array(2), batch);
  assert.deepEqual(figures, [1, NaN, 0]);
});
