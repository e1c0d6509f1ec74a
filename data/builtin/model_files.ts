// The files of the built-in world's base model: the same as in any Hugging Face folder of a Llama
// model, so that it is opened by the same path. Written by `deno task builtin`.
import { float32ToBfloat16 } from "../../core/models/floats.ts";
import { encodeSafetensors, type TensorData } from "../../core/models/safetensors.ts";
import { encodeJson } from "../store/json.ts";
import { END_TOKEN, specialTokens, type TokenizerFiles } from "./tokenizer.ts";

/** Tokens a row of the base model holds; the world's longest exchange has 43. */
export const MAX_POSITIONS = 128;

/** config.json of the base model: a Llama of about a million parameters. */
export function baseConfigJson({ vocabSize }: { vocabSize: number }): Record<string, unknown> {
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: vocabSize,
    hidden_size: 128,
    intermediate_size: 384,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 32,
    hidden_act: "silu",
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    max_position_embeddings: MAX_POSITIONS,
    tie_word_embeddings: true,
    attention_bias: false,
    mlp_bias: false,
    initializer_range: 0.02,
    torch_dtype: "bfloat16",
    bos_token_id: null,
    eos_token_id: specialTokens.indexOf(END_TOKEN),
    pad_token_id: 0,
  };
}

/** The files of a model folder by name; weights are rounded to bfloat16. */
export function baseModelFiles(
  configJson: Record<string, unknown>,
  weights: Map<string, { shape: number[]; values: Float32Array }>,
  { tokenizer, tokenizerConfig }: TokenizerFiles,
): Record<string, Uint8Array | string> {
  const tensors = [...weights].map(([name, { shape, values }]): [string, TensorData] => [
    name,
    { dtype: "BF16", shape, data: float32ToBfloat16(values) },
  ]);
  const json = (name: string, value: unknown) => encodeJson(value, { name }) + "\n";
  return {
    "config.json": json("config.json", configJson),
    "model.safetensors": encodeSafetensors(Object.fromEntries(tensors), { format: "pt" }),
    "tokenizer.json": json("tokenizer.json", tokenizer),
    "tokenizer_config.json": json("tokenizer_config.json", tokenizerConfig),
  };
}
