// An adapter and its base as one ONNX model that takes λ: the decoder's graph with the factors of every
// map as constants, and what λ scales them by as one small product. Exact for every λ because the
// weights are affine in it (Zhong et al. 2024, eq. 5).
import type { AdapterSource, WeightFormat } from "../generate/decoder.ts";
import { adapterInputs } from "../generate/adapter_inputs.ts";
import { adapterAsConstants, CORNERS } from "../generate/graph_adapter.ts";
import { decoderGraph } from "../generate/graph.ts";
import { type WeightFile, weightFile } from "../generate/weight_file.ts";
import type { DecoderConfig } from "../models/config.ts";
import { cornerFactors } from "./lora_maps.ts";

/** The model's two files. */
export interface OnnxModel {
  graph: Uint8Array;
  weights: WeightFile;
}

/**
 * The model of an adapter on a base of `config`; `file` is what the graph calls its weight file.
 * Throws InputError for an adapter that does not fit the base or is not affine in λ.
 */
export function onnxModel(
  config: DecoderConfig,
  source: AdapterSource,
  { format, file }: { format: WeightFormat; file: string },
): OnnxModel {
  const { adapter, objectives } = source;
  const corners = {
    name: CORNERS,
    dims: [objectives, adapter.width],
    values: Float32Array.from(cornerFactors(adapter, objectives).flatMap((own) => [...own])),
  };
  const weights = weightFile(config, format, [corners, ...adapterInputs(config, source)]);
  const constants = adapterAsConstants(objectives);
  return { graph: decoderGraph(config, { format, weights, file, adapter: constants }), weights };
}
