// Dialogues as chat models are given them: `messages`, a list of {role, content}. Every turn of the
// assistant is learned.
import { readMessages } from "../reader.ts";
import { type InstructionReader, toExample } from "./reader.ts";

/** Reader of dialogues, of one turn or of many. */
export const messages: InstructionReader = {
  fields: "messages",
  recognises: (fields) => "messages" in fields,
  read: (row) => toExample(readMessages(row, "messages")),
};
