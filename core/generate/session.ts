// The decoder on ONNX Runtime: opens core/generate/graph.ts on a weight file. It blocks its thread
// while it computes, so it lives in a Worker; core/generate/onnx_decoder.ts runs it.
import * as ort from "onnxruntime-node";
import type { DecoderConfig } from "../models/config.ts";
import type { Decoder, WeightFormat } from "./decoder.ts";
import { adapterAsInputs } from "./graph_adapter.ts";
import { decoderGraph } from "./graph.ts";
import { LoadedAdapter } from "./live_sequence.ts";
import { OnnxDecoder } from "./onnx_decoder.ts";
import type { WeightFile } from "./weight_file.ts";

/** Where the weights are and how to compute. */
export interface SessionOptions {
  config: DecoderConfig;
  format: WeightFormat;
  weights: WeightFile;
  /** Folder of the weight file. */
  folder: string;
  /** Its name there. */
  file: string;
  /** Threads of ONNX Runtime, at least 1. */
  threads: number;
  /**
   * Whether this decoder has its process and the cores to itself. Then threads spin between two
   * products: a third faster on an idle machine, several times slower where a training run or a
   * second chat wants the same cores. They rest between two calls.
   */
  spin: boolean;
}

/** Opens a decoder on a weight file. Caller disposes. */
export async function createDecoder(options: SessionOptions): Promise<Decoder> {
  const { config, format, weights, folder, file, threads, spin } = options;
  const model = decoderGraph(config, { format, weights, file, adapter: adapterAsInputs });
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: threads,
    graphOptimizationLevel: "all",
    // Plans of memory save a twentieth of a step; they are kept for every length that was ever met.
    enableMemPattern: spin,
    logSeverityLevel: 4, // errors come as exceptions
    extra: {
      session: {
        model_external_initializers_file_folder_path: folder,
        intra_op: { allow_spinning: spin ? "1" : "0" },
        force_spinning_stop: "1",
      },
    },
  });
  return new OnnxDecoder(session, {
    config,
    base: new LoadedAdapter(config, null),
    bytes: weights.bytes,
  });
}
