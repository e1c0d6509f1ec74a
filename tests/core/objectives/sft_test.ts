import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { sft } from "../../../core/objectives/sft.ts";
import { eachEngine } from "../../engines.ts";
import { assertNear } from "../../near.ts";

/** Sequences with responses of given lengths. */
function sequencesOf(lengths: number[]) {
  return lengths.map((length) => ({
    prompt: Int32Array.of(1, 2),
    response: new Int32Array(length),
  }));
}

eachEngine("losses() is the mean over response tokens, worked by hand", (engine) => {
  void engine;
  const objective = sft();
  assert.deepEqual(objective.needs, { reference: false });
  const examples = sequencesOf([2, 3, 4]);
  const batch = { examples, groups: [0, 0, 1], preferences: [[1], [1]] };
  const { losses, gradient } = tf.tidy(() => {
    const zeros = tf.zeros<tf.Rank.R1>([3]);
    const logProbs = tf.tensor1d([-1, -4, -2]);
    return {
      losses: objective.losses(logProbs, zeros, batch).arraySync(),
      gradient: tf.grad((x) => tf.sum(objective.losses(x as tf.Tensor1D, zeros, batch)))(logProbs)
        .arraySync() as number[],
    };
  });
  // group 0: (1 + 4) / (2 + 3) = 1; group 1: 2 / 4
  assertNear(losses.flat(), [1, 0.5]);
  assertNear(gradient, [-1 / 5, -1 / 5, -1 / 4]);
});

eachEngine("losses() counts learned tokens only", (engine) => {
  void engine;
  const [one, three] = sequencesOf([1, 3]);
  assert(one && three);
  const examples = [one, { ...three, learned: Uint8Array.of(1, 0, 1) }];
  const losses = tf.tidy(() =>
    sft().losses(tf.tensor1d([-1, -5]), tf.zeros([2]), {
      examples,
      groups: [0, 0],
      preferences: [[1]],
    }).arraySync()
  );
  assertNear(losses.flat(), [2]); // (1 + 5) / (1 + 2)
});

Deno.test("sequences() is the example itself, and nothing is counted right or wrong", () => {
  const objective = sft();
  const [example] = sequencesOf([2]);
  assert(example);
  assert.deepEqual(objective.sequences(example), [example]);
  const batch = { examples: [example], groups: [0], preferences: [[1]] };
  assert.deepEqual(objective.accuracies(Float32Array.of(-1), new Float32Array(1), batch), [NaN]);
});
