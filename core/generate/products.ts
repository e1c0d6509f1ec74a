// Which frozen matrices the decoder's graph multiplies with: maps of a block that read the same input
// are one product. The graph, the file of weights and the adapter's factors agree on names and shapes
// through this.
import type { DecoderConfig } from "../models/config.ts";
import { mapShape } from "../models/linear_maps.ts";
import { blockVectors } from "../models/traits.ts";

/** Products of a block and the maps whose outputs they give beside each other. */
export const blockProducts = {
  qkv: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
  mixed: ["self_attn.o_proj"],
  gated: ["mlp.gate_proj", "mlp.up_proj"],
  down: ["mlp.down_proj"],
} as const;

export type ProductName = keyof typeof blockProducts;

export const productNames = Object.keys(blockProducts) as ProductName[];

/** One map within a product. */
export interface PlacedMap {
  /** Hugging Face's name within the model, "model.layers.0.self_attn.q_proj". */
  module: string;
  /** The stored weight (out, in). */
  weight: string;
  /** The stored bias (out), null where there is none. */
  bias: string | null;
  /** Where its outputs start among the product's. */
  start: number;
  in: number;
  out: number;
}

/** x (N, in) → x·Wᵀ (N, out), the maps' outputs beside each other, and plus their biases. */
export interface Product {
  /** What its constants and inputs are named by: "model.layers.0.qkv", "head". */
  name: string;
  in: number;
  out: number;
  maps: PlacedMap[];
}

/** A product of block `layer`. */
export function blockProduct(config: DecoderConfig, layer: number, name: ProductName): Product {
  const vectors = blockVectors(config);
  const product: Product = { name: `model.layers.${layer}.${name}`, in: 0, out: 0, maps: [] };
  for (const map of blockProducts[name]) {
    const shape = mapShape(map, config);
    const module = `model.layers.${layer}.${map}`;
    const bias = vectors.has(`${map}.bias`) ? `${module}.bias` : null;
    product.maps.push({ module, weight: `${module}.weight`, bias, start: product.out, ...shape });
    product.in = shape.in;
    product.out += shape.out;
  }
  return product;
}

/** Whether something is added to a product: a map without a bias then has one of zeros. */
export function hasBias({ maps }: Product): boolean {
  return maps.some(({ bias }) => bias !== null);
}

/** From hidden states to logits. */
export function headProduct({ width, vocabSize, tiedHead }: DecoderConfig): Product {
  const shape = { in: width, out: vocabSize };
  const weight = tiedHead ? "model.embed_tokens.weight" : "lm_head.weight";
  const map = { module: "lm_head", weight, bias: null, start: 0, ...shape };
  return { name: "head", ...shape, maps: [map] };
}
