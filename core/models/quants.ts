// Values of GGUF tensor blocks as float32: one function a block type, in a table by ggml's type
// code. core/models/gguf.ts reads the bytes. Layouts: ggml-common.h and gguf-py/gguf/quants.py;
// results equal gguf-py's bit for bit (products of a half and a small integer are exact in a
// double, so the one rounding is the store into the Float32Array).
import { bfloat16ToFloat32, float16Table, float16ToFloat32, floatView } from "./floats.ts";

/** How one ggml tensor type stores its elements. */
export interface BlockType {
  name: string;
  /** Elements per block. */
  elements: number;
  /** Bytes per block. */
  bytes: number;
  /** All elements of whole blocks, in order. */
  dequantize(blocks: Uint8Array): Float32Array<ArrayBuffer>;
}

/** The supported tensor types by ggml type code. */
export const blockTypes: ReadonlyMap<number, BlockType> = new Map([
  [0, { name: "F32", elements: 1, bytes: 4, dequantize: floatView }],
  [1, { name: "F16", elements: 1, bytes: 2, dequantize: float16ToFloat32 }],
  [2, blockType("Q4_0", { elements: 32, bytes: 18, block: q4_0 })],
  [3, blockType("Q4_1", { elements: 32, bytes: 20, block: q4_1 })],
  [6, blockType("Q5_0", { elements: 32, bytes: 22, block: q5_0 })],
  [7, blockType("Q5_1", { elements: 32, bytes: 24, block: q5_1 })],
  [8, blockType("Q8_0", { elements: 32, bytes: 34, block: q8_0 })],
  [10, blockType("Q2_K", { elements: 256, bytes: 84, block: q2_k })],
  [11, blockType("Q3_K", { elements: 256, bytes: 110, block: q3_k })],
  [12, blockType("Q4_K", { elements: 256, bytes: 144, block: q4_k })],
  [13, blockType("Q5_K", { elements: 256, bytes: 176, block: q5_k })],
  [14, blockType("Q6_K", { elements: 256, bytes: 210, block: q6_k })],
  [20, blockType("IQ4_NL", { elements: 32, bytes: 18, block: iq4_nl })],
  [30, { name: "BF16", elements: 1, bytes: 2, dequantize: bfloat16ToFloat32 }],
]);

/** Writes the elements of the block at byte `at` of `x` to `out`, from element `to` on. */
type BlockReader = (x: Uint8Array, at: number, out: Float32Array, to: number) => void;

function blockType(
  name: string,
  { elements, bytes, block }: { elements: number; bytes: number; block: BlockReader },
): BlockType {
  function dequantize(blocks: Uint8Array): Float32Array<ArrayBuffer> {
    const count = Math.floor(blocks.length / bytes);
    const out = new Float32Array(count * elements);
    for (let i = 0; i < count; i++) block(blocks, i * bytes, out, i * elements);
    return out;
  }
  return { name, elements, bytes, dequantize };
}

function half(x: Uint8Array, at: number): number {
  return float16Table()[byte(x, at) | (byte(x, at + 1) << 8)] as number;
}

// indices below stay within one block, whose bytes the caller has checked to exist
function byte(x: Uint8Array, at: number): number {
  return x[at] as number;
}

function signed(x: Uint8Array, at: number): number {
  return (byte(x, at) << 24) >> 24;
}

function q4_0(x: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = half(x, at);
  for (let i = 0; i < 16; i++) {
    const pair = byte(x, at + 2 + i);
    out[to + i] = scale * ((pair & 15) - 8);
    out[to + 16 + i] = scale * ((pair >> 4) - 8);
  }
}

function q4_1(x: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = half(x, at);
  const minimum = half(x, at + 2);
  for (let i = 0; i < 16; i++) {
    const pair = byte(x, at + 4 + i);
    out[to + i] = scale * (pair & 15) + minimum;
    out[to + 16 + i] = scale * (pair >> 4) + minimum;
  }
}

function q5_0(x: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = half(x, at);
  const high = word(x, at + 2);
  for (let i = 0; i < 16; i++) {
    const pair = byte(x, at + 6 + i);
    out[to + i] = scale * (((pair & 15) | (((high >>> i) & 1) << 4)) - 16);
    out[to + 16 + i] = scale * (((pair >> 4) | (((high >>> (16 + i)) & 1) << 4)) - 16);
  }
}

function q5_1(x: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = half(x, at);
  const minimum = half(x, at + 2);
  const high = word(x, at + 4);
  for (let i = 0; i < 16; i++) {
    const pair = byte(x, at + 8 + i);
    out[to + i] = scale * ((pair & 15) | (((high >>> i) & 1) << 4)) + minimum;
    out[to + 16 + i] = scale * ((pair >> 4) | (((high >>> (16 + i)) & 1) << 4)) + minimum;
  }
}

function q8_0(x: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = half(x, at);
  for (let i = 0; i < 32; i++) out[to + i] = scale * signed(x, at + 2 + i);
}

function q2_k(x: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = half(x, at + 80);
  const minimum = half(x, at + 82);
  for (let group = 0; group < 16; group++) {
    const packed = byte(x, at + group);
    const { from, shift } = twoBits(at + 16, group);
    const step = scale * (packed & 15);
    const offset = minimum * (packed >> 4);
    for (let i = 0; i < 16; i++) {
      out[to + group * 16 + i] = step * ((byte(x, from + i) >> shift) & 3) - offset;
    }
  }
}

function q3_k(x: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = half(x, at + 108);
  for (let group = 0; group < 16; group++) {
    const low = byte(x, at + 96 + (group & 7)) >> (group >> 3 << 2);
    const high = byte(x, at + 104 + (group & 3)) >> (group >> 2 << 1);
    const step = scale * (((low & 15) | ((high & 3) << 4)) - 32);
    const { from, shift } = twoBits(at + 32, group);
    const mask = at + (group & 1) * 16;
    const bit = group >> 1;
    for (let i = 0; i < 16; i++) {
      const third = (byte(x, mask + i) >> bit) & 1; // 1: nothing is taken off
      out[to + group * 16 + i] = step * (((byte(x, from + i) >> shift) & 3) - 4 + (third << 2));
    }
  }
}

/** Where the 16 two-bit values of a Q2_K or Q3_K block's group lie: 64 bytes hold 4 layers of 64. */
function twoBits(start: number, group: number): { from: number; shift: number } {
  return {
    from: start + (group >> 3) * 32 + (group & 1) * 16,
    shift: (group >> 1 & 3) << 1,
  };
}

function q4_k(x: Uint8Array, at: number, out: Float32Array, to: number): void {
  for (let group = 0; group < 8; group++) {
    const { scale, minimum } = groupScale(x, at, group);
    const shift = group & 1 ? 4 : 0;
    const from = at + 16 + (group >> 1) * 32;
    for (let i = 0; i < 32; i++) {
      const q = (byte(x, from + i) >> shift) & 15;
      out[to + group * 32 + i] = Math.fround(scale * q) - minimum;
    }
  }
}

function q5_k(x: Uint8Array, at: number, out: Float32Array, to: number): void {
  for (let group = 0; group < 8; group++) {
    const { scale, minimum } = groupScale(x, at, group);
    const shift = group & 1 ? 4 : 0;
    const from = at + 48 + (group >> 1) * 32;
    for (let i = 0; i < 32; i++) {
      const high = (byte(x, at + 16 + i) >> group) & 1;
      const q = ((byte(x, from + i) >> shift) & 15) | (high << 4);
      out[to + group * 32 + i] = Math.fround(scale * q) - minimum;
    }
  }
}

function q6_k(x: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = half(x, at + 208);
  for (let i = 0; i < 256; i++) {
    const part = i >> 7; // two halves of 128 elements, each in four runs of 32
    const run = (i >> 5) & 3;
    const column = i & 31;
    const low = byte(x, at + part * 64 + (run & 1) * 32 + column) >> (run >> 1 << 2);
    const high = byte(x, at + 128 + part * 32 + column) >> (run << 1);
    const q = ((low & 15) | ((high & 3) << 4)) - 32;
    out[to + i] = scale * signed(x, at + 192 + (i >> 4)) * q;
  }
}

/** What the 16 values of four bits stand for in IQ4_NL: kvalues_iq4nl of ggml-common.h. */
const unevenSteps = Int8Array.of(
  ...[-127, -104, -83, -65, -49, -35, -22, -10],
  ...[1, 13, 25, 38, 53, 69, 89, 113],
);

function iq4_nl(x: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = half(x, at);
  for (let i = 0; i < 16; i++) {
    const pair = byte(x, at + 2 + i);
    out[to + i] = scale * (unevenSteps[pair & 15] as number);
    out[to + 16 + i] = scale * (unevenSteps[pair >> 4] as number);
  }
}

/** Scale and minimum of one of the eight groups of a Q4_K or Q5_K block: 6 bits each, packed. */
function groupScale(
  x: Uint8Array,
  at: number,
  group: number,
): { scale: number; minimum: number } {
  const packed = at + 4;
  const lane = group & 3;
  let scale = byte(x, packed + lane) & 63;
  let minimum = byte(x, packed + 4 + lane) & 63;
  if (group > 3) {
    const low = byte(x, packed + 8 + lane);
    scale = (low & 15) | ((byte(x, packed + lane) >> 2) & 48);
    minimum = (low >> 4) | ((byte(x, packed + 4 + lane) >> 2) & 48);
  }
  return { scale: half(x, at) * scale, minimum: half(x, at + 2) * minimum };
}

function word(x: Uint8Array, at: number): number {
  return byte(x, at) | (byte(x, at + 1) << 8) | (byte(x, at + 2) << 16) | (byte(x, at + 3) << 24);
}
