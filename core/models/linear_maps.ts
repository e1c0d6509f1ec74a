// The linear maps of a decoder's block: their names, their order and their widths.
import type { DecoderConfig } from "./config.ts";
import { normPlaces, traitsOf } from "./traits.ts";

/** Linear maps of a block in the order they are stored and passed, by Hugging Face's names. */
export const blockMaps = [
  "self_attn.q_proj",
  "self_attn.k_proj",
  "self_attn.v_proj",
  "self_attn.o_proj",
  "mlp.gate_proj",
  "mlp.up_proj",
  "mlp.down_proj",
] as const;

/** A linear map of a block. */
export type BlockMap = typeof blockMaps[number];

/**
 * The maps whose outputs a block's gradient reads; the last one's only where a norm reads it too, and
 * it is not just added to what goes on.
 */
export function mapsReadAgain(config: DecoderConfig): readonly BlockMap[] {
  const { after } = normPlaces[traitsOf(config).norms].mlp;
  return after === null ? blockMaps.slice(0, -1) : blockMaps;
}

/** in and out width of every map of a block. */
export function mapShape(name: string, config: DecoderConfig): { in: number; out: number } {
  const { width, heads, kvHeads, headDim, mlpWidth } = config;
  const shapes: Record<string, [number, number]> = {
    "self_attn.q_proj": [width, heads * headDim],
    "self_attn.k_proj": [width, kvHeads * headDim],
    "self_attn.v_proj": [width, kvHeads * headDim],
    "self_attn.o_proj": [heads * headDim, width],
    "mlp.gate_proj": [width, mlpWidth],
    "mlp.up_proj": [width, mlpWidth],
    "mlp.down_proj": [mlpWidth, width],
  };
  const shape = shapes[name];
  if (shape === undefined) throw new RangeError(`Cannot size map ${name}: a block has no such map`);
  return { in: shape[0], out: shape[1] };
}
