// A decoder's frozen weights on an engine: read once from a WeightSource, shared by every policy,
// reference and critic that runs on them.
import type * as tf from "@tensorflow/tfjs-core";
import { release } from "../bytes.ts";
import type { Engine } from "../engine/engine.ts";
import type { DecoderConfig } from "./config.ts";
import { blockMaps } from "./linear_maps.ts";
import { blockVectors } from "./traits.ts";
import type { WeightSource } from "./weights.ts";

export interface HeldBlock {
  vectors: tf.Tensor[]; // in the order of blockVectors
  maps: tf.Tensor[]; // in the order of blockMaps, each (out, in)
}

export interface HeldDecoder {
  config: DecoderConfig;
  embedding: tf.Tensor; // (V, D)
  blocks: HeldBlock[];
  norm: tf.Tensor; // (D)
  head: tf.Tensor; // (V, D), the embedding itself when tied
  dispose(): void;
}

/** Reads every weight of `source` onto `engine`, one at a time. Caller disposes the result. */
export async function holdDecoder(
  engine: Engine,
  source: WeightSource,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<HeldDecoder> {
  const { config } = source;
  const held: tf.Tensor[] = [];
  const vectorNames = [...blockVectors(config).keys()];
  const total = config.layers * (blockMaps.length + vectorNames.length) + 3;
  const hold = async (name: string, dtype = engine.dtype) => {
    const values = await source.read(name);
    const tensor = engine.hold(values, source.shape(name), dtype);
    release(values);
    held.push(tensor);
    onProgress(held.length, total);
    return tensor;
  };
  const embedding = await hold("model.embed_tokens.weight");
  const blocks: HeldBlock[] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    const vectors: tf.Tensor[] = [];
    for (const name of vectorNames) vectors.push(await hold(`${prefix}.${name}`, "float32"));
    const maps: tf.Tensor[] = [];
    for (const name of blockMaps) maps.push(await hold(`${prefix}.${name}.weight`));
    blocks.push({ vectors, maps });
  }
  const norm = await hold("model.norm.weight", "float32");
  const head = config.tiedHead ? embedding : await hold("lm_head.weight");
  const dispose = () => held.forEach((tensor) => tensor.dispose());
  return { config, embedding, blocks, norm, head, dispose };
}
