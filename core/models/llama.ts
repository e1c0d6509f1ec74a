// The Llama family (Llama 2/3, TinyLlama, SmolLM2): its config.json, its GGUF metadata and its
// tensor names. An entry of core/models/families.ts.
// Field names and defaults: transformers' LlamaConfig; GGUF keys: ggml/docs/gguf.md.
import { z } from "zod";
import { CorruptFileError, InputError } from "../errors.ts";
import {
  type DecoderConfig,
  parseRopeScaling,
  RopeFields,
  type RopeScaling,
  yarnAttentionFactor,
} from "./config.ts";
import type { ModelFamily } from "./family.ts";
import type { GgufFile } from "./gguf.ts";
import { ropeFrequencies } from "./rope.ts";

/** Llama and everything that keeps its architecture. */
export const llama: ModelFamily = {
  name: "llama",
  architectures: ["LlamaForCausalLM"],
  modelType: "llama",
  ggufArchitecture: "llama",
  fromConfigJson,
  toConfigJson,
  fromGguf,
  weightShapes,
  ggufTensor,
};

const size = z.number().int().positive().max(2 ** 31);
const maxLayers = 10_000; // keeps a damaged count from filling the memory with names
const token = z.number().int().nonnegative();

const ConfigJson = z.looseObject({
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: size.max(maxLayers),
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  max_position_embeddings: size.default(2048),
  original_max_position_embeddings: size.nullish(),
  rms_norm_eps: z.number().positive().default(1e-6),
  rope_theta: z.number().positive().nullish(),
  rope_scaling: RopeFields.nullish(),
  rope_parameters: RopeFields.nullish(),
  partial_rotary_factor: z.number().nullish(),
  tie_word_embeddings: z.boolean().default(false),
  bos_token_id: token.nullish(),
  eos_token_id: z.union([token, z.array(token)]).nullish(),
  hidden_act: z.string().default("silu"),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  sliding_window: z.number().nullish(),
  use_sliding_window: z.boolean().nullish(),
});

function fromConfigJson(raw: Record<string, unknown>, file: string): DecoderConfig {
  const parsed = ConfigJson.safeParse(raw);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue?.path.join(".") ?? "config";
    throw new InputError(
      `Cannot use ${file}: expected a valid ${field}, got ${show(raw, issue?.path ?? [])}`,
    );
  }
  const json = parsed.data;
  const windowed = json.sliding_window && json.use_sliding_window !== false;
  refuse(file, "no attention_bias", json.attention_bias && "attention_bias true");
  refuse(file, "no mlp_bias", json.mlp_bias && "mlp_bias true");
  refuse(file, "hidden_act silu", json.hidden_act !== "silu" && json.hidden_act);
  refuse(file, "no sliding window", windowed && `sliding_window ${json.sliding_window}`);
  refuse(file, "weights that are not quantised", raw.quantization_config && "quantization_config");
  refuse(file, "a model without code of its own", raw.auto_map && "auto_map");

  const maxPositions = json.max_position_embeddings;
  const rope: z.infer<typeof RopeFields> = {
    partial_rotary_factor: json.partial_rotary_factor,
    ...json.rope_parameters ?? json.rope_scaling,
  };
  rope.original_max_position_embeddings = json.original_max_position_embeddings ??
    rope.original_max_position_embeddings;
  const heads = json.num_attention_heads;
  return checkConfig({
    family: "llama",
    vocabSize: json.vocab_size,
    width: json.hidden_size,
    layers: json.num_hidden_layers,
    heads,
    kvHeads: json.num_key_value_heads ?? heads,
    headDim: json.head_dim ?? Math.floor(json.hidden_size / heads),
    mlpWidth: json.intermediate_size,
    normEpsilon: json.rms_norm_eps,
    tiedHead: json.tie_word_embeddings,
    maxPositions,
    ropeTheta: rope.rope_theta ?? json.rope_theta ?? 10000,
    ropeScaling: parseRopeScaling(rope, { maxPositions, file }),
    bosTokenId: json.bos_token_id ?? null,
    eosTokenIds: [json.eos_token_id ?? []].flat(),
  }, file);
}

function toConfigJson(config: DecoderConfig): Record<string, unknown> {
  return {
    architectures: llama.architectures,
    model_type: llama.modelType,
    vocab_size: config.vocabSize,
    hidden_size: config.width,
    intermediate_size: config.mlpWidth,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    hidden_act: "silu",
    rms_norm_eps: config.normEpsilon,
    rope_theta: config.ropeTheta,
    rope_scaling: ropeJson(config),
    max_position_embeddings: config.maxPositions,
    tie_word_embeddings: config.tiedHead,
    attention_bias: false,
    mlp_bias: false,
    bos_token_id: config.bosTokenId,
    eos_token_id: config.eosTokenIds.length > 1
      ? config.eosTokenIds
      : config.eosTokenIds[0] ?? null,
  };
}

/** rope_scaling of a config.json; null where there is none. */
function ropeJson(config: DecoderConfig): Record<string, unknown> | null {
  const { ropeScaling: scaling } = config;
  switch (scaling?.type) {
    case undefined:
      return null;
    case "linear":
    case "dynamic":
      return { rope_type: scaling.type, factor: scaling.factor };
    case "llama3":
      return {
        rope_type: scaling.type,
        factor: scaling.factor,
        low_freq_factor: scaling.lowFreqFactor,
        high_freq_factor: scaling.highFreqFactor,
        original_max_position_embeddings: scaling.originalMaxPositions,
      };
    case "yarn":
      return {
        rope_type: scaling.type,
        factor: scaling.factor,
        original_max_position_embeddings: scaling.originalMaxPositions,
        attention_factor: scaling.attentionFactor,
        beta_fast: scaling.betaFast,
        beta_slow: scaling.betaSlow,
        truncate: scaling.truncate,
      };
    case "factors":
      return ropeJson({ ...config, ropeScaling: namedFactors(config) });
  }
}

/** Llama 3.1 and 3.2, whose GGUF files hold the factors that these settings make. */
const llama3Scalings = [8, 32].map((factor) => ({
  type: "llama3" as const,
  factor,
  lowFreqFactor: 1,
  highFreqFactor: 4,
  originalMaxPositions: 8192,
}));

/** The settings that make a GGUF file's rotary factors. */
function namedFactors(config: DecoderConfig): RopeScaling {
  const own = ropeFrequencies(config, 1);
  const found = llama3Scalings.find((ropeScaling) =>
    ropeFrequencies({ ...config, ropeScaling }, 1)
      .every((frequency, j) => Math.abs(frequency / (own[j] ?? NaN) - 1) < 1e-4)
  );
  if (found) return found;
  throw new InputError(
    "Cannot write a config.json: expected rotary factors of Llama 3.1 or 3.2, got others",
  );
}

async function fromGguf(file: GgufFile): Promise<DecoderConfig> {
  const read = new GgufFields(file);
  refuse(file.name, "a dense model", read.number("expert_count", 0) && "a mixture of experts");
  const unknown = [...file.tensors.keys()].find((name) => !knownTensor.test(name));
  refuse(file.name, "only the tensors of a Llama model", unknown);

  const width = read.count("embedding_length");
  const heads = read.count("attention.head_count");
  const rotated = read.count("rope.dimension_count", width / heads);
  const headDim = read.count("attention.key_length", rotated);
  const valueDim = read.count("attention.value_length", headDim);
  refuse(file.name, `values as wide as keys, ${headDim}`, valueDim !== headDim && `${valueDim}`);
  refuse(file.name, `all ${headDim} dimensions rotated`, rotated !== headDim && `${rotated}`);
  const embedding = file.tensors.get("token_embd.weight");
  const maxPositions = read.count("context_length");
  const stops = [
    file.metadata["tokenizer.ggml.eos_token_id"],
    file.metadata["tokenizer.ggml.eot_token_id"],
  ].filter((id) => typeof id === "number");
  const start = file.metadata["tokenizer.ggml.bos_token_id"];
  return checkConfig({
    family: "llama",
    vocabSize: embedding?.shape[0] ?? read.count("vocab_size"),
    width,
    layers: read.count("block_count"),
    heads,
    kvHeads: read.count("attention.head_count_kv", heads),
    headDim,
    mlpWidth: read.count("feed_forward_length"),
    normEpsilon: read.number("attention.layer_norm_rms_epsilon"),
    tiedHead: !file.tensors.has("output.weight"),
    maxPositions,
    ropeTheta: read.number("rope.freq_base", 10000),
    ropeScaling: await ggufRopeScaling(file, maxPositions),
    bosTokenId: typeof start === "number" ? start : null,
    eosTokenIds: [...new Set(stops)],
  }, file.name);
}

/** Rotary scaling of a GGUF file: Llama 3's is stored as rope_freqs, the others as metadata. */
async function ggufRopeScaling(file: GgufFile, maxPositions: number): Promise<RopeScaling | null> {
  if (file.tensors.has("rope_freqs.weight")) {
    return { type: "factors", factors: [...await file.read("rope_freqs.weight")] };
  }
  const read = new GgufFields(file);
  const type = file.metadata["llama.rope.scaling.type"] ?? "linear";
  const factor = read.number("rope.scaling.factor", read.number("rope.scale_linear", 1));
  switch (type) {
    case "none":
      return null;
    case "linear":
      return factor === 1 ? null : { type: "linear", factor };
    case "yarn":
      return {
        type: "yarn",
        factor,
        originalMaxPositions: read.number("rope.scaling.original_context_length", maxPositions),
        attentionFactor: read.number("rope.scaling.attn_factor", 1) * yarnAttentionFactor(factor),
        betaFast: read.number("rope.scaling.yarn_beta_fast", 32),
        betaSlow: read.number("rope.scaling.yarn_beta_slow", 1),
        truncate: true,
      };
    default:
      throw new InputError(
        `Cannot use ${file.name}: expected rotary scaling linear or yarn, got ${type}`,
      );
  }
}

/** Numbers among a file's `llama.…` metadata. */
class GgufFields {
  constructor(private readonly file: GgufFile) {}

  count(key: string, missing?: number): number {
    const value = this.number(key, missing);
    const most = key === "block_count" ? maxLayers : 2 ** 31;
    if (Number.isInteger(value) && value > 0 && value <= most) return value;
    throw new CorruptFileError(
      `Cannot read ${this.file.name}: expected llama.${key} from 1 to ${most}, got ${value}`,
    );
  }

  number(key: string, missing?: number): number {
    const value = this.file.metadata[`llama.${key}`] ?? missing;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw new CorruptFileError(
      `Cannot read ${this.file.name}: expected a number as llama.${key}, got ${value ?? "none"}`,
    );
  }
}

function weightShapes(config: DecoderConfig): Map<string, number[]> {
  const { vocabSize, width, heads, kvHeads, headDim, mlpWidth } = config;
  const shapes = new Map([["model.embed_tokens.weight", [vocabSize, width]]]);
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    shapes.set(`${prefix}.input_layernorm.weight`, [width]);
    shapes.set(`${prefix}.self_attn.q_proj.weight`, [heads * headDim, width]);
    shapes.set(`${prefix}.self_attn.k_proj.weight`, [kvHeads * headDim, width]);
    shapes.set(`${prefix}.self_attn.v_proj.weight`, [kvHeads * headDim, width]);
    shapes.set(`${prefix}.self_attn.o_proj.weight`, [width, heads * headDim]);
    shapes.set(`${prefix}.post_attention_layernorm.weight`, [width]);
    shapes.set(`${prefix}.mlp.gate_proj.weight`, [mlpWidth, width]);
    shapes.set(`${prefix}.mlp.up_proj.weight`, [mlpWidth, width]);
    shapes.set(`${prefix}.mlp.down_proj.weight`, [width, mlpWidth]);
  }
  shapes.set("model.norm.weight", [width]);
  if (!config.tiedHead) shapes.set("lm_head.weight", [vocabSize, width]);
  return shapes;
}

const ggufNames: Record<string, string> = {
  "model.embed_tokens.weight": "token_embd.weight",
  "model.norm.weight": "output_norm.weight",
  "lm_head.weight": "output.weight",
  "input_layernorm": "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "post_attention_layernorm": "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};
const knownTensor =
  /^(token_embd|output_norm|output|rope_freqs|blk\.\d+\.(attn_norm|attn_q|attn_k|attn_v|attn_output|ffn_norm|ffn_gate|ffn_up|ffn_down))\.weight$/;

function ggufTensor(name: string, config: DecoderConfig): { name: string; permutedHeads?: number } {
  const [, layer, part] = /^model\.layers\.(\d+)\.(.+)\.weight$/.exec(name) ?? [];
  const stored = ggufNames[part ?? name];
  if (!stored) throw new TypeError(`Cannot find weight: expected a Llama weight, got ${name}`);
  if (part === undefined) return { name: stored };
  const tensor = { name: `blk.${layer}.${stored}.weight` };
  if (stored === "attn_q") return { ...tensor, permutedHeads: config.heads };
  if (stored === "attn_k") return { ...tensor, permutedHeads: config.kvHeads };
  return tensor;
}

function checkConfig(config: DecoderConfig, file: string): DecoderConfig {
  const { heads, kvHeads, headDim, ropeScaling } = config;
  const factors = ropeScaling?.type === "factors" ? ropeScaling.factors.length : headDim / 2;
  refuse(
    file,
    "an even head size of at least 2",
    !(headDim >= 2 && headDim % 2 === 0) && `${headDim}`,
  );
  refuse(file, `key heads to divide ${heads} heads`, heads % kvHeads !== 0 && `${kvHeads}`);
  refuse(file, `${headDim / 2} rotary factors`, factors !== headDim / 2 && `${factors}`);
  return config;
}

function refuse(file: string, expected: string, found: unknown): void {
  if (found) throw new InputError(`Cannot use ${file}: expected ${expected}, got ${found}`);
}

function show(value: unknown, path: PropertyKey[]): string {
  for (const key of path) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  return value === undefined ? "none" : JSON.stringify(value).slice(0, 60);
}
