// A LoRA as llama.cpp loads one (`--lora`): a GGUF file of the adapter's kind, two float32 matrices for
// every adapted map. Source: convert_lora_to_gguf.py and llama-adapter.cpp of llama.cpp.
import type { DecoderConfig } from "../models/config.ts";
import { familyOf } from "../models/families.ts";
import { encodeGguf, type Float32Tensor } from "../models/gguf_writer.ts";
import { permuteRows } from "../models/weights.ts";
import type { Lora } from "./lora_maps.ts";

/**
 * The bytes of the file for a LoRA on the maps of the base's own files. llama.cpp multiplies the
 * increment by scale · alpha / rank, so that alpha is the rank. Rows of B go where llama.cpp's converter puts those of the base's queries and keys.
 * `config`: the base model; `name`: what the file says it is.
 */
export function ggufLora(
  { rank, maps }: Lora,
  { config, name }: { config: DecoderConfig; name: string },
): Uint8Array<ArrayBuffer> {
  const family = familyOf(config);
  const tensors = new Map<string, Float32Tensor>();
  for (const { module, A, B, ...map } of maps) {
    const { name: weight, permutedHeads } = family.ggufTensor(`${module}.weight`, config);
    const rows = permutedHeads === undefined ? B : permuteRows(B, permutedHeads, config.headDim);
    tensors.set(`${weight}.lora_a`, { shape: [rank, map.in], values: A });
    tensors.set(`${weight}.lora_b`, { shape: [map.out, rank], values: rows });
  }
  return encodeGguf({
    metadata: {
      "general.architecture": { type: "string", value: family.gguf.architecture },
      "general.type": { type: "string", value: "adapter" },
      "general.name": { type: "string", value: name },
      "adapter.type": { type: "string", value: "lora" },
      "adapter.lora.alpha": { type: "float32", value: rank },
    },
    tensors,
  });
}
