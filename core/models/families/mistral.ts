// Mistral: Llama, where the first version sees a sliding window only. An entry of
// core/models/families.ts. GGUF files hold it as Llama, as which they are read, and know no window.
// Source: models/mistral of transformers.
import { localLayers } from "../config_json.ts";
import { modelFamily } from "../family.ts";
import { traitsOf } from "../traits.ts";
import { llama } from "./llama.ts";

export const mistral = modelFamily({
  name: "mistral",
  architectures: ["MistralForCausalLM"],
  modelType: "mistral",
  gguf: llama.gguf,
  defaults: { num_key_value_heads: 8, max_position_embeddings: 131072, sliding_window: 4096 },
  traits: (json) => {
    const local = localLayers({ ...json, layer_types: null }, () => true);
    return local ? { local } : {};
  },
  fields: (config) => ({ sliding_window: traitsOf(config).local?.window ?? null }),
});
