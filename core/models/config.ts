// What a decoder needs to know of a model beside its weights, and the parser of rotary scaling,
// which config.json files write in two dialects. core/models/families.ts fills it from a model's
// own files; core/models/decoder.ts and rope.ts compute with it.
import { z } from "zod";
import { InputError } from "../errors.ts";
import type { Traits } from "./traits.ts";

/**
 * How rotary frequencies are stretched beyond the lengths a model was trained on; the names are
 * transformers'. `factors` divides each frequency by a number of its own (GGUF's rope_freqs).
 */
export type RopeScaling =
  | { type: "linear"; factor: number }
  | { type: "dynamic"; factor: number; originalMaxPositions: number }
  | {
    type: "llama3";
    factor: number;
    lowFreqFactor: number;
    highFreqFactor: number;
    originalMaxPositions: number;
  }
  | {
    type: "yarn";
    factor: number;
    originalMaxPositions: number;
    /** Multiplies cos and sin. */
    attentionFactor: number;
    betaFast: number;
    betaSlow: number;
    /** Whether the ramp between the two betas starts and ends at whole dimensions. */
    truncate: boolean;
  }
  | { type: "factors"; factors: number[] } // (headDim / 2)
  | {
    type: "longrope";
    /**
     * Divide the frequencies of sequences of up to originalMaxPositions tokens, and of longer ones. Only
     * the first are computed with; the others are kept for who reads the model elsewhere.
     */
    shortFactors: number[]; // (headDim / 2)
    longFactors: number[]; // (headDim / 2)
    originalMaxPositions: number;
    /** What the long factors stretch to. */
    stretchedPositions: number;
    /** Multiplies cos and sin. */
    attentionFactor: number;
  };

/** Sizes and constants of a decoder-only transformer. */
export interface DecoderConfig {
  /** Key of the family table. */
  family: string;
  vocabSize: number; // V
  width: number; // D
  layers: number;
  heads: number; // H
  kvHeads: number; // K, divides H
  headDim: number; // even; H·headDim need not be D
  mlpWidth: number;
  normEpsilon: number;
  /** Whether the output head is the embedding matrix. */
  tiedHead: boolean;
  /**
   * Longest sequence the model was made for, in tokens. With longrope that of the short factors: what a
   * token is to others would change when its sequence grows beyond, which neither a cache of keys nor
   * a row of several sequences can follow.
   */
  maxPositions: number;
  ropeTheta: number;
  ropeScaling: RopeScaling | null;
  bosTokenId: number | null;
  /** Tokens that end a response, the most usual one first; may be empty. */
  eosTokenIds: number[];
  /** How the decoder differs from Llama's; absent where it does not. */
  traits?: Partial<Traits>;
}

const positive = z.number().positive().finite();

/** The rotary fields of a config.json: `rope_scaling` and, since transformers 5, `rope_parameters`. */
export const RopeFields = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: positive.nullish(),
  factor: positive.nullish(),
  low_freq_factor: positive.nullish(),
  high_freq_factor: positive.nullish(),
  original_max_position_embeddings: positive.nullish(),
  attention_factor: positive.nullish(),
  beta_fast: positive.nullish(),
  beta_slow: positive.nullish(),
  mscale: z.number().nullish(),
  mscale_all_dim: z.number().nullish(),
  truncate: z.boolean().nullish(),
  partial_rotary_factor: z.number().nullish(),
  short_factor: z.array(positive).nullish(),
  long_factor: z.array(positive).nullish(),
});

/**
 * Rotary scaling of a config.json, null where there is none; `file` names it in messages.
 * Throws InputError for kinds other than linear, dynamic, llama3, yarn and longrope, and for missing
 * fields.
 */
export function parseRopeScaling(
  fields: z.infer<typeof RopeFields>,
  { maxPositions, file }: { maxPositions: number; file: string },
): RopeScaling | null {
  const type = fields.rope_type ?? fields.type ?? "default";
  function need<Name extends keyof typeof fields>(name: Name): NonNullable<typeof fields[Name]> {
    const value = fields[name];
    if (value !== null && value !== undefined) return value;
    throw new InputError(
      `Cannot use ${file}: expected ${name} for rotary scaling ${type}, got none`,
    );
  }
  if ((fields.partial_rotary_factor ?? 1) !== 1) {
    throw new InputError(
      `Cannot use ${file}: expected rotary positions over the whole head, got ` +
        `partial_rotary_factor ${fields.partial_rotary_factor}`,
    );
  }
  const originalMaxPositions = fields.original_max_position_embeddings ?? maxPositions;
  switch (type) {
    case "default":
      return null;
    case "linear":
      return { type, factor: need("factor") };
    case "dynamic":
      // transformers stretches beyond max_position_embeddings here, whatever else is given
      return { type, factor: need("factor"), originalMaxPositions: maxPositions };
    case "llama3":
      return {
        type,
        factor: need("factor"),
        lowFreqFactor: need("low_freq_factor"),
        highFreqFactor: need("high_freq_factor"),
        originalMaxPositions,
      };
    case "yarn": {
      const factor = fields.factor ?? maxPositions / originalMaxPositions;
      return {
        type,
        factor,
        originalMaxPositions,
        attentionFactor: fields.attention_factor ?? yarnAttentionFactor(factor, fields),
        betaFast: fields.beta_fast ?? 32,
        betaSlow: fields.beta_slow ?? 1,
        truncate: fields.truncate ?? true,
      };
    }
    case "longrope": {
      const factor = fields.factor ?? maxPositions / originalMaxPositions;
      return {
        type,
        shortFactors: need("short_factor"),
        longFactors: need("long_factor"),
        originalMaxPositions,
        stretchedPositions: maxPositions,
        attentionFactor: fields.attention_factor ??
          longropeAttentionFactor(factor, originalMaxPositions),
      };
    }
    default:
      throw new InputError(
        `Cannot use ${file}: expected rotary scaling linear, dynamic, llama3, yarn or longrope, ` +
          `got ${type}`,
      );
  }
}

/** LongRoPE's factor on cos and sin for positions stretched by `factor` (arXiv 2402.13753). */
export function longropeAttentionFactor(factor: number, originalMaxPositions: number): number {
  return factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalMaxPositions));
}

/** YaRN's temperature on cos and sin (arXiv 2309.00071, eq. 22, with DeepSeek's two mscales). */
export function yarnAttentionFactor(
  factor: number,
  { mscale, mscale_all_dim }: { mscale?: number | null; mscale_all_dim?: number | null } = {},
): number {
  function temperature(scale: number): number {
    return factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
  }
  if (mscale && mscale_all_dim) return temperature(mscale) / temperature(mscale_all_dim);
  return temperature(1);
}
