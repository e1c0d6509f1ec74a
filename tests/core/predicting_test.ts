import * as tf from "@tensorflow/tfjs-core";
import { hiddenGradient, predictingRows } from "../../core/predicting.ts";
import { packSequences } from "../../core/text/pack.ts";
import { eachEngine } from "../engines.ts";
import { assertNear } from "../near.ts";

/** Two responses of 2 and 1 tokens behind one prompt of 2: row [p p a a b · · ·]. */
function sharedPack() {
  const prompt = Int32Array.of(1, 2);
  const sequences = [
    { prompt, response: Int32Array.of(3, 4) },
    { prompt, response: Int32Array.of(5) },
  ];
  const preference = [1];
  const [pack] = packSequences(sequences, {
    rowLength: 8,
    maxTokens: 8,
    preferences: [preference, preference],
  });
  if (pack === undefined) throw new TypeError("expected one pack");
  return pack;
}

eachEngine("predictingRows() and hiddenGradient() worked by hand", async (engine) => {
  const pack = sharedPack(); // predicting: 1 (→ a), 2 (→ a), 1 (→ b)
  const hidden = tf.tensor2d([[0, 0], [1, 10], [2, 20], [3, 30], [4, 40], [5, 5], [6, 6], [7, 7]]);
  const rows = predictingRows(engine, hidden, pack);
  assertNear(await rows.data(), [1, 10, 2, 20, 1, 10]);
  const slopes = tf.tensor2d([[1, 2], [3, 4], [5, 6]]);
  const weights = Float32Array.of(1, 10, 100);
  const gradient = hiddenGradient(engine, { slopes, weights, pack });
  // the end of the prompt predicts two tokens: 1·[1, 2] + 100·[5, 6]; position 2: 10·[3, 4]
  const expected = [0, 0, 501, 602, 30, 40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  assertNear(await gradient.data(), expected);
  [hidden, rows, slopes, gradient].forEach((tensor) => tensor.dispose());
});

eachEngine("hiddenGradient() is the gradient of Σ weights·f(predictingRows())", async (engine) => {
  const pack = sharedPack();
  const weights = Float32Array.of(0.5, -2, 3);
  const hidden = tf.randomNormal([8, 3], 0, 1, "float32", 1) as tf.Tensor2D;
  const [gradient, automatic] = tf.tidy(() => {
    const rows = predictingRows(engine, hidden, pack);
    // f(row) = Σ row³ / 3, so that d f / d row = row²
    const gradient = hiddenGradient(engine, { slopes: tf.square(rows), weights, pack });
    const whole = tf.grad((h) => {
      const select = tf.oneHot(tf.tensor1d(pack.predicting, "int32"), 8); // (N, B·T)
      const chosen = tf.matMul(tf.cast(select, "float32"), h as tf.Tensor2D);
      const perRow = tf.div(tf.sum(tf.pow(chosen, 3), 1), 3);
      return tf.sum(tf.mul(perRow, tf.tensor1d(weights)));
    });
    return [gradient, whole(hidden)];
  });
  assertNear(await gradient.data(), await automatic.data(), { tolerance: 1e-5 });
  [hidden, gradient, automatic].forEach((tensor) => tensor.dispose());
});
