// What the decoders of other families have that Llama's lacks, as data: the decoder, its ONNX graph
// and the files of weights read these and never ask for a family's name. An entry of
// core/models/families.ts fills them from a model's own files.
import type { DecoderConfig, RopeScaling } from "./config.ts";

/** How a decoder differs from Llama's. */
export interface Traits {
  /** Whether the maps of queries, keys and values have biases. */
  qkvBias: boolean;
  /** Norms of queries and keys before they are turned: of each head, or of all heads at once. */
  qkNorm: "head" | "width" | null;
  /** Where the norms of a block stand. */
  norms: keyof typeof normPlaces;
  /** Added to every norm weight before it multiplies. */
  normOffset: 0 | 1;
  /** Of the gate of the MLP. */
  activation: "silu" | "gelu_tanh";
  /** Scores x of attention become cap·tanh(x/cap) before the mask; null: they stay. */
  scoreCap: number | null;
  /** Logits likewise. */
  logitCap: number | null;
  /** What token embeddings are multiplied by on their way in. */
  embeddingScale: number;
  /** Scores are divided by its root; null: by that of headDim. */
  queryScalar: number | null;
  /** Layers that see only what is near; null: there are none. */
  local: LocalLayers | null;
}

/** Layers with sliding-window attention. */
export interface LocalLayers {
  /** Positions that a token sees: its own and those right before it. */
  window: number;
  layers: number[]; // rising
  /** Base of their own, unscaled rotary frequencies; null: they turn as all others do. */
  ropeTheta: number | null;
}

/** Llama's. */
const plain: Traits = {
  qkvBias: false,
  qkNorm: null,
  norms: "pre",
  normOffset: 0,
  activation: "silu",
  scoreCap: null,
  logitCap: null,
  embeddingScale: 1,
  queryScalar: null,
  local: null,
};

/** All traits of a decoder. */
export function traitsOf({ traits }: Pick<DecoderConfig, "traits">): Traits {
  return { ...plain, ...traits };
}

/** Norms of the two halves of a block: of what goes in, and of what is added to the residual. */
export const normPlaces = {
  pre: {
    attention: { before: "input_layernorm", after: null },
    mlp: { before: "post_attention_layernorm", after: null },
  },
  post: {
    attention: { before: null, after: "post_attention_layernorm" },
    mlp: { before: null, after: "post_feedforward_layernorm" },
  },
  sandwich: {
    attention: { before: "input_layernorm", after: "post_attention_layernorm" },
    mlp: { before: "pre_feedforward_layernorm", after: "post_feedforward_layernorm" },
  },
} as const;

/** Layers whose tokens see the same: what their masks and rotary tables are made from. */
export interface AttentionKind {
  window: number | null;
  /** Index of their tables among `ropesOf`. */
  rope: number;
}

/** The kinds of layers that a decoder has, one or two. */
export function attentionKinds(config: Pick<DecoderConfig, "layers" | "traits">): AttentionKind[] {
  const { local } = traitsOf(config);
  if (local === null) return [{ window: null, rope: 0 }];
  const near = { window: local.window, rope: local.ropeTheta === null ? 0 : 1 };
  return local.layers.length === config.layers ? [near] : [{ window: null, rope: 0 }, near];
}

/** Which of attentionKinds a layer is. */
export function kindOfLayer(
  config: Pick<DecoderConfig, "layers" | "traits">,
  layer: number,
): number {
  const isLocal = traitsOf(config).local?.layers.includes(layer) ?? false;
  return attentionKinds(config).findIndex(({ window }) => (window !== null) === isLocal);
}

/** What rotary tables are made from. */
export interface Rope {
  headDim: number;
  ropeTheta: number;
  ropeScaling: RopeScaling | null;
}

/** The rotary settings of a decoder: its own, and after them those of its local layers. */
export function ropesOf(config: Rope & Pick<DecoderConfig, "traits">): Rope[] {
  const { headDim, ropeTheta, ropeScaling } = config;
  const own = { headDim, ropeTheta, ropeScaling };
  const near = traitsOf(config).local?.ropeTheta ?? null;
  return near === null ? [own] : [own, { headDim, ropeTheta: near, ropeScaling: null }];
}

/**
 * Vectors among the weights of a block by name, with their sizes: norms, biases, and norms of
 * queries and keys, in the order in which they are stored and passed.
 */
export function blockVectors(config: DecoderConfig): Map<string, number> {
  const { width, heads, kvHeads, headDim } = config;
  const { norms, qkvBias, qkNorm } = traitsOf(config);
  const vectors = new Map<string, number>();
  for (const { before, after } of Object.values(normPlaces[norms])) {
    for (const name of [before, after]) if (name !== null) vectors.set(`${name}.weight`, width);
  }
  if (qkvBias) {
    vectors.set("self_attn.q_proj.bias", heads * headDim);
    vectors.set("self_attn.k_proj.bias", kvHeads * headDim);
    vectors.set("self_attn.v_proj.bias", kvHeads * headDim);
  }
  if (qkNorm !== null) {
    vectors.set("self_attn.q_norm.weight", qkNorm === "head" ? headDim : heads * headDim);
    vectors.set("self_attn.k_norm.weight", qkNorm === "head" ? headDim : kvHeads * headDim);
  }
  return vectors;
}

/** Whether a weight, by its name, multiplies what a norm has divided. */
export function isNorm(name: string): boolean {
  return /norm\.weight$/.test(name);
}
