// How supervised fine-tuning ends: a model folder in the run's own, which opens as a base here and in
// Hugging Face's libraries. Text files are the base model's; weights are the trained ones, or the
// base's with the adapter merged in.
import { join } from "node:path";
import type { Adapter } from "../../core/adapters/adapter.ts";
import type { StoredParameters } from "../../core/adapters/parameters.ts";
import type { RunConfig } from "../../core/config.ts";
import { mapShape } from "../../core/models/decoder.ts";
import { familyOf } from "../../core/models/families.ts";
import type { WeightSource } from "../../core/models/weights.ts";
import type { OpenedModel } from "../../data/models.ts";
import { encodeJson } from "../../data/store/json.ts";
import {
  type ModelFolder,
  type StoredType,
  writeModelFolder,
} from "../../data/store/model_folder.ts";
import { type AdapterConfig, MODEL, type Run } from "../../data/store/run_folder.ts";
import { madeFrom } from "../model_card.ts";

/** Where the model folder of a run lies. */
export function modelFolderOf(run: Run): string {
  return join(run.path, MODEL);
}

/** transformers' words for how weights are stored. */
const torchTypes: Record<StoredType, string> = { F32: "float32", BF16: "bfloat16" };

/** Writes the model folder of a run from its base and its trained weights. */
export async function storeModel(
  run: Run,
  { opened, card, chatTemplate, dtype, read }: {
    opened: OpenedModel; // the base
    card: string;
    chatTemplate: string | null; // in place of one that the base lacks
    dtype: StoredType;
    read: ModelFolder["read"];
  },
): Promise<void> {
  const { config } = opened;
  const family = familyOf(config);
  const json = { ...family.toConfigJson(config), torch_dtype: torchTypes[dtype] };
  await writeModelFolder(modelFolderOf(run), {
    files: {
      ...await opened.textFiles(),
      ...chatTemplate !== null && { "chat_template.jinja": chatTemplate },
      "config.json": encodeJson(json, { name: "config.json" }) + "\n",
      "README.md": card,
    },
    shapes: family.weightShapes(config),
    read,
    dtype,
  });
}

/** Weights of the base with an adapter merged in; `parameters` are all of its maps'. */
export function mergedWeights(
  base: WeightSource,
  { adapter, parameters }: { adapter: Adapter; parameters: StoredParameters },
): ModelFolder["read"] {
  return async (name) => {
    const weight = await base.read(name); // (out, in)
    const [, module, map] = /^(model\.layers\.\d+\.(.+))\.weight$/.exec(name) ?? [];
    const own = adapter.parameterNames.flatMap((parameter) =>
      parameters.get(`${module}.${parameter}`) ?? []
    );
    if (map === undefined || own.length === 0) return weight;
    const shape = mapShape(map, base.config);
    const increment = adapter.merge(own, [1]); // (in, out)
    for (let o = 0; o < shape.out; o++) {
      for (let i = 0; i < shape.in; i++) {
        const at = o * shape.in + i;
        weight[at] = (weight[at] ?? NaN) + (increment[i * shape.out + o] ?? NaN);
      }
    }
    return weight;
  };
}

/** Markdown card of an adapter or a model made by supervised fine-tuning. */
export function sftCard(adapter: AdapterConfig, config: RunConfig): string {
  return [
    "---",
    `base_model: ${JSON.stringify(adapter.base_model)}`,
    "tags: [sft]",
    "---",
    "",
    `# Fine-tuned on ${config.dataset}`,
    "",
    "Made by supervised fine-tuning: the loss is on the assistant's turns alone. The loss on held-out " +
    "dialogues is in reports/held_out.json of the run.",
    "",
    ...madeFrom(adapter, config),
  ].join("\n");
}
