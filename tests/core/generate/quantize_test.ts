import assert from "node:assert/strict";
import * as ort from "onnxruntime-node";
import { GraphBuilder } from "../../../core/generate/onnx.ts";
import {
  type Bits,
  codeColumns,
  dequantize,
  hasOffsets,
  quantize,
  quantizedDims,
  type QuantizedMatrix,
  type QuantizedShape,
} from "../../../core/generate/quantize.ts";
import { Random } from "../../../core/random.ts";
import { assertNear, largestDifference } from "../../near.ts";

function normals(count: number, seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: count }, () => random.normal());
}

Deno.test("quantize() to 8 bits spans the block from its least to its largest weight", () => {
  // least −1, largest 4.1: scale 5.1/255 = 0.02, zero point 1/0.02 = 50;
  // codes: −1 → 0, 4.1 → 255, 0 → 50, 0.51 → 50 + 25.5 → 76, 0.1 → 55
  const values = new Float32Array(32);
  values.set([-1, 4.1, 0, 0.51, 0.1]);
  const { codes, scales, zeros } = quantize(values, { in: 32, out: 1, bits: 8 });
  assertNear(scales, [0.02]);
  assert.deepEqual([...zeros], [50]);
  assert.deepEqual([...codes.subarray(0, 6)], [0, 255, 50, 76, 55, 50]);
});

Deno.test("quantize() to 4 bits finds the grid that a block lies on, offset and all", () => {
  // w = 0.5·q + 3 for q = 0 … 15, twice: 15 steps of 0.5. Zero point: −3/0.5 = −6, at least 0;
  // so the offset is 3 and the codes are q. Packed: q and q + 1 share a byte, the lower one first.
  const values = Float32Array.from({ length: 32 }, (_, i) => 0.5 * (i % 16) + 3);
  const shape: QuantizedShape = { in: 32, out: 1, bits: 4 };
  const { codes, scales, zeros } = quantize(values, shape);
  assert.deepEqual([...codes.subarray(0, 8)], [0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe]);
  // The second block is the row of offsets, [32·3]: scale 96/15, code 15.
  assertNear(scales, [0.5, 6.4]);
  assert.equal(codes[16], 15);
  assert.deepEqual([...zeros], [0x00]);
  assertNear(dequantize({ codes, scales, zeros }, shape), values);
});

Deno.test("quantize() takes a zero point where weights have both signs", () => {
  // w = 0.25·(q − 6): from −1.5 to 2.25. Zero point 6, no offset.
  const values = Float32Array.from({ length: 32 }, (_, i) => 0.25 * (i % 16 - 6));
  const shape: QuantizedShape = { in: 32, out: 1, bits: 4 };
  const matrix = quantize(values, shape);
  assert.equal((matrix.zeros[0] ?? 0) & 15, 6);
  assertNear(dequantize(matrix, shape), values);
});

Deno.test("quantize() keeps blocks of equal weights and of zeros", () => {
  for (const value of [0, 1.75, -3]) {
    for (const bits of [4, 8] as const) {
      const shape: QuantizedShape = { in: 64, out: 2, bits };
      const values = new Float32Array(128).fill(value);
      assertNear(dequantize(quantize(values, shape), shape), values, { tolerance: 1e-6 });
    }
  }
});

Deno.test("quantize() to 4 bits keeps what GGUF's Q4_0 and Q4_1 hold to a thirtieth of a step", () => {
  const random = new Random(3);
  for (const kind of ["Q4_0", "Q4_1"]) {
    const [rows, width] = [16, 256];
    const steps = new Float32Array(rows * width);
    const values = new Float32Array(rows * width);
    for (let block = 0; block < values.length; block += 32) {
      const scale = 0.02 + 0.02 * random.uniform();
      const least = kind === "Q4_0" ? -8 * scale : -scale * (4 + 8 * random.uniform());
      for (let i = 0; i < 32; i++) {
        // the least and the largest weight of a block always have codes 0 and, in Q4_1, 15
        const code = i === 0 ? 0 : i === 1 && kind === "Q4_1" ? 15 : random.integer(16);
        values[block + i] = least + scale * code;
        steps[block + i] = scale;
      }
    }
    const shape: QuantizedShape = { in: width, out: rows, bits: 4 };
    const found = dequantize(quantize(values, shape), shape);
    const worst = Math.max(
      ...found.map((w, i) => Math.abs(w - (values[i] ?? 0)) / (steps[i] ?? 1)),
    );
    assert(worst <= 1 / 30, `${kind}: off by ${worst} of a step`);
  }
});

for (const bits of [4, 8] as const) {
  Deno.test(`quantize() to ${bits} bits is off by at most one and a half steps, rows of any length`, () => {
    for (const width of [32, 96, 48, 17, 1]) {
      const shape: QuantizedShape = { in: width, out: 5, bits };
      const values = normals(5 * width, width);
      const found = dequantize(quantize(values, shape), shape);
      for (let row = 0; row < 5; row++) {
        for (let start = 0; start < width; start += 32) {
          const end = Math.min(width, start + 32);
          const part = values.subarray(row * width + start, row * width + end);
          const own = found.subarray(row * width + start, row * width + end);
          const span = Math.max(0, ...part) - Math.min(0, ...part);
          const step = span / (2 ** bits - 1);
          const off = largestDifference(own, part);
          // half a step, and a step's rounding of the zero point or clipping of an end
          assert(off <= 1.5 * step + 1e-6, `width ${width}: off by ${off}, a step is ${step}`);
        }
      }
    }
  });
}

Deno.test("quantize() to 4 bits has a twelfth of the spanning grid's squared error less", () => {
  const shape: QuantizedShape = { in: 512, out: 64, bits: 4 };
  const values = normals(512 * 64, 9);
  const found = dequantize(quantize(values, shape), shape);
  const squared = (a: Float32Array) =>
    a.reduce((sum, value, i) => sum + (value - (values[i] ?? 0)) ** 2, 0);
  // the plain way: 16 codes from the least to the largest weight of each block, whole zero point
  const plain = values.map((value, i) => {
    const block = values.subarray(i - i % 32, i - i % 32 + 32);
    const least = Math.min(0, ...block);
    const scale = (Math.max(0, ...block) - least) / 15;
    const zero = Math.round(-least / scale);
    return scale * (Math.max(0, Math.min(15, Math.round(value / scale) + zero)) - zero);
  });
  assert(squared(found) < 11 / 12 * squared(plain), `${squared(found)}, ${squared(plain)}`);
});

Deno.test("codeColumns() adds a column for each block of 4 bits in rows of whole blocks", () => {
  assert.equal(codeColumns({ in: 576, bits: 4 }), 594); // 576/32 = 18
  assert.equal(codeColumns({ in: 576, bits: 8 }), 576);
  assert.equal(codeColumns({ in: 24, bits: 4 }), 24);
  assert.deepEqual(quantizedDims({ in: 576, out: 3, bits: 4 }), {
    codes: [3, 19, 16], // ⌈594/32⌉ blocks of 16 bytes
    scales: [3, 19],
    zeros: [3, 10],
  });
});

/** x·Wᵀ by ONNX Runtime on a quantised matrix, inputs exact or rounded. */
async function product(
  x: Float32Array,
  { codes, scales, zeros }: QuantizedMatrix,
  { shape, exact }: { shape: QuantizedShape; exact: boolean },
): Promise<Float32Array> {
  const dims = quantizedDims(shape);
  const graph = new GraphBuilder();
  graph.input("x", "float32", ["N", 1, shape.in]);
  const parts = {
    codes: new ort.Tensor("uint8", codes, dims.codes),
    scales: new ort.Tensor("float32", scales, dims.scales),
    zeros: new ort.Tensor("uint8", zeros, dims.zeros),
  };
  graph.input("codes", "uint8", dims.codes);
  graph.input("scales", "float32", dims.scales);
  graph.input("zeros", "uint8", dims.zeros);
  const blocks = { kernel_shape: [32], strides: [32] };
  const columns = hasOffsets(shape)
    ? graph.node("Concat", ["x", graph.node("AveragePool", ["x"], { attributes: blocks })], {
      attributes: { axis: 2 },
    })
    : "x";
  graph.node("MatMulNBits", [columns, "codes", "scales", "zeros"], {
    outputs: [graph.output("y", "float32", ["N", 1, shape.out])],
    domain: "com.microsoft",
    attributes: {
      K: codeColumns(shape),
      N: shape.out,
      bits: shape.bits,
      block_size: 32,
      accuracy_level: exact ? 1 : 4,
    },
  });
  const session = await ort.InferenceSession.create(graph.encode("product"), {
    logSeverityLevel: 4,
  });
  const results = await session.run({
    ...parts,
    x: new ort.Tensor("float32", x, [x.length / shape.in, 1, shape.in]),
  });
  await session.release();
  return results.y?.data as Float32Array;
}

for (const bits of [4, 8] satisfies Bits[]) {
  Deno.test(`ONNX Runtime multiplies with what dequantize() says of ${bits}-bit codes`, async () => {
    for (const width of [128, 80]) {
      const shape: QuantizedShape = { in: width, out: 24, bits };
      const matrix = quantize(normals(width * 24, 4), shape);
      const weights = dequantize(matrix, shape);
      const x = normals(3 * width, 5);
      const expected = Float32Array.from({ length: 3 * 24 }, (_, i) => {
        const [row, out] = [Math.floor(i / 24), i % 24];
        let sum = 0;
        for (let k = 0; k < width; k++) {
          sum += (x[row * width + k] ?? 0) * (weights[out * width + k] ?? 0);
        }
        return sum;
      });
      assertNear(await product(x, matrix, { shape, exact: true }), expected, { tolerance: 1e-4 });
    }
  });
}
