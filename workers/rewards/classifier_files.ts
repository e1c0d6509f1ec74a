// The files of an ONNX text-classification model, as @huggingface/transformers and optimum lay them
// out: in `onnx/`, or beside config.json.
import { join } from "node:path";
import { InputError } from "../../core/errors.ts";
import { statOrNull } from "../../data/files.ts";

/** What a classifier reads besides its graph, where it has it. */
export const classifierFiles = ["config.json", "tokenizer.json", "tokenizer_config.json"];

/** Graphs by the name of their number format, most exact first. */
const graphs: [dtype: string, file: string][] = [
  ["fp32", "model.onnx"],
  ["fp16", "model_fp16.onnx"],
  ["q8", "model_quantized.onnx"],
  ["int8", "model_int8.onnx"],
  ["uint8", "model_uint8.onnx"],
];

/** Every place that a graph may have in a model's folder or repository, the best first. */
export const graphPlaces = graphs.flatMap(([, file]) => [`onnx/${file}`, file]);

/** The graph in a folder, as a path within it; throws InputError where there is none. */
export async function findModelFile(folder: string): Promise<string> {
  for (const place of graphPlaces) if (await statOrNull(join(folder, place))) return place;
  throw new InputError(
    `Cannot use reward model ${folder}: expected a graph such as onnx/model.onnx in it, got none`,
  );
}

/** How the library is told which graph to take. */
export function graphOptions(place: string): { subfolder: string; dtype: string } {
  const file = place.slice(place.lastIndexOf("/") + 1);
  const dtype = graphs.find(([, name]) => name === file)?.[0] ?? "fp32";
  return { subfolder: place === file ? "" : "onnx", dtype };
}
