// A model folder as Hugging Face's libraries and data/models.ts read it, written so that it appears
// whole: text files as they are, and safetensors one weight at a time, so that a model takes no more
// memory than its largest weight. Where full and merged fine-tuning end.
import { DivergedError } from "../../core/errors.ts";
import { float32ToBfloat16, float32ToFloat16, floatView } from "../../core/models/floats.ts";
import {
  float32Tensor,
  safetensorsHeader,
  type TensorData,
} from "../../core/models/safetensors.ts";
import { encodeJson } from "./json.ts";
import { writeStreamedFolder } from "./streamed_folder.ts";
import { firstNonFinite } from "./tensors.ts";

const INDEX = "model.safetensors.index.json";
/** Bytes of one weight file at most, but for a weight that is larger: what hubs and disks take well. */
const MOST_SHARD_BYTES = 5e9;

/** How weights are stored: bytes of each, transformers' word for it, and how they are made. */
export const storedTypes = {
  F32: { bytes: 4, torch: "float32", encode: (values) => byteView(values) },
  BF16: { bytes: 2, torch: "bfloat16", encode: float32ToBfloat16 },
  F16: { bytes: 2, torch: "float16", encode: float32ToFloat16 },
} satisfies Record<string, StoredAs>;
export type StoredType = keyof typeof storedTypes;

interface StoredAs {
  bytes: number;
  torch: string;
  encode(values: Float32Array): TensorData["data"];
}

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
 * Weights of more than `shardBytes` go into several files and an index, as transformers does it.
 *
 * @throws {DivergedError} a weight is not finite; nothing is written
 * @throws {StorageError} disk full, no permission; an existing folder stays as it was
 */
export async function writeModelFolder(
  path: string,
  model: ModelFolder,
  { shardBytes = MOST_SHARD_BYTES }: { shardBytes?: number } = {},
): Promise<void> {
  const shards = shardsOf(model, shardBytes);
  const sizeOf = (name: string) => storedBytes(model.shapes.get(name) ?? [], model);
  await writeStreamedFolder(path, {
    files: { ...model.files, ...indexFile(model, shards) },
    streams: shards.map((shard) => ({
      name: shard.file,
      size: shard.order.reduce((sum, name) => sum + sizeOf(name), shard.header.length),
      pieces: () => weightBytes(model, shard),
    })),
  });
}

/** One weight file: its header, and the weights in the order in which they follow. */
interface Shard {
  file: string;
  header: Uint8Array;
  order: string[];
}

/** The weights in their order, a new file where the last one would grow beyond `shardBytes`. */
function shardsOf({ shapes, dtype }: ModelFolder, shardBytes: number): Shard[] {
  const groups: Record<string, Pick<TensorData, "dtype" | "shape">>[] = [];
  let room = 0;
  for (const [name, shape] of shapes) {
    const bytes = storedBytes(shape, { dtype });
    if (groups.length === 0 || bytes > room) {
      groups.push({});
      room = shardBytes;
    }
    Object.assign(groups.at(-1) ?? {}, { [name]: { dtype, shape } });
    room -= bytes;
  }
  const five = (n: number) => String(n).padStart(5, "0");
  return groups.map((tensors, i) => ({
    file: groups.length === 1
      ? "model.safetensors"
      : `model-${five(i + 1)}-of-${five(groups.length)}.safetensors`,
    ...safetensorsHeader(tensors, { format: "pt" }),
  }));
}

/** model.safetensors.index.json, where there are several files. */
function indexFile({ shapes, dtype }: ModelFolder, shards: Shard[]): Record<string, string> {
  if (shards.length === 1) return {};
  const sizes = [...shapes.values()].map((shape) => storedBytes(shape, { dtype }));
  const index = {
    metadata: { total_size: sizes.reduce((sum, size) => sum + size, 0) },
    weight_map: Object.fromEntries(
      shards.flatMap(({ file, order }) => order.map((name) => [name, file])),
    ),
  };
  return { [INDEX]: encodeJson(index, { name: INDEX }) + "\n" };
}

function storedBytes(shape: number[], { dtype }: Pick<ModelFolder, "dtype">): number {
  return shape.reduce((product, size) => product * size, storedTypes[dtype].bytes);
}

async function* weightBytes(
  { read, shapes, dtype }: ModelFolder,
  { header, order }: Shard,
): AsyncGenerator<Uint8Array> {
  yield header;
  for (const name of order) {
    const exact = float32Tensor(shapes.get(name) ?? [], await read(name));
    const stored = { ...exact, dtype, data: storedTypes[dtype].encode(floatView(exact.data)) };
    // Rounding can overflow, and can hide that a value was none.
    const bad = Math.max(firstNonFinite(exact), firstNonFinite(stored));
    if (bad >= 0) {
      throw new DivergedError(
        `Cannot save the model: expected finite values as ${
          storedTypes[dtype].torch
        }, got NaN or ` +
          `infinity in ${name} at element ${bad}`,
      );
    }
    yield stored.data;
  }
}

function byteView(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
