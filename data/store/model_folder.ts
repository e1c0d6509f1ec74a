// A model folder as Hugging Face's libraries and data/models.ts read it, written so that it appears
// whole: text files as they are, and model.safetensors one weight at a time, so that a model takes no
// more memory than its largest weight. Where full and merged fine-tuning end.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { DivergedError } from "../../core/errors.ts";
import { float32ToBfloat16, floatView } from "../../core/models/floats.ts";
import {
  float32Tensor,
  safetensorsHeader,
  type TensorData,
} from "../../core/models/safetensors.ts";
import { commitFolder, createTemporaryFolder, reportingStorage, writeAll } from "./atomic.ts";
import { type Digest, encodeDigests, MANIFEST, sha256 } from "./manifest.ts";
import { firstNonFinite } from "./tensors.ts";

const WEIGHTS = "model.safetensors";

/** How weights are stored, and how many bytes each takes. */
export const storedTypes = { F32: 4, BF16: 2 } as const;
export type StoredType = keyof typeof storedTypes;

/** What a model folder holds. */
export interface ModelFolder {
  /** config.json, tokenizer.json, README.md …, by name. */
  files: Record<string, Uint8Array | string>;
  /** Shape of every weight, by Hugging Face's names. */
  shapes: Map<string, number[]>;
  /** Values of a weight, row-major; called once for each. */
  read(name: string): Promise<Float32Array>;
  dtype: StoredType;
}

/**
 * Writes the folder, with a manifest, replacing one that is there. The folder around it must exist.
 *
 * @throws {DivergedError} a weight is not finite; nothing is written
 * @throws {StorageError} disk full, no permission; an existing folder stays as it was
 */
export async function writeModelFolder(path: string, model: ModelFolder): Promise<void> {
  const tensors = Object.fromEntries(
    [...model.shapes].map(([name, shape]) => [name, { dtype: model.dtype, shape }]),
  );
  const { header, order } = safetensorsHeader(tensors, { format: "pt" });
  const texts = Object.entries(model.files).map(([name, content]) => ({
    name,
    bytes: typeof content === "string" ? new TextEncoder().encode(content) : content,
  }));
  const values = [...model.shapes.values()].map((shape) =>
    shape.reduce((product, size) => product * size, storedTypes[model.dtype])
  );
  const total = [header.length, ...values, ...texts.map(({ bytes }) => bytes.length)]
    .reduce((sum, size) => sum + size, 0);
  await reportingStorage(path, total, async () => {
    const temporary = await createTemporaryFolder(path);
    try {
      const digests: Record<string, Digest> = {};
      for (const { name, bytes } of texts) {
        await write(join(temporary, name), [bytes]);
        digests[name] = { size: bytes.length, sha256: sha256(bytes) };
      }
      const pieces = weightBytes(model, { header, order });
      digests[WEIGHTS] = await write(join(temporary, WEIGHTS), pieces);
      await write(join(temporary, MANIFEST), [encodeDigests(digests)]);
      await commitFolder(temporary, path);
    } catch (error) {
      await Deno.remove(temporary, { recursive: true }).catch(() => {});
      throw error;
    }
  });
}

async function* weightBytes(
  { read, shapes, dtype }: ModelFolder,
  { header, order }: { header: Uint8Array; order: string[] },
): AsyncGenerator<Uint8Array> {
  yield header;
  for (const name of order) {
    const exact = float32Tensor(shapes.get(name) ?? [], await read(name));
    const stored = { ...exact, dtype, data: bytesOf[dtype](floatView(exact.data)) };
    // Rounding can overflow, and can hide that a value was none.
    const bad = Math.max(firstNonFinite(exact), firstNonFinite(stored));
    if (bad >= 0) {
      throw new DivergedError(
        `Cannot save the model: expected finite values, got NaN or infinity in ${name} at ` +
          `element ${bad}`,
      );
    }
    yield stored.data;
  }
}

const bytesOf: Record<StoredType, (values: Float32Array) => TensorData["data"]> = {
  F32: (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  BF16: float32ToBfloat16,
};

/** Writes pieces one after the other, durably; size and sha256 of the whole. */
async function write(
  path: string,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<Digest> {
  const hash = createHash("sha256");
  let size = 0;
  using file = await Deno.open(path, { write: true, createNew: true });
  for await (const piece of pieces) {
    await writeAll(file, piece);
    hash.update(piece);
    size += piece.length;
  }
  await file.sync();
  return { size, sha256: hash.digest("hex") };
}
