import assert from "node:assert/strict";
import fc from "fast-check";
import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
} from "../../../core/models/floats.ts";

Deno.test("float32ToBfloat16() rounds to nearest, ties to even", () => {
  // bfloat16 keeps 7 bits of fraction: neighbours of 1 are 1 + 1/128. Halfway, 1 + 1/256, goes to
  // the even fraction 0; 1 + 3/256, halfway from fraction 1 to 2, goes to 2: 1 + 2/128.
  // 3e38 / 2^120 (its neighbours' distance) = 225.7.
  const values = [0, -0, 1, 1 + 1 / 256, 1 + 3 / 256, 1 + 1 / 256 + 2 ** -20, -2.5, 3e38];
  const expected = [0, -0, 1, 1, 1 + 2 / 128, 1 + 1 / 128, -2.5, 226 * 2 ** 120];
  const rounded = bfloat16ToFloat32(float32ToBfloat16(Float32Array.from(values)));
  assert.deepEqual(rounded, Float32Array.from(expected));
});

Deno.test("float32ToBfloat16() keeps bfloat16 values and moves others by at most 2⁻⁸ of them", () => {
  fc.assert(fc.property(fc.float({ noNaN: true, min: -(2 ** 100), max: 2 ** 100 }), (value) => {
    const once = bfloat16ToFloat32(float32ToBfloat16(Float32Array.of(value)));
    assert.deepEqual(bfloat16ToFloat32(float32ToBfloat16(once)), once);
    const error = Math.abs((once[0] ?? NaN) - value);
    assert.ok(error <= Math.abs(value) * 2 ** -8 + 2 ** -134, `${value} became ${once[0]}`);
  }));
});

Deno.test("float32ToFloat16() rounds to nearest, ties to even, and overflows to infinity", () => {
  // binary16 keeps 10 bits of fraction: neighbours of 1 are 1 + 1/1024; halfway from fraction 1 to 2
  // goes to 2. The smallest number is 2⁻²⁴, the largest 65504; 65520 lies halfway to 65536.
  const values = [0, -0, 1 + 1 / 2048, 1 + 3 / 2048, 2 ** -25, 1.5 * 2 ** -24, 65519, 65520, -1e9];
  const expected = [0, -0, 1, 1 + 2 / 1024, 0, 2 ** -23, 65504, Infinity, -Infinity];
  const rounded = float16ToFloat32(float32ToFloat16(Float32Array.from(values)));
  assert.deepEqual(rounded, Float32Array.from(expected));
});
