// A model folder made of a base model and other weights, which opens as a base here and in Hugging
// Face's libraries: text files are the base model's. Where fine-tuning ends, and what `export` merges.
import type { OpenedModel } from "../data/models.ts";
import { familyOf } from "../core/models/families.ts";
import { encodeJson } from "../data/store/json.ts";
import { fileTensors } from "../core/models/weights.ts";
import { type StoredType, storedTypes, writeModelFolder } from "../data/store/model_folder.ts";

/** What goes into the folder. */
export interface NewModel {
  opened: OpenedModel; // the base
  /** README.md and whatever else lies beside the model's own files, by name. */
  files: Record<string, Uint8Array | string>;
  dtype: StoredType;
  read(name: string): Promise<Float32Array>; // by our names
}

/** Writes the folder; throws as writeModelFolder, and InputError where a config.json cannot say it. */
export async function storeModel(
  path: string,
  { opened, files, dtype, read }: NewModel,
): Promise<void> {
  const { config } = opened;
  const family = familyOf(config);
  const json = { ...family.toConfigJson(config), torch_dtype: storedTypes[dtype].torch };
  const { bos_token_id, eos_token_id } = json as Record<string, unknown>;
  const encode = (name: string, value: Record<string, unknown>) => ({
    [name]: encodeJson(value, { name }) + "\n",
  });
  await writeModelFolder(path, {
    files: {
      ...encode("generation_config.json", { bos_token_id, eos_token_id }),
      ...await opened.textFiles(),
      ...encode("config.json", json),
      ...files,
    },
    ...fileTensors(config, read),
    dtype,
  });
}
