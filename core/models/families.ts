// The table of model families: which models can be read, and how a family's config.json, GGUF
// metadata and tensor names become the decoder's. A further family is a further entry.
import { InputError } from "../errors.ts";
import type { DecoderConfig } from "./config.ts";
import type { ModelFamily } from "./family.ts";
import type { GgufFile } from "./gguf.ts";
import { gemma2 } from "./families/gemma2.ts";
import { gemma3 } from "./families/gemma3.ts";
import { llama } from "./families/llama.ts";
import { mistral } from "./families/mistral.ts";
import { olmo2 } from "./families/olmo2.ts";
import { phi3 } from "./families/phi3.ts";
import { qwen2 } from "./families/qwen2.ts";
import { qwen3 } from "./families/qwen3.ts";

export type { ModelFamily } from "./family.ts";

/** Every family that can be read. */
export const families: ModelFamily[] = [llama, qwen2, qwen3, mistral, olmo2, gemma2, gemma3, phi3];

/** The family of a config.json; `file` names it in messages. Throws InputError for unknown ones. */
export function familyOfConfigJson(json: Record<string, unknown>, file: string): ModelFamily {
  const { architectures, model_type: modelType } = json;
  const names = Array.isArray(architectures) ? architectures : [];
  const family = families.find((f) =>
    names.length > 0
      ? names.some((name) => f.architectures.includes(name))
      : f.modelType === modelType
  );
  if (family) return family;
  const known = families.flatMap((f) => f.architectures).join(", ");
  const found = names.length > 0 ? names.join(", ") : `model_type ${modelType}`;
  throw new InputError(`Cannot use ${file}: expected a model of family ${known}, got ${found}`);
}

/** The family of a GGUF file. Throws InputError for unknown ones. */
export function familyOfGguf(file: GgufFile): ModelFamily {
  const architecture = file.metadata["general.architecture"];
  const family = families.find((f) => f.gguf.architecture === architecture);
  if (family) return family;
  const known = [...new Set(families.map((f) => f.gguf.architecture))].join(", ");
  throw new InputError(
    `Cannot use ${file.name}: expected a model of family ${known}, got ${architecture ?? "none"}`,
  );
}

/** The family of a configuration made by this table. */
export function familyOf(config: DecoderConfig): ModelFamily {
  const family = families.find((f) => f.name === config.family);
  if (family) return family;
  const known = families.map((f) => f.name).join(", ");
  throw new InputError(`Cannot use model: expected a family of ${known}, got ${config.family}`);
}
