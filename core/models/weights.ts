// One view of a model's weights, whatever files they lie in: float32 arrays under Hugging Face's
// names and layouts, (out, in) for linear maps. The decoder loads through this; models/safetensors
// and models/gguf read beneath it.
import { type ByteSource, convert } from "../bytes.ts";
import { CorruptFileError, InputError } from "../errors.ts";
import type { DecoderConfig } from "./config.ts";
import { familyOf } from "./families.ts";
import type { GgufFile } from "./gguf.ts";
import { isNorm, traitsOf } from "./traits.ts";
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
  const { places, tensors } = layoutOf(config);
  for (const [name, shape] of tensors) {
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
  refuseBiases(folder, holders.keys(), new Set(tensors.keys()));
  return weightSource(config, async (name) => {
    const tensor = places.get(name)?.tensor ?? name;
    const holder = holders.get(tensor);
    if (!holder) throw unknownWeight(name);
    const { data, ...stored } = await holder.file.read(tensor);
    const values = convert(data, (data) => toFloat32({ ...stored, data }));
    return convert(values, (values) => partOf(values, places.get(name)));
  });
}

/**
 * Weights of a GGUF file, dequantised; rows of queries and keys are put back into the order of
 * Hugging Face's layout. Throws CorruptFileError for missing weights and wrong shapes.
 */
export function ggufWeights(file: GgufFile, config: DecoderConfig): WeightSource {
  const family = familyOf(config);
  const { normOffset } = traitsOf(config);
  const { places, tensors } = layoutOf(config);
  const names = new Set<string>();
  for (const [name, shape] of tensors) {
    const stored = family.ggufTensor(name, config).name;
    checkShape({ file: file.name, name: stored, shape, found: file.tensors.get(stored)?.shape });
    names.add(stored);
  }
  refuseBiases(file.name, file.tensors.keys(), names);
  return weightSource(config, async (name) => {
    const { name: stored, permutedHeads } = family.ggufTensor(
      places.get(name)?.tensor ?? name,
      config,
    );
    const values = convert(await file.read(stored), (values) => partOf(values, places.get(name)));
    // GGUF has norm weights as they multiply
    if (normOffset !== 0 && isNorm(name)) return values.map((value) => value - normOffset);
    if (permutedHeads === undefined) return values;
    return convert(values, (values) => unpermuteRows(values, permutedHeads, config.headDim));
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
  return moveRows(values, heads * headDim, (row) => {
    const within = row % headDim;
    const half = headDim / 2;
    return row - within + 2 * (within % half) + Math.floor(within / half);
  });
}

/** Undoes unpermuteRows: rows in the order of Hugging Face's layout become llama.cpp's. */
export function permuteRows(
  values: Float32Array,
  heads: number,
  headDim: number,
): Float32Array<ArrayBuffer> {
  return moveRows(values, heads * headDim, (row) => {
    const within = row % headDim;
    return row - within + (within % 2) * (headDim / 2) + Math.floor(within / 2);
  });
}

/** A matrix of `rows` rows, row r of which is row from(r) of `values`. */
function moveRows(
  values: Float32Array,
  rows: number,
  from: (row: number) => number,
): Float32Array<ArrayBuffer> {
  const width = values.length / rows;
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    const at = from(row) * width;
    out.set(values.subarray(at, at + width), row * width);
  }
  return out;
}

/** Where a weight lies in a file's tensor. */
export interface Place {
  tensor: string;
  /** Its first number there, and how many there are. */
  start: number;
  size: number;
}

/** The tensors of a family's own files by name with their shapes, and where in them the weights are. */
export function layoutOf(config: DecoderConfig): {
  places: Map<string, Place>;
  tensors: Map<string, number[]>;
} {
  const family = familyOf(config);
  const places = new Map<string, Place>();
  const tensors = new Map<string, number[]>();
  for (const [name, [rows = 0, ...rest]] of family.weightShapes(config)) {
    const tensor = family.fileName(name);
    const above = tensors.get(tensor)?.[0] ?? 0;
    const width = rest.reduce((product, size) => product * size, 1);
    places.set(name, { tensor, start: above * width, size: rows * width });
    tensors.set(tensor, [above + rows, ...rest]);
  }
  return { places, tensors };
}

/** The weights of a decoder as its family's own files hold them: tensors by name, and their values. */
export function fileTensors(
  config: DecoderConfig,
  read: (name: string) => Promise<Float32Array>,
): { shapes: Map<string, number[]>; read: (name: string) => Promise<Float32Array> } {
  const { places, tensors } = layoutOf(config);
  return {
    shapes: tensors,
    async read(tensor) {
      const parts = [...places].filter(([, place]) => place.tensor === tensor);
      const [only] = parts;
      if (only === undefined) throw unknownWeight(tensor);
      if (parts.length === 1) return await read(only[0]);
      const values = new Float32Array(parts.reduce((sum, [, { size }]) => sum + size, 0));
      for (const [name, { start }] of parts) values.set(await read(name), start);
      return values;
    },
  };
}

/** The values of a weight among those of its tensor. */
function partOf(
  values: Float32Array<ArrayBuffer>,
  place: Place | undefined,
): Float32Array<ArrayBuffer> {
  if (place === undefined || place.size === values.length) return values;
  return values.slice(place.start, place.start + place.size);
}

function weightSource(config: DecoderConfig, read: WeightSource["read"]): WeightSource {
  const shapes = familyOf(config).weightShapes(config);
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

// the configuration says which there are: another one would silently change the model
function refuseBiases(file: string, names: Iterable<string>, known: Set<string>): void {
  for (const name of names) {
    if (!name.endsWith(".bias") || known.has(name)) continue;
    const expected = [...known].some((own) => own.endsWith(".bias"))
      ? "no other biases"
      : "no biases";
    throw new InputError(`Cannot use ${file}: expected ${expected}, got ${name}`);
  }
}

function unknownWeight(name: string): TypeError {
  return new TypeError(`Cannot read weight: expected a weight of the model, got ${name}`);
}
