// Phi-3: Llama whose files hold queries, keys and values in one map, gate and up in another, with a
// sliding window or LongRoPE in some models. An entry of core/models/families.ts.
// Source: models/phi3 of transformers.
import { localLayers } from "../config_json.ts";
import { modelFamily } from "../family.ts";
import { type Traits, traitsOf } from "../traits.ts";

/** A window in every layer, where there is one. */
function everywhere(
  window: number | null | undefined,
  layers: number,
): Pick<Partial<Traits>, "local"> {
  const local = localLayers({ sliding_window: window, num_hidden_layers: layers }, () => true);
  return local ? { local } : {};
}

export const phi3 = modelFamily({
  name: "phi3",
  architectures: ["Phi3ForCausalLM"],
  modelType: "phi3",
  gguf: {
    architecture: "phi3",
    interleaved: false,
    traits: (read, { layers }) => everywhere(read.number("attention.sliding_window", 0), layers),
  },
  defaults: {
    max_position_embeddings: 4096,
    original_max_position_embeddings: 4096,
    rms_norm_eps: 1e-5,
  },
  fused: {
    "self_attn.q_proj": "self_attn.qkv_proj",
    "self_attn.k_proj": "self_attn.qkv_proj",
    "self_attn.v_proj": "self_attn.qkv_proj",
    "mlp.gate_proj": "mlp.gate_up_proj",
    "mlp.up_proj": "mlp.gate_up_proj",
  },
  traits: (json) => everywhere(json.sliding_window, json.num_hidden_layers),
  rope: (json) => {
    const rope = { ...json.rope_parameters ?? json.rope_scaling };
    const type = rope.rope_type ?? rope.type;
    // What the first files called so is LongRoPE.
    return type === "su" || type === "yarn" ? { ...rope, rope_type: "longrope" } : rope;
  },
  fields: (config) => ({
    attention_bias: false,
    sliding_window: traitsOf(config).local?.window ?? null,
    pad_token_id: null, // left out it would be 32000, which other vocabularies lack
  }),
});
