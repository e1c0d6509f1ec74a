// config.json of Hugging Face's folders, both ways: what is the same in all families of
// core/models/families.ts, whose entries add what is not.
// Field names and defaults: the configurations of transformers 5 (models/*/configuration_*.py).
import { z } from "zod";
import { InputError } from "../errors.ts";
import { type DecoderConfig, parseRopeScaling, RopeFields, type RopeScaling } from "./config.ts";
import type { FamilyEntry } from "./family.ts";
import { ropeFrequencies } from "./rope.ts";
import { type LocalLayers, type Traits, traitsOf } from "./traits.ts";

/** The rotary fields of one kind of layer, in files that have them by kind. */
const RopeByKind = z.looseObject({
  full_attention: RopeFields.nullish(),
  sliding_attention: RopeFields.nullish(),
});

const size = z.number().int().positive().max(2 ** 31);
/** Keeps a damaged count from filling the memory with names. */
export const maxLayers = 10_000;
const token = z.number().int().nonnegative();
const positive = z.number().positive();

const Fields = z.looseObject({
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: size.max(maxLayers),
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  max_position_embeddings: size,
  original_max_position_embeddings: size.nullish(),
  rms_norm_eps: positive,
  rope_theta: positive.nullish(),
  rope_scaling: RopeFields.nullish(),
  rope_parameters: RopeFields.and(RopeByKind).nullish(),
  rope_local_base_freq: positive.nullish(),
  partial_rotary_factor: z.number().nullish(),
  tie_word_embeddings: z.boolean(),
  bos_token_id: token.nullish(),
  eos_token_id: z.union([token, z.array(token)]).nullish(),
  hidden_act: z.string().nullish(),
  hidden_activation: z.string().nullish(),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  sliding_window: size.nullish(),
  use_sliding_window: z.boolean().nullish(),
  max_window_layers: z.number().int().nonnegative().nullish(),
  sliding_window_pattern: size.nullish(),
  layer_types: z.array(z.enum(["full_attention", "sliding_attention"])).nullish(),
  query_pre_attn_scalar: positive.nullish(),
  attn_logit_softcapping: positive.nullish(),
  final_logit_softcapping: positive.nullish(),
  use_bidirectional_attention: z.boolean().nullish(),
});

/** The fields of a config.json that are read, with the family's defaults. */
export type ConfigJson = z.infer<typeof Fields>;

const defaults = { max_position_embeddings: 2048, rms_norm_eps: 1e-6, tie_word_embeddings: false };

/** A family's configuration from config.json; `file` names it in messages. */
export function configFromJson(
  family: FamilyEntry,
  raw: Record<string, unknown>,
  file: string,
): DecoderConfig {
  const parsed = Fields.safeParse({ ...defaults, ...family.defaults, ...raw });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue?.path.join(".") ?? "config";
    throw new InputError(
      `Cannot use ${file}: expected a valid ${field}, got ${show(raw, issue?.path ?? [])}`,
    );
  }
  const json = parsed.data;
  const { field, name } = family.activation;
  const activation = json[field] ?? name;
  refuse(file, "no attention_bias", json.attention_bias && "attention_bias true");
  refuse(file, "no mlp_bias", json.mlp_bias && "mlp_bias true");
  refuse(file, `${field} ${name}`, activation !== name && activation);
  refuse(file, "weights that are not quantised", raw.quantization_config && "quantization_config");
  refuse(file, "a model without code of its own", hasOwnCode(family, raw.auto_map) && "auto_map");
  const both = json.use_bidirectional_attention;
  refuse(file, "attention to what came before", both && "use_bidirectional_attention true");

  const stated = json.max_position_embeddings;
  const rope: z.infer<typeof RopeFields> = {
    partial_rotary_factor: json.partial_rotary_factor,
    ...family.rope(json),
  };
  rope.original_max_position_embeddings = json.original_max_position_embeddings ??
    rope.original_max_position_embeddings;
  const heads = json.num_attention_heads;
  const ropeScaling = parseRopeScaling(rope, { maxPositions: stated, file });
  const traits = family.traits(json, file);
  const types = json.layer_types?.length ?? json.num_hidden_layers;
  refuse(file, `${json.num_hidden_layers} layer_types`, types !== json.num_hidden_layers && types);
  return checkConfig({
    family: family.name,
    vocabSize: json.vocab_size,
    width: json.hidden_size,
    layers: json.num_hidden_layers,
    heads,
    kvHeads: json.num_key_value_heads ?? heads,
    headDim: json.head_dim ?? Math.floor(json.hidden_size / heads),
    mlpWidth: json.intermediate_size,
    normEpsilon: json.rms_norm_eps,
    tiedHead: json.tie_word_embeddings,
    maxPositions: reachOf(ropeScaling, stated),
    ropeTheta: rope.rope_theta ?? json.rope_theta ?? 10000,
    ropeScaling,
    bosTokenId: json.bos_token_id ?? null,
    eosTokenIds: [json.eos_token_id ?? []].flat(),
    ...Object.keys(traits).length > 0 && { traits },
  }, file);
}

/** Whether `auto_map` names other code than that which became transformers' own. */
function hasOwnCode({ modelType, architectures }: FamilyEntry, map: unknown): boolean {
  if (!map) return false;
  const { AutoModelForCausalLM: model } = map as Record<string, unknown>;
  return !architectures.some((name) => model === `modeling_${modelType}.${name}`);
}

/** DecoderConfig.maxPositions of a model whose files state `positions`. */
export function reachOf(scaling: RopeScaling | null, positions: number): number {
  return scaling?.type === "longrope" ? scaling.originalMaxPositions : positions;
}

/** Layers with sliding-window attention of a config.json, null where it has none. */
export function localLayers(
  { sliding_window: window, layer_types: types, num_hidden_layers: count }: Pick<
    ConfigJson,
    "num_hidden_layers" | "sliding_window" | "layer_types"
  >,
  isLocal: (layer: number) => boolean, // where the file does not list layer_types
  ropeTheta: number | null = null,
): LocalLayers | null {
  const layers = Array.from({ length: count }, (_, layer) => layer).filter((layer) =>
    types ? types[layer] === "sliding_attention" : isLocal(layer)
  );
  return window && layers.length > 0 ? { window, layers, ropeTheta } : null;
}

/** Whether a layer is not the last one of its period. */
export function before(period: number): (layer: number) => boolean {
  return (layer) => (layer + 1) % period !== 0;
}

/**
 * Qwen's sliding windows, off unless use_sliding_window is true: of the layers from max_window_layers
 * on, 28 where that is left out.
 */
export function windowOfLastLayers(json: ConfigJson): Pick<Partial<Traits>, "local"> {
  const first = json.max_window_layers ?? 28;
  const local = localLayers({ sliding_window: 4096, ...json }, (layer) => layer >= first);
  return json.use_sliding_window && local ? { local } : {};
}

/** The fields that windowOfLastLayers reads. */
export function windowFields(config: DecoderConfig): Record<string, unknown> {
  const { local } = traitsOf(config);
  return {
    use_sliding_window: local !== null,
    sliding_window: local?.window ?? null,
    layer_types: layerTypes(config.layers, local),
  };
}

/** `layer_types` of a config.json. */
export function layerTypes(layers: number, local: LocalLayers | null): string[] {
  return Array.from(
    { length: layers },
    (_, layer) => local?.layers.includes(layer) ? "sliding_attention" : "full_attention",
  );
}

/** A family's config.json. */
export function configToJson(
  family: FamilyEntry,
  config: DecoderConfig,
): Record<string, unknown> {
  return {
    architectures: family.architectures,
    model_type: family.modelType,
    vocab_size: config.vocabSize,
    hidden_size: config.width,
    intermediate_size: config.mlpWidth,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    [family.activation.field]: family.activation.name,
    rms_norm_eps: config.normEpsilon,
    rope_theta: config.ropeTheta,
    rope_scaling: ropeJson(config),
    ...positionsJson(config),
    tie_word_embeddings: config.tiedHead,
    ...family.fields(config),
    bos_token_id: config.bosTokenId,
    eos_token_id: config.eosTokenIds.length > 1
      ? config.eosTokenIds
      : config.eosTokenIds[0] ?? null,
  };
}

const { rawJSON } = JSON as typeof JSON & { rawJSON(text: string): unknown };

/** A number that JSON.stringify writes with a point: fields of type float refuse 30 in transformers 5. */
export function float(value: number | null): unknown {
  return value !== null && Number.isSafeInteger(value) ? rawJSON(`${value}.0`) : value;
}

/** Lengths in a config.json. */
function positionsJson({ maxPositions, ropeScaling }: DecoderConfig): Record<string, unknown> {
  if (ropeScaling?.type !== "longrope") return { max_position_embeddings: maxPositions };
  return {
    max_position_embeddings: ropeScaling.stretchedPositions,
    original_max_position_embeddings: ropeScaling.originalMaxPositions,
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
    case "longrope":
      return {
        rope_type: scaling.type,
        type: scaling.type, // Phi-3's own code reads this
        short_factor: scaling.shortFactors,
        long_factor: scaling.longFactors,
        attention_factor: scaling.attentionFactor,
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

/** The configuration, if the decoder can compute it; throws InputError naming `file` otherwise. */
export function checkConfig(config: DecoderConfig, file: string): DecoderConfig {
  const { heads, kvHeads, headDim, ropeScaling } = config;
  refuse(
    file,
    "an even head size of at least 2",
    !(headDim >= 2 && headDim % 2 === 0) && `${headDim}`,
  );
  refuse(file, `key heads to divide ${heads} heads`, heads % kvHeads !== 0 && `${kvHeads}`);
  for (const { length } of factorsOf(ropeScaling)) {
    refuse(file, `${headDim / 2} rotary factors`, length !== headDim / 2 && `${length}`);
  }
  return config;
}

/** Lists of a factor for each rotary frequency. */
function factorsOf(scaling: RopeScaling | null): number[][] {
  if (scaling?.type === "factors") return [scaling.factors];
  return scaling?.type === "longrope" ? [scaling.shortFactors, scaling.longFactors] : [];
}

/** Throws InputError where something was found that cannot be used. */
export function refuse(file: string, expected: string, found: unknown): void {
  if (found) throw new InputError(`Cannot use ${file}: expected ${expected}, got ${found}`);
}

function show(value: unknown, path: PropertyKey[]): string {
  for (const key of path) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  return value === undefined ? "none" : JSON.stringify(value).slice(0, 60);
}
