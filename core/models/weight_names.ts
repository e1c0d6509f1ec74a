// Names of a decoder's weights: Hugging Face's, which are ours, those of files that hold several maps
// in one tensor, and GGUF's.
// GGUF names: gguf-py/gguf/tensor_mapping.py of llama.cpp.
import type { DecoderConfig } from "./config.ts";
import { blockMaps, mapShape } from "./linear_maps.ts";
import { blockVectors, normPlaces, traitsOf } from "./traits.ts";

/** Name and shape of every weight, (out, in) for maps, under Hugging Face's names. */
export function weightShapes(config: DecoderConfig): Map<string, number[]> {
  const { vocabSize, width } = config;
  const shapes = new Map([["model.embed_tokens.weight", [vocabSize, width]]]);
  const { attention, mlp } = normPlaces[traitsOf(config).norms];
  const vectors = blockVectors(config);
  const mapsOf = (part: string) => blockMaps.filter((map) => map.startsWith(part));
  for (let layer = 0; layer < config.layers; layer++) {
    const add = (name: string, shape: number[]) =>
      shapes.set(`model.layers.${layer}.${name}`, shape);
    const norm = (name: string | null) => name !== null && add(`${name}.weight`, [width]);
    const maps = (part: string) => {
      for (const map of mapsOf(part)) {
        const shape = mapShape(map, config);
        add(`${map}.weight`, [shape.out, shape.in]);
      }
    };
    norm(attention.before);
    maps("self_attn");
    for (const [name, size] of vectors) if (name.startsWith("self_attn")) add(name, [size]);
    norm(attention.after);
    norm(mlp.before);
    maps("mlp");
    norm(mlp.after);
  }
  shapes.set("model.norm.weight", [width]);
  if (!config.tiedHead) shapes.set("lm_head.weight", [vocabSize, width]);
  return shapes;
}

/** The tensor of a file that holds a weight, where `fused` maps lie below each other in one. */
export function fileName(name: string, fused: Record<string, string>): string {
  const [, prefix, map, kind] = /^(model\.layers\.\d+\.)(.+)\.(weight|bias)$/.exec(name) ?? [];
  const other = fused[map ?? ""];
  return other === undefined ? name : `${prefix}${other}.${kind}`;
}

const outerNames: Record<string, string> = {
  "model.embed_tokens.weight": "token_embd.weight",
  "model.norm.weight": "output_norm.weight",
  "lm_head.weight": "output.weight",
};

const blockNames: Record<string, string> = {
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.qkv_proj": "attn_qkv",
  "self_attn.o_proj": "attn_output",
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.gate_up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};

/** The GGUF tensor of a file's tensor, and of how many heads its rows are interleaved. */
export function ggufTensor(
  name: string,
  { config, interleaved }: { config: DecoderConfig; interleaved: boolean },
): { name: string; permutedHeads?: number } {
  const outer = outerNames[name];
  if (outer !== undefined) return { name: outer };
  const [, layer, part = "", kind] = /^model\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name) ?? [];
  const stored = blockNames[part] ?? ggufNorm(part, config);
  if (stored === undefined) {
    throw new TypeError(`Cannot find weight: expected a decoder's weight, got ${name}`);
  }
  const tensor = { name: `blk.${layer}.${stored}.${kind}` };
  if (interleaved && stored === "attn_q") return { ...tensor, permutedHeads: config.heads };
  if (interleaved && stored === "attn_k") return { ...tensor, permutedHeads: config.kvHeads };
  return tensor;
}

/** GGUF names the norms of a block by their places. */
function ggufNorm(name: string, config: DecoderConfig): string | undefined {
  const { attention, mlp } = normPlaces[traitsOf(config).norms];
  const places: [string | null, string][] = [
    [attention.before, "attn_norm"],
    [attention.after, "post_attention_norm"],
    [mlp.before, "ffn_norm"],
    [mlp.after, "post_ffw_norm"],
  ];
  return places.find(([own]) => own === name)?.[1];
}
