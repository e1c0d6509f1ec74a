// HH dialogues (Bai et al. 2022, https://github.com/anthropics/hh-rlhf): `chosen` and `rejected`
// are whole dialogues that differ in the last turn of the assistant. A file belongs to one
// dimension, which the dataset option names: `helpful=FILE`.
import type { Message } from "../../core/text/example.ts";
import { type DatasetReader, malformed, readText, type Row, unnamed } from "./reader.ts";

/** Reader of HH files. Pairs whose two prompts differ are left out: DPO compares one prompt. */
export const hh: DatasetReader = {
  fields: 'chosen, rejected as dialogues "\\n\\nHuman: … \\n\\nAssistant: …"',
  namesDimensions: false,
  recognises: ({ chosen, rejected, ...others }) =>
    !("prompt" in others) && (isDialogue(chosen) || isDialogue(rejected)),
  open: ({ onLeftOut }) => ({
    read(row) {
      const chosen = readDialogue(row, "chosen");
      const rejected = readDialogue(row, "rejected");
      if (JSON.stringify(chosen.prompt) !== JSON.stringify(rejected.prompt)) {
        onLeftOut("two_prompts");
        return [];
      }
      return [{
        prompt: chosen.prompt,
        responses: [chosen.response, rejected.response],
        labels: { [unnamed]: 0 },
      }];
    },
  }),
};

function isDialogue(value: unknown): boolean {
  return typeof value === "string" && value.includes("\n\nHuman:");
}

/** The turns of a dialogue; the last one is the response. */
function readDialogue(row: Row, field: string): { prompt: Message[]; response: string } {
  const text = readText(row, field);
  const [before, ...parts] = text.split(/\n\n(Human|Assistant):/);
  const turns: Message[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const role = parts[i] === "Human" ? "user" : "assistant";
    turns.push({ role, content: (parts[i + 1] ?? "").trim() });
  }
  const response = turns.pop();
  if (before?.trim() !== "" || response?.role !== "assistant" || turns.length === 0) {
    const form = 'a dialogue "\\n\\nHuman: … \\n\\nAssistant: …" that ends with the assistant';
    throw malformed(row.where, field, form, text);
  }
  return { prompt: turns, response: response.content };
}
