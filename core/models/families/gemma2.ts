// Gemma 2: norms around attention and MLP whose weights are moved by 1, capped scores and logits, scaled
// embeddings, a window in every other layer. An entry of core/models/families.ts.
// Source: models/gemma2 of transformers; for GGUF, llama.cpp's src/llama-model.cpp.
import { before, type ConfigJson, float, layerTypes, localLayers } from "../config_json.ts";
import type { DecoderConfig } from "../config.ts";
import { modelFamily } from "../family.ts";
import { type Traits, traitsOf } from "../traits.ts";

/** Layers of a period, of which the last sees everything. */
const PERIOD = 2;

export const gemma2 = modelFamily({
  name: "gemma2",
  architectures: ["Gemma2ForCausalLM"],
  modelType: "gemma2",
  gguf: {
    architecture: "gemma2",
    interleaved: false,
    traits: (read, base) => ({
      ...gemmaTraits(base.width),
      scoreCap: read.number("attn_logit_softcapping", 50),
      logitCap: read.number("final_logit_softcapping", 30),
      queryScalar: queryScalar(base, 46),
      local: localLayers(
        {
          sliding_window: read.count("attention.sliding_window", 4096),
          num_hidden_layers: base.layers,
        },
        before(read.count("attention.sliding_window_pattern", PERIOD)),
      ),
    }),
  },
  defaults: {
    num_key_value_heads: 4,
    head_dim: 256,
    max_position_embeddings: 8192,
    tie_word_embeddings: true,
    query_pre_attn_scalar: 256,
    attn_logit_softcapping: 50,
    final_logit_softcapping: 30,
    sliding_window: 4096,
  },
  activation: { field: "hidden_activation", name: "gelu_pytorch_tanh" },
  traits: (json) => ({
    ...gemmaTraits(json.hidden_size),
    ...gemmaScales(json),
    local: localLayers(json, before(PERIOD)),
  }),
  fields: (config) => {
    const { scoreCap, logitCap, queryScalar, local } = traitsOf(config);
    return {
      attention_bias: false,
      query_pre_attn_scalar: queryScalar ?? config.headDim,
      attn_logit_softcapping: float(scoreCap),
      final_logit_softcapping: float(logitCap),
      sliding_window: local?.window ?? null,
      layer_types: layerTypes(config.layers, local),
    };
  },
});

/** What Gemma 2 and 3 have whatever their size. */
export function gemmaTraits(width: number): Partial<Traits> {
  return {
    norms: "sandwich",
    normOffset: 1,
    activation: "gelu_tanh",
    embeddingScale: Math.sqrt(width),
  };
}

/** Caps and the scale of queries in a config.json of Gemma 2 or 3. */
export function gemmaScales(json: ConfigJson): Partial<Traits> {
  return {
    scoreCap: json.attn_logit_softcapping ?? null,
    logitCap: json.final_logit_softcapping ?? null,
    queryScalar: json.query_pre_attn_scalar ?? null,
  };
}

/**
 * The scale of queries of a GGUF file, which does not tell it: as in llama.cpp, which knows the model of
 * 27 B, the only one with another scale than its head size, by its number of layers.
 */
export function queryScalar(
  { layers, width, heads, headDim }: DecoderConfig,
  layersOf27B: number,
): number {
  return layers === layersOf27B ? width / heads : headDim;
}
