// Named tensors ↔ verified safetensors bytes. Nothing non-finite gets past this file.
import { memorySource } from "../../core/bytes.ts";
import { CorruptFileError, DivergedError } from "../../core/errors.ts";
import {
  encodeSafetensors,
  openSafetensors,
  type TensorData,
} from "../../core/models/safetensors.ts";

export type Tensors = Record<string, TensorData>;

// Bits of the exponent per floating dtype, read as little-endian words: all set means NaN or ∞.
const exponents: Record<string, { bytes: 2 | 4; offset: number; stride: number; mask: number }> = {
  F16: { bytes: 2, offset: 0, stride: 2, mask: 0x7c00 },
  BF16: { bytes: 2, offset: 0, stride: 2, mask: 0x7f80 },
  F32: { bytes: 4, offset: 0, stride: 4, mask: 0x7f800000 },
  F64: { bytes: 4, offset: 4, stride: 8, mask: 0x7ff00000 },
};

/**
 * Encodes tensors as a safetensors file.
 *
 * @param options.name what the tensors are called in errors
 * @param options.format what the file's metadata call it: "pt" is what Hugging Face's libraries read
 * @throws {DivergedError} a value is not finite, naming the tensor
 */
export function encodeTensors(
  tensors: Tensors,
  { name, format = "panacea" }: { name: string; format?: string },
): Uint8Array {
  for (const [key, tensor] of Object.entries(tensors)) {
    const bad = firstNonFinite(tensor);
    if (bad < 0) continue;
    throw new DivergedError(
      `Cannot save ${name}: expected finite values, got NaN or infinity in ${key} at element ${bad}`,
    );
  }
  return encodeSafetensors(tensors, { format });
}

/**
 * Decodes a whole safetensors file that was verified before.
 *
 * @throws {CorruptFileError} naming `path`
 */
export async function decodeTensors(bytes: Uint8Array, path: string): Promise<Tensors> {
  const file = await openSafetensors(memorySource(path, bytes));
  const tensors: Tensors = {};
  for (const key of file.tensors.keys()) {
    const tensor = await file.read(key);
    if (firstNonFinite(tensor) >= 0) {
      throw new CorruptFileError(
        `Cannot read ${path}: expected finite values, got NaN or infinity in ${key}`,
      );
    }
    tensors[key] = tensor;
  }
  return tensors;
}

/** Index of the first element that is NaN or infinite, or -1; integers always pass. */
export function firstNonFinite({ dtype, data }: TensorData): number {
  const exponent = exponents[dtype];
  if (!exponent) return -1;
  const { bytes, offset, stride, mask } = exponent;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let at = offset; at < data.byteLength; at += stride) {
    const word = bytes === 4 ? view.getUint32(at, true) : view.getUint16(at, true);
    if ((word & mask) === mask) return (at - offset) / stride;
  }
  return -1;
}
