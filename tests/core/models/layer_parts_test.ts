// The parts of a block that have gradients of their own, beside PyTorch's autograd in float64
// (layer_parts.py).
import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { noResiduals } from "../../../core/engine/residuals.ts";
import { gates } from "../../../core/models/gates.ts";
import { rmsNorm } from "../../../core/models/norm.ts";
import { softmaxAttention } from "../../../core/models/softmax_attention.ts";
import { scoresComputed } from "../../../core/text/query_chunks.ts";
import { eachEngine } from "../../engines.ts";
import { assertNear } from "../../near.ts";
import goldens from "../../golden/layer_parts.json" with { type: "json" };

interface Golden {
  value: number[];
  gradients: number[][];
}

const TOLERANCE = 2e-6; // float32, sums of up to 270

/** sin(0.37·i + phase), as the script makes its inputs. */
function waves(shape: number[], phase: number): tf.Tensor {
  const size = tf.util.sizeFromShape(shape);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(0.37 * i + phase)),
    shape,
  );
}

/** Every so many values, as the script takes them. */
function thinned(tensor: tf.Tensor): number[] {
  const step = Math.max(1, Math.floor(tensor.size / 50));
  return [...tensor.dataSync<"float32">()].filter((_, i) => i % step === 0);
}

function assertGolden(
  fn: (...inputs: tf.Tensor[]) => tf.Tensor,
  { inputs, golden, what }: { inputs: tf.Tensor[]; golden: Golden; what: string },
): void {
  tf.tidy(() => {
    const value = fn(...inputs);
    const options = { tolerance: TOLERANCE, what };
    assertNear(thinned(value), golden.value, options);
    const gradients = tf.grads(fn)(inputs, waves(value.shape, 9));
    gradients.forEach((gradient, i) => {
      const at = { ...options, what: `${what}, gradient ${i}` };
      assertNear(thinned(gradient), golden.gradients[i] ?? [], at);
    });
  });
}

eachEngine("rmsNorm() and its gradients are PyTorch's", () => {
  tf.tidy(() =>
    assertGolden((x, weight) => rmsNorm(x as tf.Tensor2D, weight as tf.Tensor, 1e-5), {
      inputs: [waves([5, 8], 0), waves([8], 1)],
      golden: goldens.rmsNorm,
      what: "rmsNorm",
    })
  );
});

eachEngine("the gates and their gradients are PyTorch's", () => {
  for (const name of ["silu", "gelu_tanh"] as const) {
    tf.tidy(() =>
      assertGolden((gate, up) => gates[name](gate as tf.Tensor2D, up as tf.Tensor2D), {
        inputs: [waves([5, 8], 0), waves([5, 8], 1)],
        golden: goldens[name],
        what: name,
      })
    );
  }
});

eachEngine("silu's gate of two numbers by hand, with its gradients", () => {
  tf.tidy(() => {
    // silu(0) = 0 with slope ½; silu(ln 3) = ¾·ln 3 with slope ¾ + ¾·ln 3·¼.
    const ln3 = Math.log(3);
    const inputs: [tf.Tensor2D, tf.Tensor2D] = [tf.tensor2d([[0, ln3]]), tf.tensor2d([[5, 2]])];
    assertNear(gates.silu(...inputs).dataSync(), [0, 1.5 * ln3]);
    const [gate, up] = tf.grads((...[g, u]) => gates.silu(g as tf.Tensor2D, u as tf.Tensor2D))(
      inputs,
      tf.tensor2d([[1, 10]]),
    ) as [tf.Tensor, tf.Tensor];
    assertNear(gate.dataSync(), [2.5, 20 * (0.75 + 0.1875 * ln3)]);
    assertNear(up.dataSync(), [0, 7.5 * ln3]);
  });
});

/** 0 where two sequences in a row, of 50 tokens and the rest, see themselves and what was before. */
function twoSequences(rows: number, length: number): tf.Tensor4D {
  const values = new Float32Array(rows * length ** 2).map((_, i) => {
    const [row, column] = [Math.floor(i / length) % length, i % length];
    return column <= row && (column < 50) === (row < 50) ? 0 : -1e9;
  });
  return tf.tensor4d(values, [rows, 1, length, length]);
}

eachEngine("attention in one chunk, two and four and its gradients are PyTorch's", () => {
  for (const [lengthText, caps] of Object.entries(goldens.attention)) {
    const length = Number(lengthText);
    for (const [cap, golden] of Object.entries(caps)) {
      tf.tidy(() => {
        const mask = twoSequences(2, length);
        const scoreCap = cap === "None" ? null : Number(cap);
        const fn = (...[q, k, v]: tf.Tensor[]) =>
          softmaxAttention([q as tf.Tensor4D, k as tf.Tensor3D, v as tf.Tensor3D], mask, {
            scoreCap,
            residuals: noResiduals,
          });
        // The script's (B, K, G, T, d) and (B, K, T, d), the first two sides as one.
        const inputs = [[4, 3, length, 4], [4, length, 4], [4, length, 4]].map(waves);
        assertGolden(fn, { inputs, golden, what: `${length} tokens, cap ${cap}` });
      });
    }
  }
});

Deno.test("scoresComputed() counts whole squares of short rows, and 5/8 of long ones", () => {
  assert.deepEqual([1, 64, 127].map(scoresComputed), [1, 64 ** 2, 127 ** 2]);
  assert.equal(scoresComputed(128), 64 * 64 + 64 * 128);
  assert.equal(scoresComputed(1024), 5 / 8 * 1024 ** 2);
  assert.equal(scoresComputed(130), 65 * 65 + 65 * 130);
});
