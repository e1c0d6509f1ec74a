// Llama 2 and 3, TinyLlama, SmolLM2 and everything that keeps their architecture. In GGUF files Mistral
// is one of them. An entry of core/models/families.ts.
// Source: models/llama of transformers.
import { refuse } from "../config_json.ts";
import { modelFamily } from "../family.ts";

export const llama = modelFamily({
  name: "llama",
  architectures: ["LlamaForCausalLM"],
  modelType: "llama",
  gguf: { architecture: "llama", interleaved: true, traits: () => ({}) },
  traits: ({ sliding_window: window, use_sliding_window: uses }, file) => {
    refuse(file, "no sliding window", window && uses !== false && `sliding_window ${window}`);
    return {};
  },
  fields: () => ({ attention_bias: false, mlp_bias: false }),
});
