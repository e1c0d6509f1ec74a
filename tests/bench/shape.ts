// The shape that the step is measured on, and how many floating-point operations its products take:
// what the measured speed of a plain product is held against.
import { blockMaps, mapShape } from "../../core/models/linear_maps.ts";
import { scoresComputed } from "../../core/text/query_chunks.ts";
import type { DecoderConfig } from "../../core/models/config.ts";

/** SmolLM2-135M, as the peers shape it. */
export const smollm2: DecoderConfig = {
  family: "llama",
  vocabSize: 49152,
  width: 576,
  layers: 30,
  heads: 9,
  kvHeads: 3,
  headDim: 64,
  mlpWidth: 1536,
  normEpsilon: 1e-5,
  tiedHead: true,
  maxPositions: 2048,
  ropeTheta: 10000,
  ropeScaling: null,
  bosTokenId: null,
  eosTokenIds: [],
};

/** The measured batch: 4 pairs, each sequence a row, scored from its second token on. */
export const batch = { pairs: 4, rows: 8, length: 256 } as const;

/** Adapter of rank 10 on every linear map, as the peers' LoRA. */
export const adapterShape = { rank: 8, objectives: 2, alpha: 512 } as const;

/** Products of one step. */
export interface StepShape {
  rows: number; // B
  length: number; // T
  rank: number; // k + M of the adapter, on every linear map
  reference: boolean; // with the pass of the reference policy
  recomputed: number; // blocks whose products with frozen weights are run again for the gradient
}

/** Floating-point operations of a step by the type they are computed in. */
export interface StepOperations {
  held: number; // products with frozen weights: linear maps and head
  float32: number; // adapters and attention
}

/**
 * Operations (a multiplication and an addition are two) of the products of a DPO step that scores
 * every token but the first of each row. The frozen weights get no gradient, so their backward pass
 * is one product; adapters and attention have two, and are run again in every block, where nothing is
 * recomputed the second halves of them only.
 */
export function stepOperations(
  config: DecoderConfig,
  { rows, length, rank, reference, recomputed }: StepShape,
): StepOperations {
  const { vocabSize, width, layers, heads, headDim } = config;
  const tokens = rows * length;
  const shapes = blockMaps.map((name) => mapShape(name, config));
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  const maps = 2 * tokens * sum(shapes.map((shape) => shape.in * shape.out));
  const adapters = 2 * tokens * rank * sum(shapes.map((shape) => shape.in + shape.out));
  const attention = 2 * 2 * rows * heads * scoresComputed(length) * headDim; // they, and their use
  const head = 2 * rows * (length - 1) * width * vocabSize;
  const before = reference ? layers : 0; // blocks of the reference pass
  const forward = layers + recomputed; // blocks of the policy's forward passes
  return {
    held: maps * (before + forward + layers) + head * ((reference ? 1 : 0) + 2),
    float32: (adapters + attention) * (4 * layers - (layers - recomputed) / 2) +
      attention * before,
  };
}

/** Frozen weights that one token's step reads: every linear map and the head. */
export function weightsPerToken(config: DecoderConfig): number {
  const maps = blockMaps.map((name) => mapShape(name, config));
  const block = maps.reduce((sum, shape) => sum + shape.in * shape.out, 0);
  return config.layers * block + config.width * config.vocabSize;
}
