import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { adamW, globalNorm, learningRateAt, type Moments, schedules } from "../../core/optim.ts";
import { eachEngine } from "../engines.ts";
import golden from "../golden/optim.json" with { type: "json" };
import { assertNear } from "../near.ts";

/** The formula of tests/golden/optim.py: sin(1 + 1.3·i + 0.7·phase). */
function formula(shape: number[], phase: number): Float32Array {
  const length = shape.reduce((a, b) => a * b, 1);
  return Float32Array.from({ length }, (_, i) => Math.sin(1 + 1.3 * i + 0.7 * phase));
}

async function valuesOf(tensors: tf.Tensor[]): Promise<number[][]> {
  return await Promise.all(tensors.map(async (tensor) => [...await tensor.data()]));
}

golden.adamw.forEach((setting, index) => {
  const { lr, betas: [beta1 = 0, beta2 = 0], eps, weight_decay, clip } = setting;
  eachEngine(`adamW() follows torch.optim.AdamW, setting ${index}`, async (engine) => {
    const optimiser = adamW(engine, { beta1, beta2, epsilon: eps, weightDecay: weight_decay });
    let parameters: tf.Tensor[] = golden.shapes.map((shape, k) =>
      tf.tensor(formula(shape, k), shape)
    );
    let moments: Moments = optimiser.init(parameters);
    for (const [i, expected] of setting.steps.entries()) {
      const step = i + 1;
      const gradients = golden.shapes.map((shape, k) =>
        tf.tensor(formula(shape, 10 * step + k).map((value) => 2 * value), shape)
      );
      const norm = await globalNorm(engine, [gradients.slice(0, 1), [], gradients.slice(1)]);
      assertNear([norm], [expected.norm], { tolerance: 1e-6, what: "norm" });
      const scale = clip > 0 ? Math.min(1, clip / norm) : 1;
      const updated = optimiser.update(parameters, gradients, {
        moments,
        step,
        learningRate: lr,
        scale,
      });
      gradients.forEach((gradient) => gradient.dispose());
      ({ parameters, moments } = updated);
      for (
        const [what, tensors] of Object.entries({
          parameters,
          first: moments.first,
          second: moments.second,
        })
      ) {
        const found = (await valuesOf(tensors)).flat();
        const wanted = expected[what as "parameters" | "first" | "second"].flat();
        assertNear(found, wanted, { tolerance: 2e-6, what: `${what} after step ${step}` });
      }
    }
    [...parameters, ...moments.first, ...moments.second].forEach((tensor) => tensor.dispose());
  });
});

eachEngine("adamW(): the first step of one number, worked by hand", async (engine) => {
  const optimiser = adamW(engine, { beta1: 0.9, beta2: 0.99, epsilon: 0, weightDecay: 0.1 });
  const p = tf.tensor1d([2]);
  const gradient = tf.tensor1d([-8]);
  // scale 0.5: g = −4; m = 0.1·(−4) = −0.4, m̂ = −4; v = 0.01·16 = 0.16, v̂ = 16; m̂/√v̂ = −1
  // p = 2 − 0.5·(−1 + 0.1·2) = 2.4
  const { parameters, moments } = optimiser.update([p], [gradient], {
    moments: optimiser.init([p]),
    step: 1,
    learningRate: 0.5,
    scale: 0.5,
  });
  const found = await valuesOf([...parameters, ...moments.first, ...moments.second]);
  assertNear(found.flat(), [2.4, -0.4, 0.16]);
  assert(p.isDisposed, "the old parameters are gone");
  [gradient, ...parameters, ...moments.first, ...moments.second].forEach((x) => x.dispose());
});

eachEngine("adamW(): a block without parameters stays as it is", (engine) => {
  const optimiser = adamW(engine, { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0 });
  const moments = optimiser.init([]);
  const state = { moments, step: 1, learningRate: 1, scale: 1 };
  assert.deepEqual(optimiser.update([], [], state), { parameters: [], moments });
});

eachEngine("globalNorm() is the root of the sum of squares over all blocks", async (engine) => {
  const blocks = [[tf.tensor1d([3]), tf.tensor2d([[0, 4]])], [], [tf.tensor1d([12])]];
  assertNear([await globalNorm(engine, blocks)], [13]); // √(9 + 16 + 144)
  const broken = [[tf.tensor1d([3, NaN])], [tf.tensor1d([1])]];
  assert(Number.isNaN(await globalNorm(engine, broken)));
  [...blocks, ...broken].flat().forEach((tensor) => tensor.dispose());
});

for (const { name, steps, warmupRatio, warmup, rates } of golden.schedules) {
  Deno.test(`learningRateAt() equals transformers' ${name}, ${steps} steps, warm-up ${warmup}`, () => {
    const options = { steps, peak: 3, warmupRatio, type: name as keyof typeof schedules };
    for (let step = 0; step < steps; step++) {
      // during the warm-up ours is one step ahead, so that no step has rate 0
      const expected = step < warmup ? (rates[step + 1] ?? 1) : rates[step] ?? NaN;
      assertNear([learningRateAt(step, options)], [3 * expected], { tolerance: 1e-12 });
    }
  });
}

Deno.test("learningRateAt() worked by hand: warm-up of 2 in 10, then half a cosine", () => {
  const at = (step: number) =>
    learningRateAt(step, { steps: 10, peak: 1, warmupRatio: 0.2, type: "cosine" });
  // progress (4 − 2)/8 = 1/4: (1 + cos 45°)/2 = 0.8535534; (6 − 2)/8 = 1/2: 0.5
  assertNear([0, 1, 2, 4, 6].map(at), [0.5, 1, 1, 0.8535534, 0.5], { tolerance: 1e-7 });
});

Deno.test("learningRateAt() lies in (0, peak], and never rises after the warm-up", () => {
  const cases = fc.record({
    steps: fc.integer({ min: 1, max: 200 }),
    warmupRatio: fc.double({ min: 0, max: 1, noNaN: true }),
    peak: fc.double({ min: 1e-8, max: 10, noNaN: true }),
    type: fc.constantFrom("cosine", "linear", "constant"),
  });
  fc.assert(fc.property(cases, (options) => {
    const type = options.type as keyof typeof schedules;
    let previous = Infinity;
    const warmup = Math.ceil(options.warmupRatio * options.steps);
    for (let step = 0; step < options.steps; step++) {
      const rate = learningRateAt(step, { ...options, type });
      assert(rate > 0 && rate <= options.peak);
      if (step >= warmup) assert(rate <= previous);
      previous = rate;
    }
  }));
});
