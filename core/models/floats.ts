// Half-precision floats to float32, exactly: IEEE binary16 (F16) and bfloat16 (BF16), the storage
// types of safetensors and GGUF weights; and float32 rounded to BF16, for weights of our own. Bytes
// are little-endian.

/** F16 bytes as float32 values. */
export function float16ToFloat32(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const table = float16Table();
  const halves = uint16View(bytes);
  const out = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) out[i] = table[halves[i] as number] as number;
  return out;
}

/** BF16 bytes as float32 values. */
export function bfloat16ToFloat32(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const halves = uint16View(bytes);
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] as number) << 16;
  return new Float32Array(bits.buffer);
}

/** BF16 bytes of finite values, rounded to nearest, ties to even, as PyTorch and TensorFlow do. */
export function float32ToBfloat16(values: Float32Array): Uint8Array<ArrayBuffer> {
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  const halves = new Uint16Array(bits.length);
  bits.forEach((word, i) => halves[i] = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16);
  return new Uint8Array(halves.buffer);
}

/** F16 bytes of values, rounded to nearest, ties to even; beyond ±65519 they become infinite. */
export function float32ToFloat16(values: Float32Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Float16Array(values).buffer);
}

/** F32 bytes as float32 values; shares memory where the alignment allows it. */
export function floatView(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const aligned = alignedTo(bytes, 4);
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.length >> 2);
}

/** Value of each of the 65,536 F16 bit patterns, in order; do not alter. */
export function float16Table(): Float32Array {
  return table ??= makeFloat16Table();
}

let table: Float32Array | undefined;

function makeFloat16Table(): Float32Array {
  const values = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 0) values[bits] = sign * fraction * 2 ** -24;
    else if (exponent === 31) values[bits] = fraction === 0 ? sign * Infinity : NaN;
    else values[bits] = sign * (1024 + fraction) * 2 ** (exponent - 25);
  }
  return values;
}

function uint16View(bytes: Uint8Array): Uint16Array {
  const aligned = alignedTo(bytes, 2);
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.length >> 1);
}

function alignedTo(bytes: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const usable = bytes.byteOffset % size === 0 && bytes.buffer instanceof ArrayBuffer;
  return (usable ? bytes : bytes.slice()) as Uint8Array<ArrayBuffer>;
}
