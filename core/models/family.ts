// What an entry of core/models/families.ts has to say about a family of models, and what follows from
// it: most of a config.json, of GGUF metadata and of tensor names is the same in all of them.
import { configFromJson, type ConfigJson, configToJson } from "./config_json.ts";
import type { DecoderConfig, RopeFields } from "./config.ts";
import type { GgufFile } from "./gguf.ts";
import { configFromGguf, type GgufFields } from "./gguf_config.ts";
import type { Traits } from "./traits.ts";
import { fileName, ggufTensor, weightShapes } from "./weight_names.ts";
import type { z } from "zod";

/** A family of models, as an entry describes it. */
export interface FamilyEntry {
  /** Key of the table, DecoderConfig.family. */
  name: string;
  /** `architectures` of config.json. */
  architectures: string[];
  /** `model_type` of config.json. */
  modelType: string;
  /** How GGUF files hold it. */
  gguf: {
    /** `general.architecture`; the first family of the table with it reads such a file. */
    architecture: string;
    /** Whether llama.cpp's converter interleaves the rows of queries and keys per head. */
    interleaved: boolean;
    /** Traits that the metadata tells; `base` is the configuration without them. */
    traits(read: GgufFields, base: DecoderConfig): Partial<Traits>;
  };
  /** What fields of config.json mean where they are left out, beside the defaults of all families. */
  defaults: Partial<ConfigJson>;
  /** The field that names the activation of the MLP, and the one name that it may have. */
  activation: { field: "hidden_act" | "hidden_activation"; name: string };
  /** Maps that files hold below each other in one, by the name of that one. */
  fused: Record<string, string>;
  /** Traits that a config.json, named `file` in messages, tells; {} for Llama's. */
  traits(json: ConfigJson, file: string): Partial<Traits>;
  /** The rotary fields of a config.json. */
  rope(json: ConfigJson): z.infer<typeof RopeFields>;
  /** Fields of config.json beside those of all families. */
  fields(config: DecoderConfig): Record<string, unknown>;
}

/** What has to be known of a family of models to read one. */
export interface ModelFamily extends FamilyEntry {
  /** Configuration from config.json; throws InputError for what the decoder cannot compute. */
  fromConfigJson(json: Record<string, unknown>, file: string): DecoderConfig;
  /**
   * config.json of a configuration, as transformers reads it, but for the type of the weights. Throws
   * InputError for what such a file cannot say.
   */
  toConfigJson(config: DecoderConfig): Record<string, unknown>;
  /** Configuration from GGUF metadata, and rotary factors where there; throws InputError likewise. */
  fromGguf(file: GgufFile): Promise<DecoderConfig>;
  /** Name and shape of every weight, (out, in) for maps, under Hugging Face's names. */
  weightShapes(config: DecoderConfig): Map<string, number[]>;
  /** Name of the tensor that holds a weight in the family's own files, alone or fused with others. */
  fileName(name: string): string;
  /**
   * The GGUF tensor that holds a tensor of the family's own files. `permutedHeads`: its rows were
   * interleaved per head by llama.cpp's converter, for this number of heads.
   */
  ggufTensor(name: string, config: DecoderConfig): { name: string; permutedHeads?: number };
}

/** A family by what it has of its own; what is left out is as in Llama. */
export function modelFamily(
  own: Pick<FamilyEntry, "name" | "architectures" | "modelType" | "gguf"> & Partial<FamilyEntry>,
): ModelFamily {
  const entry: FamilyEntry = {
    defaults: {},
    activation: { field: "hidden_act", name: "silu" },
    fused: {},
    traits: () => ({}),
    rope: (json) => ({ ...json.rope_parameters ?? json.rope_scaling }),
    fields: () => ({}),
    ...own,
  };
  return {
    ...entry,
    fromConfigJson: (json, file) => configFromJson(entry, json, file),
    toConfigJson: (config) => configToJson(entry, config),
    fromGguf: (file) => configFromGguf(entry, file),
    weightShapes,
    fileName: (name) => fileName(name, entry.fused),
    ggufTensor: (name, config) => ggufTensor(name, { config, interleaved: entry.gguf.interleaved }),
  };
}
