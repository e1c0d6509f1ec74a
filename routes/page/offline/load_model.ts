// An exported model in ONNX Runtime's WebAssembly: the decoder and tokenizer of the service, in a browser.
import * as ort from "onnxruntime-web/wasm";
import { IN_BROWSER, type InBrowser } from "../../../core/export/in_browser.ts";
import type { Decoder } from "../../../core/generate/decoder.ts";
import { IncludedAdapter } from "../../../core/generate/live_sequence.ts";
import { OnnxDecoder } from "../../../core/generate/onnx_decoder.ts";
import { type ChatTokenizer, createTokenizer } from "../../../core/text/tokenizer.ts";
import type { ModelFiles } from "./model_files.ts";

const RUNTIME = "ort-wasm-simd-threaded.wasm";

/** A model ready to answer; sequences without an adapter take λ over its dimensions. */
export interface LoadedModel {
  model: InBrowser;
  decoder: Decoder;
  tokenizer: ChatTokenizer;
}

/** Loads the model of a folder; `onProgress` is told of bytes, 0 of 0 where there are none to count. */
export async function loadModel(
  files: ModelFiles,
  onProgress: (what: string, done: number, total: number) => void,
): Promise<LoadedModel> {
  const model: InBrowser = await json(files, IN_BROWSER);
  const { config, dimensions, graph, weights } = model;
  ort.env.wasm.wasmBinary = await files.bytes(RUNTIME, (done, total) => {
    onProgress("Fetching ONNX Runtime", done, total);
  });
  ort.env.wasm.numThreads = 1; // more need headers that static hosts do not send
  const tokenizer = createTokenizer({
    kind: "huggingface",
    tokenizer: await json(files, "tokenizer.json"),
    tokenizerConfig: await json(files, "tokenizer_config.json"),
    chatTemplate: await files.text("chat_template.jinja") ?? undefined,
  }, config);
  const data = await files.bytes(
    weights.name,
    (done) => onProgress("Fetching weights", done, weights.bytes),
  );
  onProgress("Preparing the model", 0, 0);
  const session = await ort.InferenceSession.create(await files.bytes(graph), {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
    externalData: [{ path: weights.name, data }],
  });
  const base = new IncludedAdapter(dimensions.length);
  return {
    model,
    decoder: new OnnxDecoder(session, { config, base, bytes: weights.bytes }),
    tokenizer,
  };
}

async function json<T>(files: ModelFiles, name: string): Promise<T> {
  return JSON.parse(new TextDecoder().decode(await files.bytes(name)));
}
