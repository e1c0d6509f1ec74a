import assert from "node:assert/strict";
import { logitError } from "../../../core/generate/logit_error.ts";
import { assertNear } from "../../near.ts";

Deno.test("logitError() of two rows, worked by hand", () => {
  const exact = [Float32Array.of(0, Math.log(3)), Float32Array.of(0, 0)];
  const rounded = [Float32Array.of(0, 0), Float32Array.of(2, 0)];
  const { tokens, mean, largest, agreement, divergence } = logitError(exact, rounded);
  assert.equal(tokens, 2);
  // row 1: |0|, |log 3| → mean 0.5493; row 2: 2, 0 → mean 1; both: 0.7747
  assertNear([mean, largest], [(Math.log(3) / 2 + 1) / 2, 2]);
  // row 1: 1 against 0 (a tie goes to the first); row 2: 0 and 0
  assert.equal(agreement, 0.5);
  // row 1: p = (1/4, 3/4), q = (1/2, 1/2): ¼·log ½ + ¾·log 1.5 = 0.1308
  // row 2: p = (1/2, 1/2), q = (0.8808, 0.1192): ½·log(0.5/0.8808) + ½·log(0.5/0.1192) = 0.4338
  assertNear([divergence], [(0.130812 + 0.433781) / 2], { tolerance: 1e-5 });
});

Deno.test("logitError() of equal logits is zero, however large they are", () => {
  const rows = [Float32Array.of(1e4, -1e4, 3), Float32Array.of(-700, 0, 700)];
  const { mean, largest, agreement, divergence } = logitError(rows, rows);
  assert.deepEqual({ mean, largest, agreement }, { mean: 0, largest: 0, agreement: 1 });
  assert(Math.abs(divergence) < 1e-9);
});

Deno.test("logitError() ignores a shift of all logits in what it says of probabilities", () => {
  const exact = [Float32Array.of(0.5, 1, -2)];
  const shifted = [Float32Array.of(3.5, 4, 1)];
  const { largest, agreement, divergence } = logitError(exact, shifted);
  assertNear([largest, agreement, divergence], [3, 1, 0]);
});

Deno.test("logitError() shows a logit that is not a number", () => {
  const { largest } = logitError([Float32Array.of(1, 2)], [Float32Array.of(NaN, 2)]);
  assert(Number.isNaN(largest));
});
