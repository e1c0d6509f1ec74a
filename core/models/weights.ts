// One view of a model's weights, whatever files they lie in: float32 arrays under Hugging Face's
// names and layouts, (out, in) for linear maps. The decoder loads through this; models/safetensors
// and models/gguf read beneath it.
import type { ByteSource } from "../bytes.ts";
import { CorruptFileError, InputError } from "../errors.ts";
import type { DecoderConfig } from "./config.ts";
import { familyOf } from "./families.ts";
import type { GgufFile } from "./gguf.ts";
import { openSafetensors, type SafetensorsFile, toFloat32 } from "./safetensors.ts";

/** The weights of a model, complete and of the right shapes, read on demand. */
export interface WeightSource {
  config: DecoderConfig;
  /** `model.layers.0.self_attn.q_proj.weight` …; `lm_head.weight` only where it is not tied. */
  names: string[];
  /** Shape of a weight; TypeError for a name that is not in `names`. */
  shape(name: string): number[];
  /** Values, row-major; caller owns them. TypeError for a name that is not in `names`. */
  read(name: string): Promise<Float32Array<ArrayBuffer>>;
}

/**
 * Weights in one or several safetensors files of F32, F16 or BF16 tensors.
 * `weightMap` is that of model.safetensors.index.json, file names by weight; `folder` is what
 * messages name when no single file is at fault.
 * Throws CorruptFileError for damaged files, missing weights and wrong shapes, InputError for
 * element types that are no floats.
 */
export async function openShards(
  shards: Map<string, ByteSource>,
  { config, folder, weightMap }: {
    config: DecoderConfig;
    folder: string;
    weightMap?: Record<string, string>;
  },
): Promise<WeightSource> {
  const holders = new Map<string, { source: ByteSource; file: SafetensorsFile }>();
  for (const [fileName, source] of shards) {
    const file = await openSafetensors(source);
    for (const name of file.tensors.keys()) {
      const promised = weightMap ? weightMap[name] : fileName;
      if (promised !== fileName || holders.has(name)) {
        throw new CorruptFileError(
          `Cannot read ${source.name}: expected tensor ${name} in ${promised ?? "no file"}, ` +
            `got it here`,
        );
      }
      holders.set(name, { source, file });
    }
  }
  const shapes = familyOf(config).weightShapes(config);
  for (const [name, shape] of shapes) {
    const holder = holders.get(name);
    const entry = holder?.file.tensors.get(name);
    checkShape({ file: holder?.source.name ?? folder, name, shape, found: entry?.shape });
    if (holder && entry && !["F32", "F16", "BF16"].includes(entry.dtype)) {
      throw new InputError(
        `Cannot use ${holder.source.name}: expected F32, F16 or BF16 weights, got ${entry.dtype} ` +
          `for ${name}`,
      );
    }
  }
  refuseBiases(folder, [...holders.keys()]);
  return weightSource(config, shapes, async (name) => {
    const holder = holders.get(name);
    if (!holder) throw unknownWeight(name);
    return toFloat32(await holder.file.read(name));
  });
}

/**
 * Weights of a GGUF file, dequantised; rows of queries and keys are put back into the order of
 * Hugging Face's layout. Throws CorruptFileError for missing weights and wrong shapes.
 */
export function ggufWeights(file: GgufFile, config: DecoderConfig): WeightSource {
  const family = familyOf(config);
  const shapes = family.weightShapes(config);
  for (const [name, shape] of shapes) {
    const stored = family.ggufTensor(name, config).name;
    checkShape({ file: file.name, name: stored, shape, found: file.tensors.get(stored)?.shape });
  }
  refuseBiases(file.name, [...file.tensors.keys()]);
  return weightSource(config, shapes, async (name) => {
    const { name: stored, permutedHeads } = family.ggufTensor(name, config);
    const values = await file.read(stored);
    return permutedHeads ? unpermuteRows(values, permutedHeads, config.headDim) : values;
  });
}

/**
 * Undoes llama.cpp's interleaving: within each head, its rows 2j and 2j+1 are Hugging Face's rows
 * j and j + headDim/2 (convert_hf_to_gguf.py, LlamaModel.permute).
 */
export function unpermuteRows(
  values: Float32Array,
  heads: number,
  headDim: number,
): Float32Array<ArrayBuffer> {
  const rows = heads * headDim;
  const width = values.length / rows;
  const half = headDim / 2;
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    const within = row % headDim;
    const from = row - within + 2 * (within % half) + Math.floor(within / half);
    out.set(values.subarray(from * width, (from + 1) * width), row * width);
  }
  return out;
}

function weightSource(
  config: DecoderConfig,
  shapes: Map<string, number[]>,
  read: WeightSource["read"],
): WeightSource {
  function shape(name: string): number[] {
    const found = shapes.get(name);
    if (!found) throw unknownWeight(name);
    return [...found];
  }
  return {
    config,
    names: [...shapes.keys()],
    shape,
    async read(name) {
      shape(name); // tensors beside the decoder's own stay out of reach
      return await read(name);
    },
  };
}

function checkShape({ file, name, shape, found }: {
  file: string;
  name: string;
  shape: number[];
  found: number[] | undefined;
}): void {
  if (found?.length === shape.length && found.every((n, i) => n === shape[i])) return;
  const got = found ? `[${found}]` : "none";
  throw new CorruptFileError(
    `Cannot read ${file}: expected tensor ${name} of shape [${shape}], got ${got}`,
  );
}

// the configuration says there are none, but a stray bias would silently change the model
function refuseBiases(file: string, names: string[]): void {
  const bias = names.find((name) => name.endsWith(".bias"));
  if (bias) throw new InputError(`Cannot use ${file}: expected no biases, got ${bias}`);
}

function unknownWeight(name: string): TypeError {
  return new TypeError(`Cannot read weight: expected a weight of the model, got ${name}`);
}
