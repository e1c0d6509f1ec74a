import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { type BlockParameters, disposeParameters } from "../../core/adapters/parameters.ts";
import { createLearner, type LearnerOptions } from "../../core/learner.ts";
import { eachEngine } from "../engines.ts";
import { assertNear, assertSameBits } from "../near.ts";

const options: LearnerOptions = {
  beta1: 0.9,
  beta2: 0.99,
  epsilon: 1,
  weightDecay: 0,
  maxGradNorm: 0,
};

/** Two blocks, of two tensors and of none, and one more: a head's. */
function blocks(): BlockParameters[] {
  return [
    { maps: [], names: ["a", "b"], tensors: [tf.tensor1d([1, 2]), tf.tensor1d([3])] },
    { maps: [], names: [], tensors: [] },
    { maps: [], names: ["head"], tensors: [tf.tensor2d([[4]])] },
  ];
}

const gradients = (a: number[], b: number[], head: number[]) => [
  [tf.tensor1d(a), tf.tensor1d(b)],
  [],
  [tf.tensor2d([head])],
];

async function valuesOf(parameters: BlockParameters[]): Promise<Float32Array> {
  const parts = await Promise.all(
    parameters.flatMap(({ tensors }) => tensors.map((t) => t.data())),
  );
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

eachEngine("update() worked by hand: norm over all blocks, share and clipping", async (engine) => {
  const parameters = blocks();
  const learner = createLearner(engine, parameters, { ...options, maxGradNorm: 1 });
  // share · ‖(6, 0, 0, 8)‖ = 0.5 · 10 = 5, clipped to 1: scale 0.5 · 1/5 = 0.1: g = (0.6, 0, 0, 0.8)
  const norm = await learner.update(gradients([6, 0], [0], [8]), { learningRate: 0.1, share: 0.5 });
  assertNear([norm], [5], { tolerance: 1e-6 });
  // the first step of AdamW: rate · g / (|g| + ε) = 0.1 · 0.6/1.6, 0.1 · 0.8/1.8
  const expected = [1 - 0.0375, 2, 3, 4 - 0.08 / 1.8];
  assertNear(await valuesOf(parameters), expected, { tolerance: 1e-6 });
  assert.equal(learner.updates, 1);
  learner.dispose();
  disposeParameters(parameters);
});

eachEngine(
  "update() leaves everything as it is where the gradient is not finite",
  async (engine) => {
    const parameters = blocks();
    const learner = createLearner(engine, parameters, options);
    const before = await valuesOf(parameters);
    const norm = await learner.update(gradients([NaN, 0], [0], [1]), { learningRate: 0.1 });
    assert(Number.isNaN(norm));
    assertSameBits(await valuesOf(parameters), before, "parameters");
    assert.equal(learner.updates, 0);
    assert(await learner.isFinite());
    const [block] = parameters;
    block?.tensors.splice(0, 1, tf.tensor1d([Infinity, 0])).forEach((tensor) => tensor.dispose());
    assert.equal(await learner.isFinite(), false);
    learner.dispose();
    disposeParameters(parameters);
  },
);

eachEngine(
  "restore() goes back to what was remembered, and the same steps follow",
  async (engine) => {
    const step = (i: number) => gradients([i, -1], [0.5 * i], [2 - i]);
    const before = tf.memory().numTensors;
    const parameters = blocks();
    const learner = createLearner(engine, parameters, options);
    assert.throws(() => learner.restore(), RangeError);
    const go = async (steps: number[]) => {
      for (const i of steps) await learner.update(step(i), { learningRate: 0.1 });
      return await valuesOf(parameters);
    };
    learner.remember();
    await go([1]);
    learner.remember(); // in place of the start
    const there = await valuesOf(parameters);
    const once = await go([2, 3]);
    for (const _ of [1, 2]) { // more often than once
      learner.restore();
      assert.equal(learner.updates, 1);
      assertSameBits(await valuesOf(parameters), there, "parameters");
      assertSameBits(await go([2, 3]), once, "parameters two steps later");
    }
    learner.dispose();
    disposeParameters(parameters);
    assert.equal(tf.memory().numTensors, before);
  },
);

eachEngine("a learner that goes on from stored moments makes the same steps", async (engine) => {
  const step = (i: number) => gradients([i, -1], [0.5 * i], [2 - i]);
  const whole = blocks();
  const first = createLearner(engine, whole, options);
  for (const i of [1, 2]) await first.update(step(i), { learningRate: 0.1 });
  const moments = await first.moments();
  assert.deepEqual([...moments.keys()].sort(), ["m.a", "m.b", "m.head", "v.a", "v.b", "v.head"]);
  const parameters = whole.map((block) => ({
    ...block,
    tensors: block.tensors.map((tensor) => tf.clone(tensor)),
  }));
  const second = createLearner(engine, parameters, { ...options, resume: { updates: 2, moments } });
  for (const learner of [first, second]) {
    for (const i of [3, 4]) await learner.update(step(i), { learningRate: 0.1 });
    assert.equal(learner.updates, 4);
  }
  assertSameBits(await valuesOf(parameters), await valuesOf(whole), "parameters");
  for (const learner of [first, second]) learner.dispose();
  disposeParameters(whole);
  disposeParameters(parameters);
});
