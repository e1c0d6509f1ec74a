import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import type { Engine, TensorFunction } from "../../../core/engine/mod.ts";
import { eachEngine } from "../../engines.ts";
import { assertNear } from "../../near.ts";

interface Case {
  shapes: number[][];
  fn: (...args: tf.Tensor[]) => tf.Tensor;
  /** Where the gradient is not defined or tfjs has none. */
  noGradient?: boolean;
}

/** A spread of what the decoder, the losses and the optimiser use. */
const cases: Record<string, Case> = {
  "arithmetic with broadcasting": {
    shapes: [[3, 4], [4], []],
    fn: (a, b, c) => tf.sub(tf.div(tf.mul(t(a), t(b)), tf.add(tf.square(t(b)), 1)), t(c)),
  },
  "exp, log, sqrt, rsqrt, neg, abs": {
    shapes: [[5]],
    fn: (x) => {
      const positive = tf.add(tf.abs(t(x)), 0.5);
      return tf.addN([
        tf.exp(tf.neg(t(x))),
        tf.log(positive),
        tf.sqrt(positive),
        tf.rsqrt(positive),
      ]);
    },
  },
  "sigmoid, tanh, softplus, relu": {
    shapes: [[2, 3]],
    fn: (x) => tf.addN([tf.sigmoid(t(x)), tf.tanh(t(x)), tf.softplus(t(x)), tf.relu(t(x))]),
  },
  "matMul, plain and transposed": {
    shapes: [[3, 4], [4, 2], [5, 2]],
    fn: (a, b, c) => tf.matMul(tf.matMul(m(a), m(b)), m(c), false, true),
  },
  "batched matMul": {
    shapes: [[2, 3, 4], [2, 5, 4]],
    fn: (a, b) => tf.matMul(t(a), t(b), false, true),
  },
  "sum, mean, max over axes": {
    shapes: [[3, 4, 2]],
    fn: (x) => tf.add(tf.sum(t(x), [0, 2]), tf.mul(tf.mean(t(x), [0, 2]), tf.max(t(x), [0, 2]))),
  },
  "softmax and logSoftmax": {
    shapes: [[3, 6]],
    fn: (x) => tf.add(tf.softmax(t(x)), tf.logSoftmax(t(x))),
  },
  "reshape, transpose, expandDims": {
    shapes: [[2, 3, 4]],
    fn: (x) => tf.expandDims(tf.transpose(tf.reshape(t(x), [3, 2, 4]), [2, 0, 1]), 1),
  },
  "concat, split, stack, unstack": {
    shapes: [[2, 4], [2, 3]],
    fn: (a, b) => {
      const [left, right] = tf.split(tf.concat([t(a), t(b), t(b)], 1), 2, 1) as [
        tf.Tensor,
        tf.Tensor,
      ];
      return tf.stack(tf.unstack(tf.add(left, right), 1), 0);
    },
  },
  "slice, pad, tile": {
    shapes: [[4, 5]],
    fn: (x) => tf.pad(tf.tile(tf.slice(t(x), [1, 2], [2, 3]), [2, 1]), [[1, 0], [0, 2]]),
  },
  "comparison and where": {
    shapes: [[3, 3], [3, 3]],
    noGradient: true, // tfjs has none for the comparison
    fn: (a, b) => tf.where(tf.greater(t(a), t(b)), t(a), t(b)),
  },
  "logicalAnd, logicalOr, equal": {
    shapes: [[4], [4]],
    noGradient: true,
    fn: (a, b) => {
      const [p, q] = [tf.greater(t(a), 0), tf.lessEqual(t(b), 0)];
      return tf.cast(tf.logicalOr(tf.logicalAnd(p, q), tf.equal(p, q)), "float32");
    },
  },
  "constants made inside": {
    shapes: [[40, 40]],
    fn: (x) => {
      const large = tf.ones([40, 40]); // repeats one value
      const small = tf.tensor1d(Float32Array.from({ length: 40 }, (_, i) => i / 40));
      return tf.matMul(tf.mul(m(x), large), tf.mul(tf.eye(40), small) as tf.Tensor2D);
    },
  },
};

/** `tf` takes `tf.Tensor`; the record's tensors are that, whatever their rank. */
function t(x: tf.Tensor | undefined): tf.Tensor {
  return x as tf.Tensor;
}

function m(x: tf.Tensor | undefined): tf.Tensor2D {
  return x as tf.Tensor2D;
}

/** Tensors that differ from entry to entry and shape to shape, none of them zero. */
function inputsFor(shapes: number[][], phase = 0): tf.Tensor[] {
  return shapes.map((shape, k) => {
    const length = shape.reduce((a, b) => a * b, 1);
    const values = Float32Array.from(
      { length },
      (_, i) => Math.sin(1 + i * 1.7 + k + phase) + 0.01,
    );
    return tf.tensor(values, shape);
  });
}

function dispose(...tensors: (tf.Tensor | undefined)[]): void {
  tensors.forEach((tensor) => tensor?.dispose());
}

for (const [name, { shapes, fn, noGradient = false }] of Object.entries(cases)) {
  eachEngine(`compile(): values and gradients of ${name} are the eager ones`, async (engine) => {
    const inputs = inputsFor(shapes);
    const eager = tf.tidy(() => fn(...inputs));
    const compiled = engine.compile((...args) => [fn(...args)]);
    for (let call = 0; call < 2; call++) { // the second call runs what the first compiled
      const [result] = compiled(...inputs);
      assert.deepEqual(result?.shape, eager.shape);
      assert.equal(result?.dtype, eager.dtype);
      assertNear(await result?.data() ?? [], await eager.data(), { tolerance: 1e-6 });
      dispose(result);
    }
    if (!noGradient) await compareGradients(engine, fn, inputs);
    dispose(eager, ...inputs);
  });
}

async function compareGradients(
  engine: Engine,
  fn: Case["fn"],
  inputs: tf.Tensor[],
): Promise<void> {
  // Σ y² has a gradient that depends on everything
  const objective = (...args: tf.Tensor[]) => tf.sum(tf.square(fn(...args))) as tf.Scalar;
  const eager = tf.tidy(() => tf.grads(objective)(inputs));
  const compiled = engine.compile((...args) => tf.grads(objective)(args))(...inputs);
  assert.equal(compiled.length, eager.length);
  for (const [i, gradient] of compiled.entries()) {
    assert.deepEqual(gradient.shape, inputs[i]?.shape);
    assertNear(await gradient.data(), await eager[i]?.data() ?? [], { tolerance: 1e-5 });
  }
  dispose(...eager, ...compiled);
}

eachEngine("compile() compiles anew for new shapes and types, and only then", async (engine) => {
  let traced = 0;
  const double: TensorFunction = (x) => {
    traced++;
    return [tf.add(t(x), t(x))];
  };
  const compiled = engine.compile(double);
  const inputs = [tf.tensor1d([1, 2]), tf.tensor1d([3, 4]), tf.tensor2d([[5, 6, 7]])];
  inputs.push(tf.tensor1d([8, 9], "int32"));
  for (const input of inputs) {
    const [result] = compiled(input);
    assert.deepEqual(result?.shape, input.shape);
    assert.equal(result?.dtype, input.dtype);
    assertNear(await result?.data() ?? [], (await input.data()).map((value: number) => 2 * value));
    dispose(result);
  }
  assert.equal(traced, engine.name === "wasm" ? 4 : 3, "one trace for [2], [1, 3] and int32 [2]");
  dispose(...inputs);
});

eachEngine("compile() freezes a tensor that it is not given", async (engine) => {
  const weight = tf.tensor1d([1, 10]);
  const compiled = engine.compile((x) => [tf.mul(t(x), weight)]);
  const x = tf.tensor1d([2, 3]);
  const [result] = compiled(x);
  assertNear(await result?.data() ?? [], [2, 30]);
  dispose(weight, x, result);
});

eachEngine("compile() refuses to freeze a large tensor, saying what to do", (engine) => {
  const large = tf.randomUniform([1100, 1000], 0, 1, "float32", 1); // 4.4 MB
  const x = tf.ones([1000, 1]);
  const compiled = engine.compile((x) => [tf.matMul(large as tf.Tensor2D, m(x))]);
  assert.throws(
    () => compiled(x),
    (error) =>
      error instanceof RangeError &&
      /Cannot compile: a tensor of shape \[1100,1000\] is used without being an argument/
        .test(error.message),
  );
  // the engine is as good as before: eager, and compiling
  const [sum] = engine.compile((x) => [tf.sum(t(x))])(x);
  assert.equal(sum?.dataSync()[0], 1000);
  dispose(large, x, sum);
}, { engines: ["tensorflow"] });

eachEngine("compile() refuses to read a value while it records", (engine) => {
  const compiled = engine.compile((x) => [tf.mul(t(x), t(x).dataSync()[0] ?? 0)]);
  const x = tf.ones([2]);
  assert.throws(() => compiled(x), /being recorded and has no value/);
  dispose(x);
}, { engines: ["tensorflow"] });

eachEngine("compile() lets an error of the function through and goes on", async (engine) => {
  const x = tf.ones([2]);
  const failing = engine.compile(() => {
    throw new RangeError("no such block");
  });
  assert.throws(() => failing(x), /no such block/);
  const mismatched = engine.compile((x) => [tf.matMul(tf.ones([2, 3]), m(x))]);
  const bad = tf.ones([2, 2]);
  assert.throws(() => mismatched(bad), Error);
  const [fine] = engine.compile((x) => [tf.add(t(x), 1)])(x);
  assertNear(await fine?.data() ?? [], [2, 2]);
  dispose(x, bad, fine);
});

eachEngine("a compiled function neither keeps nor loses tensors", (engine) => {
  const compiled = engine.compile((x, y) => {
    const [value, ...rest] = tf.split(tf.concat([t(x), t(y)]), 2);
    return [tf.add(t(value), t(rest[0])), tf.mul(t(x), t(y))];
  });
  const [x, y] = [tf.ones([4]), tf.ones([4])];
  dispose(...compiled(x, y));
  const before = { tfjs: tf.memory().numTensors, engine: engine.liveTensors() };
  for (let i = 0; i < 10; i++) {
    const results = compiled(x, y);
    assert.equal(tf.memory().numTensors, before.tfjs + 2);
    dispose(...results);
  }
  assert.deepEqual({ tfjs: tf.memory().numTensors, engine: engine.liveTensors() }, before);
  tf.tidy(() => void compiled(x, y)); // a scope frees them too
  assert.deepEqual({ tfjs: tf.memory().numTensors, engine: engine.liveTensors() }, before);
  dispose(x, y);
});
