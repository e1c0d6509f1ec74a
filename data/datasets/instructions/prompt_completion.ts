// A prompt and its completion, each a text or a list of {role, content}, as TRL writes them: what
// the assistant says in the prompt is read and not learned.
import { malformed, readMessages, readPrompt, readText } from "../reader.ts";
import { type InstructionReader, toExample } from "./reader.ts";

/** Reader of prompts with completions; texts become one turn of the user and of the assistant. */
export const promptCompletion: InstructionReader = {
  fields: "prompt, completion",
  recognises: (fields) => "prompt" in fields && "completion" in fields,
  read(row) {
    const prompt = readPrompt(row);
    if (!Array.isArray(row.fields.completion)) {
      const content = readText(row, "completion");
      return toExample([...prompt, { role: "assistant", content }], { from: prompt.length });
    }
    const completion = readMessages(row, "completion");
    if (completion[0]?.role !== "assistant") {
      const form = "a text or a list of {role, content} that begins with the assistant";
      throw malformed(row.where, "completion", form, row.fields.completion);
    }
    return toExample([...prompt, ...completion], { from: prompt.length });
  },
};
