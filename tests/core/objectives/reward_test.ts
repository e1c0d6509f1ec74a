import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { reward, scoreMargin } from "../../../core/objectives/reward.ts";
import type { TokenizedPair } from "../../../core/text/example.ts";
import { eachEngine } from "../../engines.ts";
import { assertNear } from "../../near.ts";

type Label = number | null;

function batchOf(labels: Label[][], groups = labels.map(() => 0)) {
  const ids = Int32Array.of(1);
  const examples = labels.map((better): TokenizedPair => ({
    prompt: ids,
    responses: [ids, ids],
    better,
  }));
  const G = Math.max(...groups) + 1;
  return { examples, groups, preferences: Array.from({ length: G }, () => [0.5, 0.5]) };
}

/** Losses (G, M), and the gradient of their sum by the scores (2P·M). */
function lossesOf(batch: ReturnType<typeof batchOf>, scores: number[]) {
  const objective = reward({ objectives: batch.examples[0]?.better.length ?? 0 });
  return tf.tidy(() => {
    let losses: number[][] = [];
    const gradient = tf.grad((x) => {
      const table = objective.losses(x as tf.Tensor1D, tf.tensor1d([]), batch);
      losses = table.arraySync();
      return tf.sum(table);
    })(tf.tensor1d(scores));
    return { losses, gradient: Array.from(gradient.dataSync()) };
  });
}

eachEngine("losses() of two pairs in two dimensions, worked by hand", (engine) => {
  void engine;
  // Pair 0: scores (2, 0) and (1, 1): margins 1 and −1, labels 0 and 0.
  // Pair 1: scores (0, 0) and (0, 2): margins 0 and −2, labels none and 1.
  const batch = batchOf([[0, 0], [null, 1]]);
  const { losses, gradient } = lossesOf(batch, [2, 0, 1, 1, 0, 0, 0, 2]);
  // L_0 = −log σ(1) = 0.3132617; L_1 = mean(−log σ(−1), −log σ(2)) = (1.3132617 + 0.1269280)/2
  assertNear(losses.flat(), [0.3132617, 0.7200948], { tolerance: 1e-6 });
  // d/dx −log σ(x) = −σ(−x): −σ(−1) = −0.2689414; −σ(1)/2 = −0.3655293; −σ(−2)/2 = −0.0596015,
  // the last against the sign of the margin.
  assertNear(gradient, [
    -0.2689414,
    -0.3655293,
    0.2689414,
    0.3655293,
    0,
    0.0596015,
    0,
    -0.0596015,
  ], { tolerance: 1e-6 });
});

eachEngine(
  "losses() under a share of labels is the mean over the labellers; groups stay apart",
  (engine) => {
    void engine;
    const scores = [1, 0, 3, 0];
    const both = lossesOf(batchOf([[0.25], [1]], [0, 1]), scores);
    // Pair 0, margin 1: 0.75·0.3132617 + 0.25·1.3132617 = 0.5632617; pair 1, margin 3, label 1:
    // −log σ(−3) = 3.0485874.
    assertNear(both.losses.flat(), [0.5632617, 3.0485874], { tolerance: 1e-6 });
  },
);

eachEngine("losses() do not change when scores are shifted, and see labels only", (engine) => {
  void engine;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom<Label>(0, 1, null, 0.3), fc.constantFrom<Label>(0, 1)), {
        minLength: 1,
        maxLength: 6,
      }),
      fc.integer({ min: -3, max: 3 }),
      fc.integer({ min: 1, max: 1000 }),
      (labels, shift, seed) => {
        const scores = labels.flatMap((_, p) =>
          [0, 1, 2, 3].map((k) => Math.sin(seed + 4 * p + k))
        );
        const batch = batchOf(labels);
        const before = lossesOf(batch, scores);
        const after = lossesOf(
          batch,
          scores.map((score, k) => k % 2 === 0 ? score + shift : score),
        );
        assertNear(after.losses.flat(), before.losses.flat(), { tolerance: 1e-5 });
        labels.forEach(([label], p) => {
          if (label === null) assert.equal(before.gradient[4 * p], 0);
        });
        // What one response gains the other loses.
        labels.forEach((_, p) => {
          for (const i of [0, 1]) {
            const [a = NaN, b = NaN] = [before.gradient[4 * p + i], before.gradient[4 * p + 2 + i]];
            assert.ok(Math.abs(a + b) < 1e-6);
          }
        });
      },
    ),
    { numRuns: 50, seed: 7 },
  );
});

Deno.test("accuracies() ranks by the dimension's own scores; a tie is wrong, no label is NaN", () => {
  const { accuracies } = reward({ objectives: 3 });
  const batch = batchOf([[0, 1, null], [1, 1, null]]);
  const scores = Float32Array.of(1, 1, 0, 0, 1, 0, 2, 3, 0, 1, 4, 0);
  // dimension 0: margins 1 (right), 1 (wrong); dimension 1: 0 (a tie), −1 (right)
  assert.deepEqual(accuracies(scores, new Float32Array(), batch), [0.5, 0.5, NaN]);
  assert.equal(scoreMargin(scores, { p: 1, i: 1, M: 3 }), -1);
});
