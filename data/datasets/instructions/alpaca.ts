// Alpaca's rows (Taori et al. 2023, https://github.com/tatsu-lab/stanford_alpaca): an instruction,
// perhaps an input to it, and the output. The chat template takes the place of Alpaca's own prompt.
import { readText } from "../reader.ts";
import { type InstructionReader, toExample } from "./reader.ts";

/** Reader of Alpaca rows: the user's turn is the instruction and, below a blank line, the input. */
export const alpaca: InstructionReader = {
  fields: "instruction, output (and perhaps input)",
  recognises: (fields) => "instruction" in fields && "output" in fields,
  read(row) {
    const instruction = readText(row, "instruction");
    const input = (row.fields.input ?? null) === null ? "" : readText(row, "input");
    return toExample([
      { role: "user", content: input.trim() === "" ? instruction : `${instruction}\n\n${input}` },
      { role: "assistant", content: readText(row, "output") },
    ]);
  },
};
