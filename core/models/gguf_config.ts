// A decoder's configuration from the metadata of a GGUF file: what is the same in all families of
// core/models/families.ts, whose entries add what is not.
// Keys: ggml/docs/gguf.md, and gguf-py/gguf/constants.py of llama.cpp.
import { CorruptFileError, InputError } from "../errors.ts";
import { checkConfig, maxLayers, reachOf, refuse } from "./config_json.ts";
import {
  type DecoderConfig,
  longropeAttentionFactor,
  type RopeScaling,
  yarnAttentionFactor,
} from "./config.ts";
import type { FamilyEntry } from "./family.ts";
import type { GgufFile } from "./gguf.ts";
import { fileName, ggufTensor, weightShapes } from "./weight_names.ts";

/** Tensors that hold rotary factors: Llama 3's, and LongRoPE's. */
const FACTORS = "rope_freqs.weight";
const SHORT_FACTORS = "rope_factors_short.weight";
const LONG_FACTORS = "rope_factors_long.weight";

/** A family's configuration from GGUF metadata. */
export async function configFromGguf(family: FamilyEntry, file: GgufFile): Promise<DecoderConfig> {
  const { gguf } = family;
  const read = new GgufFields(file, gguf.architecture);
  refuse(file.name, "a dense model", read.number("expert_count", 0) && "a mixture of experts");
  const width = read.count("embedding_length");
  const heads = read.count("attention.head_count");
  const headDim = read.count(
    "attention.key_length",
    read.count("rope.dimension_count", width / heads),
  );
  const rotated = read.count("rope.dimension_count", headDim);
  const valueDim = read.count("attention.value_length", headDim);
  refuse(file.name, `values as wide as keys, ${headDim}`, valueDim !== headDim && `${valueDim}`);
  refuse(file.name, `all ${headDim} dimensions rotated`, rotated !== headDim && `${rotated}`);
  const embedding = file.tensors.get("token_embd.weight");
  const stated = read.count("context_length");
  const ropeScaling = await ggufRopeScaling(file, read, stated);
  const stops = [
    file.metadata["tokenizer.ggml.eos_token_id"],
    file.metadata["tokenizer.ggml.eot_token_id"],
  ].filter((id) => typeof id === "number");
  const start = file.metadata["tokenizer.ggml.bos_token_id"];
  const base: DecoderConfig = {
    family: family.name,
    vocabSize: embedding?.shape[0] ?? read.count("vocab_size"),
    width,
    layers: read.count("block_count"),
    heads,
    kvHeads: read.count("attention.head_count_kv", heads),
    headDim,
    mlpWidth: read.count("feed_forward_length"),
    normEpsilon: read.number("attention.layer_norm_rms_epsilon"),
    tiedHead: !file.tensors.has("output.weight"),
    maxPositions: reachOf(ropeScaling, stated),
    ropeTheta: read.number("rope.freq_base", 10000),
    ropeScaling,
    bosTokenId: typeof start === "number" ? start : null,
    eosTokenIds: [...new Set(stops)],
  };
  const traits = gguf.traits(read, base);
  const config = { ...base, ...Object.keys(traits).length > 0 && { traits } };
  const known = new Set([FACTORS, SHORT_FACTORS, LONG_FACTORS]);
  for (const name of weightShapes(config).keys()) {
    const { interleaved } = gguf;
    known.add(ggufTensor(fileName(name, family.fused), { config, interleaved }).name);
  }
  const unknown = [...file.tensors.keys()].find((name) => !known.has(name));
  refuse(file.name, `only the tensors of a ${gguf.architecture} model`, unknown);
  return checkConfig(config, file.name);
}

/** Rotary scaling of a GGUF file: of Llama 3 and LongRoPE in tensors, the others as metadata. */
async function ggufRopeScaling(
  file: GgufFile,
  read: GgufFields,
  maxPositions: number,
): Promise<RopeScaling | null> {
  if (file.tensors.has(FACTORS)) {
    return { type: "factors", factors: [...await file.read(FACTORS)] };
  }
  if (file.tensors.has(SHORT_FACTORS) && file.tensors.has(LONG_FACTORS)) {
    const original = read.count("rope.scaling.original_context_length");
    const attentionFactor = longropeAttentionFactor(maxPositions / original, original);
    return {
      type: "longrope",
      shortFactors: [...await file.read(SHORT_FACTORS)],
      longFactors: [...await file.read(LONG_FACTORS)],
      originalMaxPositions: original,
      stretchedPositions: maxPositions,
      attentionFactor: read.number("rope.scaling.attn_factor", attentionFactor),
    };
  }
  const type = read.value("rope.scaling.type") ?? "linear";
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

/** Numbers among a file's metadata, by their keys after the architecture's name. */
export class GgufFields {
  constructor(private readonly file: GgufFile, private readonly architecture: string) {}

  /** Whatever stands there; undefined for nothing. */
  value(key: string): unknown {
    return this.file.metadata[`${this.architecture}.${key}`];
  }

  count(key: string, missing?: number): number {
    const value = this.number(key, missing);
    const most = key === "block_count" ? maxLayers : 2 ** 31;
    if (Number.isInteger(value) && value > 0 && value <= most) return value;
    throw new CorruptFileError(
      `Cannot read ${this.file.name}: expected ${this.architecture}.${key} from 1 to ${most}, got ${value}`,
    );
  }

  number(key: string, missing?: number): number {
    const value = this.value(key) ?? missing;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw new CorruptFileError(
      `Cannot read ${this.file.name}: expected a number as ${this.architecture}.${key}, got ` +
        `${value ?? "none"}`,
    );
  }
}
