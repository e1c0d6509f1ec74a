// How supervised fine-tuning ends: a model folder in the run's own, whose weights are the trained ones,
// or the base's with the adapter merged in; and its model card.
import { join } from "node:path";
import type { RunConfig } from "../../core/config.ts";
import { type AdapterConfig, MODEL, type Run } from "../../data/store/run_folder.ts";
import { dataLicense, licenseLine, madeFrom } from "../model_card.ts";

/** Where the model folder of a run lies. */
export function modelFolderOf(run: Run): string {
  return join(run.path, MODEL);
}

/** What lies beside the base model's own files; `chatTemplate` takes the place of one it lacks. */
export function modelFiles(
  { card, chatTemplate }: { card: string; chatTemplate: string | null },
): Record<string, string> {
  return {
    ...chatTemplate !== null && { "chat_template.jinja": chatTemplate },
    "README.md": card,
  };
}

/** Markdown card of an adapter or a model made by supervised fine-tuning. */
export async function sftCard(adapter: AdapterConfig, config: RunConfig): Promise<string> {
  const license = await dataLicense(config);
  return [
    "---",
    `base_model: ${JSON.stringify(adapter.base_model)}`,
    ...licenseLine(license),
    "tags: [sft]",
    "---",
    "",
    `# Fine-tuned on ${config.dataset}`,
    "",
    "Made by supervised fine-tuning: the loss is on the assistant's turns alone. The loss on held-out " +
    "dialogues is in reports/held_out.json of the run.",
    "",
    ...madeFrom(adapter, config, { license }),
  ].join("\n");
}
