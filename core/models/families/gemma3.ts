// Gemma 3, text only: Gemma 2 with norms of each head's queries and keys in place of the caps, and five
// layers with a window and rotary frequencies of their own before each that sees everything. An entry
// of core/models/families.ts.
// Source: models/gemma3 of transformers (Gemma3ForCausalLM); for GGUF, llama.cpp's src/llama-model.cpp.
import type { z } from "zod";
import { before, type ConfigJson, localLayers } from "../config_json.ts";
import type { RopeFields } from "../config.ts";
import { modelFamily } from "../family.ts";
import { traitsOf } from "../traits.ts";
import { gemma2, gemmaScales, gemmaTraits, queryScalar } from "./gemma2.ts";

/** Layers of a period, of which the last sees everything. */
const PERIOD = 6;

/** Rotary bases of layers that see everything, and of those with a window. */
const THETA = { full: 1e6, local: 1e4 };

export const gemma3 = modelFamily({
  name: "gemma3",
  architectures: ["Gemma3ForCausalLM"],
  modelType: "gemma3_text",
  gguf: {
    architecture: "gemma3",
    interleaved: false,
    traits: (read, base) => ({
      ...gemmaTraits(base.width),
      qkNorm: "head",
      logitCap: read.number("final_logit_softcapping", 0) || null,
      queryScalar: queryScalar(base, 62),
      local: localLayers(
        {
          sliding_window: read.count("attention.sliding_window"),
          num_hidden_layers: base.layers,
        },
        before(read.count("attention.sliding_window_pattern", PERIOD)),
        read.number("rope.freq_base_swa", THETA.local),
      ),
    }),
  },
  defaults: {
    num_key_value_heads: 4,
    head_dim: 256,
    max_position_embeddings: 131072,
    tie_word_embeddings: true,
    query_pre_attn_scalar: 256,
    sliding_window: 4096,
  },
  activation: gemma2.activation,
  traits: (json) => ({
    ...gemmaTraits(json.hidden_size),
    ...gemmaScales(json),
    qkNorm: "head",
    local: localLayers(
      json,
      before(json.sliding_window_pattern ?? PERIOD),
      ropeOf(json, "sliding_attention").rope_theta ?? json.rope_local_base_freq ?? THETA.local,
    ),
  }),
  rope: (json) => {
    const rope = ropeOf(json, "full_attention");
    return { ...rope, rope_theta: rope.rope_theta ?? json.rope_theta ?? THETA.full };
  },
  fields: (config) => ({
    ...gemma2.fields(config),
    rope_local_base_freq: traitsOf(config).local?.ropeTheta ?? THETA.local,
  }),
});

/** Rotary fields of a kind of layer: rope_parameters has both, rope_scaling is of the one kind only. */
function ropeOf(
  { rope_parameters: parameters, rope_scaling: scaling }: ConfigJson,
  kind: "full_attention" | "sliding_attention",
): z.infer<typeof RopeFields> {
  if (parameters) return parameters[kind] ?? {};
  return kind === "full_attention" ? { ...scaling } : {};
}
