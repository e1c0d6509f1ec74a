import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import type { HeldType } from "../../../core/engine/mod.ts";
import { bfloat16ToFloat32, float32ToBfloat16 } from "../../../core/models/floats.ts";
import { Random } from "../../../core/random.ts";
import { eachEngine } from "../../engines.ts";
import { assertNear } from "../../near.ts";

const [N, IN, OUT] = [5, 48, 32];

function gaussian(length: number, seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length }, () => random.normal());
}

/** What a value becomes in the type that weights are held in. */
function rounded(values: Float32Array, dtype: HeldType): Float32Array {
  return dtype === "float32" ? values : bfloat16ToFloat32(float32ToBfloat16(values));
}

/** x·Wᵀ (or x·W) in double precision: x (rows, inner), W (OUT, IN). */
function product(x: Float32Array, weight: Float32Array, transposed: boolean): number[] {
  const [inner, outer] = transposed ? [IN, OUT] : [OUT, IN];
  const rows = x.length / inner;
  return Array.from({ length: rows * outer }, (_, at) => {
    const [n, o] = [Math.floor(at / outer), at % outer];
    let sum = 0;
    for (let i = 0; i < inner; i++) {
      sum += (x[n * inner + i] ?? NaN) * (weight[transposed ? o * IN + i : i * IN + o] ?? NaN);
    }
    return sum;
  });
}

for (const dtype of ["float32", "bfloat16"] as const) {
  // TensorFlow may hand back the product itself in bfloat16: one more rounding, of 2⁻⁹ at most.
  const tolerance = dtype === "float32" ? 2e-5 : 2 ** -8;
  const options = {
    dtype,
    ...dtype === "bfloat16" && { engines: ["tensorflow"] as ["tensorflow"] },
  };

  eachEngine(`project() equals the product in double precision, ${dtype}`, async (engine) => {
    const [x, w] = [gaussian(N * IN, 1), gaussian(OUT * IN, 2)];
    const held = engine.hold(w, [OUT, IN]);
    assert.deepEqual([held.shape, held.dtype], [[OUT, IN], "float32"]);
    const xs = tf.tensor2d(x, [N, IN]);
    const expected = product(rounded(x, dtype), rounded(w, dtype), true);
    const eager = engine.project(xs, held);
    assert.deepEqual([eager.shape, eager.dtype], [[N, OUT], "float32"]);
    assertNear(await eager.data(), expected, { tolerance });
    const [compiled] = engine.compile((x, w) => [
      engine.project(x as tf.Tensor2D, w as tf.Tensor),
    ])(xs, held);
    assertNear(await compiled?.data() ?? [], expected, { tolerance });
    [held, xs, eager, compiled].forEach((tensor) => tensor?.dispose());
  }, options);

  eachEngine(`project() has the gradient dy·W in x, and none in W, ${dtype}`, async (engine) => {
    const [x, w, dy] = [gaussian(N * IN, 1), gaussian(OUT * IN, 2), gaussian(N * OUT, 3)];
    const held = engine.hold(w, [OUT, IN]);
    const [xs, slopes] = [tf.tensor2d(x, [N, IN]), tf.tensor2d(dy, [N, OUT])];
    const expected = product(rounded(dy, dtype), rounded(w, dtype), false);
    const eager = tf.grad((x) => engine.project(x as tf.Tensor2D, held))(xs, slopes);
    assertNear(await eager.data(), expected, { tolerance });
    const [compiled] = engine.compile((x, w, dy) => [
      tf.grad((x) => engine.project(x as tf.Tensor2D, w as tf.Tensor))(x as tf.Tensor, dy),
    ])(xs, held, slopes);
    assertNear(await compiled?.data() ?? [], expected, { tolerance });
    const back = engine.projectBack(slopes, held);
    assertNear(await back.data(), expected, { tolerance });
    [held, xs, slopes, eager, compiled, back].forEach((tensor) => tensor?.dispose());
  }, options);

  eachEngine(`lookup() gives the rows asked for, as held, ${dtype}`, async (engine) => {
    const table = gaussian(7 * 6, 4);
    const held = engine.hold(table, [7, 6]);
    const ids = tf.tensor1d([6, 0, 3, 3], "int32");
    const expected = [6, 0, 3, 3].flatMap((id) => [
      ...rounded(table, dtype).subarray(id * 6, id * 6 + 6),
    ]);
    const eager = engine.lookup(held, ids);
    assert.deepEqual([eager.shape, eager.dtype], [[4, 6], "float32"]);
    assert.deepEqual([...await eager.data()], expected);
    const [compiled] = engine.compile((table, ids) => [
      engine.lookup(table as tf.Tensor, ids as tf.Tensor1D),
    ])(held, ids);
    assert.deepEqual([...await compiled?.data() ?? []], expected);
    [held, ids, eager, compiled].forEach((tensor) => tensor?.dispose());
  }, options);
}

eachEngine("lookup() reads tables that are not held", async (engine) => {
  const table = tf.tensor2d([[1, 2], [3, 4]]);
  const ids = tf.tensor1d([1, 1, 0], "int32");
  const rows = engine.lookup(table, ids);
  assert.deepEqual(await rows.array(), [[3, 4], [3, 4], [1, 2]]);
  [table, ids, rows].forEach((tensor) => tensor.dispose());
});

eachEngine("hold() in float32 in a bfloat16 engine keeps every bit", async (engine) => {
  assert.equal(engine.dtype, "bfloat16");
  const w = gaussian(IN, 5);
  const held = engine.hold(w, [IN], "float32");
  assert.deepEqual(await held.data(), w);
  held.dispose();
}, { dtype: "bfloat16", engines: ["tensorflow"] });
