// How large a decoder and an adapter on it are: numbers of parameters, and what each token takes.
// The footprint of a run (run.ts) is made of these. Letters as in the README.
import type { DecoderConfig } from "../models/config.ts";
import { blockMaps, mapShape } from "../models/linear_maps.ts";
import { blockVectors } from "../models/traits.ts";

/** Parameters of a decoder by the part that holds them. */
export interface DecoderSize {
  embedding: number; // V·D
  head: number; // V·D, 0 where it is the embedding
  maps: number; // linear maps of all blocks
  vectors: number; // norms and biases
}

/** The numbers of parameters of a decoder. */
export function decoderSize(config: DecoderConfig): DecoderSize {
  const { vocabSize, width, layers, tiedHead } = config;
  return {
    embedding: vocabSize * width,
    head: tiedHead ? 0 : vocabSize * width,
    maps: layers * sum(blockMaps.map((name) => product(mapShape(name, config)))),
    vectors: layers * sum([...blockVectors(config).values()]) + width,
  };
}

/** All parameters of a decoder. */
export function countParameters(config: DecoderConfig): number {
  return sum(Object.values(decoderSize(config)));
}

/** Σ (in + out) over the adapted maps of all blocks: what a rank of a low-rank adapter costs. */
export function sidesOfMaps(config: DecoderConfig): number {
  const sides = blockMaps.map((name) => mapShape(name, config)).map((map) => map.in + map.out);
  return config.layers * sum(sides);
}

/** Bytes of a decoder's weights on an engine that holds its matrices in `perWeight` bytes a number. */
export function heldBytes(config: DecoderConfig, perWeight: number): number {
  const { embedding, head, maps, vectors } = decoderSize(config);
  return perWeight * (embedding + head + maps) + 4 * vectors;
}

/**
 * Parameters of SVD-LoRA of rank k and M dimensions on every linear map: V, U, σ and s (eq. 5);
 * M = 0 for an adapter without λ of that rank.
 */
export function adapterParameters(
  config: DecoderConfig,
  { rank, objectives }: { rank: number; objectives: number },
): number {
  const maps = config.layers * blockMaps.length;
  return sidesOfMaps(config) * (rank + objectives) + maps * (rank + (objectives > 0 ? 1 : 0));
}

/** Bytes of the keys and values of one token, in float32. */
export function cacheBytesPerToken({ layers, kvHeads, headDim }: DecoderConfig): number {
  return 2 * 4 * layers * kvHeads * headDim;
}

function product(shape: { in: number; out: number }): number {
  return shape.in * shape.out;
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
