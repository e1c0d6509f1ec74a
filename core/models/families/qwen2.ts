// Qwen2 and Qwen2.5: biases of queries, keys and values. An entry of core/models/families.ts.
// Source: models/qwen2 of transformers.
import { windowFields, windowOfLastLayers } from "../config_json.ts";
import { modelFamily } from "../family.ts";

export const qwen2 = modelFamily({
  name: "qwen2",
  architectures: ["Qwen2ForCausalLM"],
  modelType: "qwen2",
  gguf: { architecture: "qwen2", interleaved: false, traits: () => ({ qkvBias: true }) },
  defaults: { num_key_value_heads: 32, max_position_embeddings: 32768 },
  traits: (json) => ({ qkvBias: true, ...windowOfLastLayers(json) }),
  fields: windowFields,
});
