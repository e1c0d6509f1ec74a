// The trained tensors of an adapter, by decoder block: named, ordered, loaded and read back.
import * as tf from "@tensorflow/tfjs-core";
import type { DecoderConfig } from "../models/config.ts";
import { blockMaps, mapShape } from "../models/linear_maps.ts";
import { InputError } from "../errors.ts";
import { Random } from "../random.ts";
import type { Adapter, ParameterValues } from "./adapter.ts";

/**
 * Trained tensors of one block, `tensors[i]` named `names[i]`: those of its adapted maps, maps ×
 * parameterNames in that order; or, where `maps` is empty, any others, such as a head's.
 */
export interface BlockParameters {
  maps: string[]; // adapted maps of the block, in the order of blockMaps
  names: string[]; // "model.layers.0.self_attn.q_proj.V", "score.weight" …
  tensors: tf.Tensor[];
}

/** Names and values of all parameters, as stored. */
export type StoredParameters = Map<string, ParameterValues>;

/**
 * Which linear maps a pattern (regular expression on `model.layers.N.<map>`) adapts, by block.
 * Throws InputError when it matches none.
 */
export function adaptedMaps(config: DecoderConfig, pattern: string): string[][] {
  const expression = new RegExp(pattern);
  const blocks = Array.from(
    { length: config.layers },
    (_, layer) => blockMaps.filter((map) => expression.test(`model.layers.${layer}.${map}`)),
  );
  if (blocks.every((maps) => maps.length === 0)) {
    throw new InputError(
      `Cannot adapt the model: expected lora_target_modules to match a linear map such as ` +
        `model.layers.0.${blockMaps[0]}, got ${JSON.stringify(pattern)}`,
    );
  }
  return blocks;
}

/** Fresh parameters; each map draws from its own stream, so one more map changes no other. */
export function initParameters(
  adapter: Adapter,
  maps: string[][],
  { config, random }: { config: DecoderConfig; random: Random },
): StoredParameters {
  const stored: StoredParameters = new Map();
  maps.forEach((names, layer) => {
    for (const map of names) {
      const module = `model.layers.${layer}.${map}`;
      const values = adapter.init(mapShape(map, config), random.fork(module));
      adapter.parameterNames.forEach((name, i) => {
        const value = values[i];
        if (value !== undefined) stored.set(`${module}.${name}`, value);
      });
    }
  });
  return stored;
}

/** Puts stored parameters on the current back end. Caller disposes with disposeParameters. */
export function loadParameters(
  adapter: Adapter,
  maps: string[][],
  stored: StoredParameters,
): BlockParameters[] {
  return maps.map((names, layer) => {
    const parameters = parameterNames(adapter, names, layer);
    const tensors = parameters.map((name) => {
      const value = stored.get(name);
      if (value === undefined) throw new RangeError(`Cannot load the adapter: it lacks ${name}`);
      return tf.tensor(value.values, value.shape);
    });
    return { maps: names, names: parameters, tensors };
  });
}

/** Copies parameters (or tensors of the same names, such as optimiser moments) off the back end. */
export async function readParameters(
  blocks: { names: string[]; tensors: tf.Tensor[] }[],
): Promise<StoredParameters> {
  const stored: StoredParameters = new Map();
  for (const { names, tensors } of blocks) {
    for (const [i, tensor] of tensors.entries()) {
      const values = await tensor.data() as Float32Array;
      stored.set(names[i] ?? "", { shape: tensor.shape, values: values.slice() });
    }
  }
  return stored;
}

/** Numbers in the parameters of all blocks. */
export function countValues(blocks: tf.Tensor[][]): number {
  return blocks.flat().reduce((sum, { size }) => sum + size, 0);
}

/** Copies the tensors of all blocks, one after the other, into `flat`: how threads share them. */
export async function writeFlat(blocks: tf.Tensor[][], flat: Float32Array): Promise<void> {
  let at = 0;
  for (const tensor of blocks.flat()) {
    flat.set(await tensor.data() as Float32Array, at);
    at += tensor.size;
  }
}

/** Tensors of the given shapes out of what writeFlat wrote. Caller disposes. */
export function readFlat(flat: Float32Array, shapes: number[][][]): tf.Tensor[][] {
  let at = 0;
  return shapes.map((block) =>
    block.map((shape) => {
      const start = at;
      at += tf.util.sizeFromShape(shape);
      return tf.tensor(flat.slice(start, at), shape); // a copy: `flat` may be shared memory
    })
  );
}

export function disposeParameters(blocks: { tensors: tf.Tensor[] }[]): void {
  for (const { tensors } of blocks) tensors.forEach((tensor) => tensor.dispose());
}

function parameterNames(adapter: Adapter, maps: string[], layer: number): string[] {
  return maps.flatMap((map) =>
    adapter.parameterNames.map((name) => `model.layers.${layer}.${map}.${name}`)
  );
}
