import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import {
  handedBack,
  noResiduals,
  notedIn,
  residual,
  type Residuals,
} from "../../../core/engine/residuals.ts";
import { eachEngine } from "../../engines.ts";

/** (x², a residual)·3 */
function tripleSquare(x: tf.Tensor, residuals: Residuals): tf.Tensor {
  const square = residual(residuals, [x], {
    value: (x) => tf.square(x),
    gradients: (dy, x) => [tf.mul(dy, tf.mul(x, 2))],
  });
  return tf.mul(square, 3);
}

eachEngine("a residual is computed, noted or handed back; its gradient is the same", (engine) => {
  const compute = engine.compile((x) => [tripleSquare(x as tf.Tensor, noResiduals)]);
  const note = engine.compile((x) => {
    const noted: tf.Tensor[] = [];
    return [tripleSquare(x as tf.Tensor, notedIn(noted)), ...noted];
  });
  const gradient = engine.compile((x, dy) => [
    tf.grad((x) => tripleSquare(x, noResiduals))(x as tf.Tensor, dy),
  ]);
  const value = engine.compile((x, kept) => [
    tripleSquare(x as tf.Tensor, handedBack([kept as tf.Tensor])),
  ]);
  const gradientKept = engine.compile((x, kept, dy) => [
    tf.grad((x) => tripleSquare(x, handedBack([kept as tf.Tensor])))(x as tf.Tensor, dy),
  ]);
  const [x, dy, other] = [tf.tensor1d([1, -2]), tf.tensor1d([10, 100]), tf.tensor1d([5, 7])];
  const results: Record<string, [tf.Tensor[], number[][]]> = {
    compute: [compute(x), [[3, 12]]],
    note: [note(x), [[3, 12], [1, 4]]],
    gradient: [gradient(x, dy), [[60, -1200]]],
    value: [value(x, other), [[15, 21]]], // what is handed back stands, whatever it is
    gradientKept: [gradientKept(x, other, dy), [[60, -1200]]],
  };
  for (const [name, [found, wanted]] of Object.entries(results)) {
    assert.deepEqual(found.map((tensor) => [...tensor.dataSync()]), wanted, name);
    found.forEach((tensor) => tensor.dispose());
  }
  const none = engine.compile((x) => [tripleSquare(x as tf.Tensor, handedBack([]))]);
  assert.throws(() => none(x), {
    name: "RangeError",
    message: "Cannot go back: expected residual 1, got 0 of them",
  });
  [x, dy, other].forEach((tensor) => tensor.dispose());
});
