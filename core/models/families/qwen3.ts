// Qwen3: norms of each head's queries and keys. An entry of core/models/families.ts.
// Source: models/qwen3 of transformers.
import { windowFields, windowOfLastLayers } from "../config_json.ts";
import { modelFamily } from "../family.ts";

export const qwen3 = modelFamily({
  name: "qwen3",
  architectures: ["Qwen3ForCausalLM"],
  modelType: "qwen3",
  gguf: { architecture: "qwen3", interleaved: false, traits: () => ({ qkNorm: "head" }) },
  defaults: { num_key_value_heads: 32, head_dim: 128, max_position_embeddings: 32768 },
  traits: (json) => ({ qkNorm: "head", ...windowOfLastLayers(json) }),
  fields: (config) => ({ ...windowFields(config), attention_bias: false }),
});
