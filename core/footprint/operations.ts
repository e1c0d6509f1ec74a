// Floating-point operations of passes through a decoder (a multiplication and an addition are two),
// by the type they are computed in: products with frozen weights, and everything else.
import type { DecoderConfig } from "../models/config.ts";
import { decoderSize, sidesOfMaps } from "./model.ts";

/** What goes through a decoder at once. */
export interface PassShape {
  tokens: number; // of all rows, padding included
  scores: number; // of attention, that are computed for a head: of all rows
  scored: number; // tokens whose log-probability is wanted; 0 for a value head
  rank: number; // of the adapter on every linear map; 0 without one
}

/** Operations by the type that they are computed in. */
export interface Operations {
  held: number; // products with frozen weights
  float32: number; // adapters and attention
}

/** A forward pass: scoring, values, features. */
export function forwardOperations(config: DecoderConfig, pass: PassShape): Operations {
  const { maps, adapters, attention, head } = partsOf(config, pass);
  return { held: maps + head, float32: adapters + attention };
}

/**
 * A forward and backward pass (core/block_stack.ts). Frozen weights get no gradient, so that their
 * backward pass is one product, while adapters and attention have two. The way forward is run again:
 * all of it in blocks whose residuals are not kept; in the share `kept` only the second products of
 * adapters and attention. The head is not run again.
 */
export function trainingOperations(
  config: DecoderConfig,
  pass: PassShape,
  kept: number,
): Operations {
  const { maps, adapters, attention, head } = partsOf(config, pass);
  return {
    held: (3 - kept) * maps + 2 * head,
    float32: (4 - kept / 2) * (adapters + attention), // their two products are about alike
  };
}

/** Generating: `steps` tokens for each of `rows` sequences of on average `length` tokens. */
export function generationOperations(
  config: DecoderConfig,
  { rows, steps, length, rank }: { rows: number; steps: number; length: number; rank: number },
): Operations {
  const tokens = rows * steps;
  const { maps, adapters, head } = partsOf(config, {
    tokens,
    scores: 0,
    scored: tokens,
    rank,
  });
  const { layers, heads, headDim } = config;
  const attention = 4 * layers * heads * headDim * tokens * length;
  return { held: maps + head, float32: adapters + attention };
}

/** Sums operations, each taken `times`. */
export function addOperations(all: [times: number, operations: Operations][]): Operations {
  return all.reduce((sum, [times, { held, float32 }]) => ({
    held: sum.held + times * held,
    float32: sum.float32 + times * float32,
  }), { held: 0, float32: 0 });
}

function partsOf(config: DecoderConfig, { tokens, scores, scored, rank }: PassShape) {
  const { layers, heads, headDim, width, vocabSize } = config;
  return {
    maps: 2 * tokens * decoderSize(config).maps,
    adapters: 2 * tokens * rank * sidesOfMaps(config),
    attention: 4 * layers * heads * headDim * scores, // they, and their use
    head: 2 * scored * width * vocabSize,
  };
}
