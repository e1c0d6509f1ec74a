// What an entry of core/models/families.ts has to say about a family of models.
import type { DecoderConfig } from "./config.ts";
import type { GgufFile } from "./gguf.ts";

/** What has to be known of a family of models to read one. */
export interface ModelFamily {
  /** Key of the table, DecoderConfig.family. */
  name: string;
  /** `architectures` of config.json. */
  architectures: string[];
  /** `model_type` of config.json. */
  modelType: string;
  /** `general.architecture` of GGUF files. */
  ggufArchitecture: string;
  /** Configuration from config.json; throws InputError for what the decoder cannot compute. */
  fromConfigJson(json: Record<string, unknown>, file: string): DecoderConfig;
  /**
   * config.json of a configuration, as transformers reads it, but for the type of the weights. Throws
   * InputError for what such a file cannot say.
   */
  toConfigJson(config: DecoderConfig): Record<string, unknown>;
  /** Configuration from GGUF metadata, and rope_freqs where there; throws InputError likewise. */
  fromGguf(file: GgufFile): Promise<DecoderConfig>;
  /** Name and shape of every weight, (out, in) for maps, under Hugging Face's names. */
  weightShapes(config: DecoderConfig): Map<string, number[]>;
  /**
   * The GGUF tensor that holds a weight. `permutedHeads`: its rows were interleaved per head by
   * llama.cpp's converter, for this number of heads.
   */
  ggufTensor(name: string, config: DecoderConfig): { name: string; permutedHeads?: number };
}
