// Weights as 8- or 4-bit codes in blocks of 32 along a row, each block with a scale and a zero point:
// w ≈ scale·(code − zero), the layout of ONNX Runtime's MatMulNBits and GatherBlockQuantized. Blocks of
// 4 bits have an offset besides, w ≈ scale·(code − zero) + offset: a product takes them, times 32, as
// further columns that meet the means of the input's blocks, Σ_b 32·offset_b·mean_{i ∈ b} x_i. So
// weights that come from a GGUF file of 4 bits, whose blocks start at any number, stay what they are.
// core/generate/weight_file.ts writes what is made here.
// https://github.com/microsoft/onnxruntime/blob/v1.22.0/docs/ContribOperators.md#commicrosoftmatmulnbits

/** Weights of a block. */
export const BLOCK = 32;

export type Bits = 4 | 8;

/** Size of a matrix x·Wᵀ, and how its weights are stored. */
export interface QuantizedShape {
  in: number;
  out: number;
  bits: Bits;
}

/** A quantised matrix of `columns` columns (see `codeColumns`); rows are padded to whole blocks. */
export interface QuantizedMatrix {
  /** (out, ⌈columns/32⌉, 4·bits); of two 4-bit codes in a byte, the lower half comes first. */
  codes: Uint8Array<ArrayBuffer>;
  /** (out, ⌈columns/32⌉) */
  scales: Float32Array<ArrayBuffer>;
  /** (out, ⌈⌈columns/32⌉·bits/8⌉), packed like codes. */
  zeros: Uint8Array<ArrayBuffer>;
}

/** Whether blocks have offsets: those of 4 bits, where a row is made of whole blocks. */
export function hasOffsets({ in: width, bits }: Pick<QuantizedShape, "in" | "bits">): boolean {
  return bits === 4 && width % BLOCK === 0;
}

/** Columns of the codes: the matrix's, and one for the offset of each block of a row. */
export function codeColumns(shape: Pick<QuantizedShape, "in" | "bits">): number {
  return shape.in + (hasOffsets(shape) ? shape.in / BLOCK : 0);
}

/** Dimensions of the parts of a quantised matrix. */
export function quantizedDims(shape: QuantizedShape): {
  codes: [number, number, number];
  scales: [number, number];
  zeros: [number, number];
} {
  const { out, bits } = shape;
  const blocks = Math.ceil(codeColumns(shape) / BLOCK);
  return {
    codes: [out, blocks, BLOCK * bits / 8],
    scales: [out, blocks],
    zeros: [out, Math.ceil(blocks * bits / 8)],
  };
}

/** Quantises a matrix (out, in), row-major. */
export function quantize(values: Float32Array, shape: QuantizedShape): QuantizedMatrix {
  const { in: width, out, bits } = shape;
  const writer = new MatrixWriter(shape);
  const offsets = new Float32Array(hasOffsets(shape) ? width / BLOCK : 0);
  for (let row = 0; row < out; row++) {
    for (let column = 0; column < width; column += BLOCK) {
      const from = row * width + column;
      const block = values.subarray(from, from + Math.min(BLOCK, width - column));
      const grid = offsets.length > 0 ? offsetGrid(block) : spanningGrid(block, bits);
      offsets[column / BLOCK] = BLOCK * grid.offset;
      writer.put(row, column, { block, grid });
    }
    for (let at = 0; at < offsets.length; at += BLOCK) {
      const block = offsets.subarray(at, at + BLOCK);
      writer.put(row, width + at, { block, grid: spanningGrid(block, bits) });
    }
  }
  return writer.matrix;
}

/** The weights that a quantised matrix stands for (out, in). */
export function dequantize(matrix: QuantizedMatrix, shape: QuantizedShape): Float32Array {
  const { in: width, out, bits } = shape;
  const { scales: [, blocks], zeros: [, zeroBytes] } = quantizedDims(shape);
  function at(row: number, column: number): number {
    const block = Math.floor(column / BLOCK);
    const code = codeAt(matrix.codes, row * blocks * BLOCK + column, bits);
    const zero = codeAt(matrix.zeros, row * zeroBytes * 8 / bits + block, bits);
    return (matrix.scales[row * blocks + block] ?? 0) * (code - zero);
  }
  return Float32Array.from({ length: out * width }, (_, i) => {
    const [row, column] = [Math.floor(i / width), i % width];
    const offset = hasOffsets(shape) ? at(row, width + Math.floor(column / BLOCK)) : 0;
    return at(row, column) + offset / BLOCK;
  });
}

/** What the codes of a block mean: w = scale·(code − zero) + offset. */
interface Grid {
  scale: number; // float32
  zero: number; // a code
  offset: number;
}

const flat: Grid = { scale: 1, zero: 0, offset: 0 }; // of a block of zeros

/** The grid without offset that reaches from the least to the largest weight, zero included. */
function spanningGrid(block: Float32Array, bits: Bits): Grid {
  let least = 0;
  let largest = 0;
  for (let i = 0; i < block.length; i++) {
    const value = block[i] as number;
    if (value < least) least = value;
    if (value > largest) largest = value;
  }
  const scale = Math.fround((largest - least) / (2 ** bits - 1));
  return scale > 0 ? { scale, zero: Math.round(-least / scale), offset: 0 } : flat;
}

/**
 * Grids that are tried: how many steps lie between the least and the largest weight. Fewer than 15
 * find the grid of a file whose block does not use all codes; more clip the ends for finer steps.
 */
const spans = [15, 14, 13, 12, 11, 10, 9, 8, 15.7, 16.4, 17.1];
const EXACT = 1e-9; // of the squared deviations: nothing better will be found

/** A grid of 16 codes with offset, of nearly the least squared error. */
function offsetGrid(block: Float32Array): Grid {
  let least = Infinity;
  let largest = -Infinity;
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < block.length; i++) {
    const value = block[i] as number;
    if (value < least) least = value;
    if (value > largest) largest = value;
    sum += value;
    squares += value * value;
  }
  const count = block.length;
  const mean = sum / count;
  const deviation = squares - sum * mean;
  let best = { fit: -1, scale: 1, start: mean };
  for (const span of largest > least ? spans : []) {
    const inverse = span / (largest - least);
    const clipped = (span - 15) / 2; // steps lost at each end, negative where none are
    const first = least + Math.max(0, clipped) / inverse;
    let codes = 0;
    let codeSquares = 0;
    let products = 0;
    for (let i = 0; i < count; i++) {
      const value = block[i] as number;
      const steps = (value - first) * inverse + 0.5 | 0; // rounded; what lies below 0 is clipped
      const code = steps < 0 ? 0 : steps > 15 ? 15 : steps;
      codes += code;
      codeSquares += code * code;
      products += code * value;
    }
    // The line w = scale·code + start that fits best leaves deviation − covariance²/variance.
    const covariance = products - codes * mean;
    const variance = codeSquares - codes * codes / count;
    const fit = variance > 0 ? covariance * covariance / variance : 0;
    if (fit > best.fit && covariance > 0) {
      const scale = covariance / variance;
      best = { fit, scale, start: mean - scale * codes / count };
    }
    if (deviation - fit <= EXACT * deviation) break;
  }
  const scale = Math.fround(best.scale);
  const zero = Math.max(0, Math.min(15, Math.round(-best.start / scale)));
  return { scale, zero, offset: best.start + scale * zero };
}

/** Puts the codes of blocks where they belong. */
class MatrixWriter {
  readonly matrix: QuantizedMatrix;
  private readonly bits: Bits;
  private readonly blocks: number;
  private readonly zeroBytes: number;

  constructor(shape: QuantizedShape) {
    const { codes, scales, zeros } = quantizedDims(shape);
    this.bits = shape.bits;
    this.blocks = scales[1];
    this.zeroBytes = zeros[1];
    this.matrix = {
      codes: new Uint8Array(codes[0] * codes[1] * codes[2]),
      scales: new Float32Array(scales[0] * scales[1]),
      zeros: new Uint8Array(zeros[0] * zeros[1]),
    };
  }

  put(row: number, column: number, { block, grid }: { block: Float32Array; grid: Grid }): void {
    const { bits, blocks, matrix } = this;
    const { scale, zero, offset } = grid;
    const most = 2 ** bits - 1;
    const at = row * blocks + column / BLOCK;
    matrix.scales[at] = scale;
    putCode(matrix.zeros, row * this.zeroBytes * 8 / bits + column / BLOCK, { bits, code: zero });
    for (let i = 0; i < block.length; i++) {
      const steps = ((block[i] as number) - offset) / scale + zero + 0.5 | 0;
      const code = steps < 0 ? 0 : steps > most ? most : steps;
      putCode(matrix.codes, at * BLOCK + i, { bits, code });
    }
  }
}

function putCode(
  bytes: Uint8Array,
  at: number,
  { bits, code }: { bits: Bits; code: number },
): void {
  if (bits === 8) bytes[at] = code;
  else bytes[at >> 1] = (bytes[at >> 1] as number) | code << (at & 1) * 4;
}

function codeAt(bytes: Uint8Array, at: number, bits: Bits): number {
  return bits === 8 ? bytes[at] ?? 0 : (bytes[at >> 1] ?? 0) >> (at & 1) * 4 & 15;
}
