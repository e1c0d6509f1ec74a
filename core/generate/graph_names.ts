// What the decoder's graph calls its inputs and outputs: between core/generate/graph.ts, which writes
// it, and whoever runs it, here or in a browser.

/** Names of the graph's inputs and outputs; B sequences of T tokens, G = H / K. */
export const graphNames = {
  ids: "ids", // (B, T) int32
  positions: "positions", // (B, T) int64
  /** Of a kind of layer (B, 1, 1, T, P + T): added to scores of past and new tokens. */
  mask: (kind: number) => kind === 0 ? "mask" : `mask_${kind}`,
  scoreParts: "score_parts", // (2) int64: P, T
  outputRows: "output_rows", // (O) int32: rows of B·T whose logits are wanted
  rowFactors: "row_factors", // (B, 1, R): what the adapter scales its columns by
  preference: "preference", // (B, 1, M): λ, in their place where the adapter lies in the graph
  past: (layer: number) => ({ keys: `past_keys_${layer}`, values: `past_values_${layer}` }), // (B, K, 1, P, headDim)
  /** The adapter's factors of a product of n maps: Vᵀ (n·R, 1, in) and U (n·R, 1, out). */
  factors: (product: string) => ({ V: `${product}.V`, U: `${product}.U` }),
  logits: "logits", // (O, 1, V)
  present: "present", // (B, layers·2·K, 1, T, headDim): new keys and values of every block in turn
} as const;
