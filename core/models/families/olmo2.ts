// OLMo 2: norms of what attention and MLP give instead of what they take, and of all heads' queries
// and keys at once. An entry of core/models/families.ts.
// Source: models/olmo2 of transformers.
import { modelFamily } from "../family.ts";
import type { Traits } from "../traits.ts";

const traits: Partial<Traits> = { norms: "post", qkNorm: "width" };

export const olmo2 = modelFamily({
  name: "olmo2",
  architectures: ["Olmo2ForCausalLM"],
  modelType: "olmo2",
  gguf: { architecture: "olmo2", interleaved: false, traits: () => traits },
  defaults: { rms_norm_eps: 1e-5 },
  traits: () => traits,
  fields: () => ({ attention_bias: false }),
});
