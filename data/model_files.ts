// Which files of a model folder or hub repository are wanted, by name; shared by the opener
// (data/models.ts) and the downloader (data/hub.ts).
import { z } from "zod";

/** model.safetensors.index.json: which file holds which weight. */
export const WeightIndex = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

/** The files an index names, each once, in order. */
export function shardNames(index: z.infer<typeof WeightIndex>): string[] {
  return [...new Set(Object.values(index.weight_map))].sort();
}

/** Whether a name is a .safetensors file of the same folder: no path, nothing hidden. */
export function isPlainFileName(name: string): boolean {
  return /^[\w][\w.-]*\.safetensors$/.test(name);
}

/** Whether a file is of a weight format that runs code when it is read. */
export function pickleFile(name: string): boolean {
  return /\.(bin|pt|pth|ckpt|pkl|pickle|keras|h5)$/i.test(name);
}

/** Configuration and text files that are read where a model has them. */
export const smallFiles = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
];

/**
 * Whether a name reads like a model of the hub: `name` or `owner/name`, by the rules of
 * huggingface_hub's validate_repo_id, and no .gguf file.
 */
export function isHubId(name: string): boolean {
  return name.length <= 96 && /^\w([\w.-]*\w)?(\/\w([\w.-]*\w)?)?$/.test(name) &&
    !/\.\.|--|\.(git|gguf)$/i.test(name);
}
