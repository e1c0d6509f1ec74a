// What a reader of instruction data is: one file format, recognised by its fields. The table of
// readers is in mod.ts.
import type { InstructionExample, Message } from "../../../core/text/example.ts";
import type { Row } from "../reader.ts";

/** A file format. */
export interface InstructionReader {
  /** What its rows hold, for messages: `instruction, input, output`. */
  fields: string;
  /** Whether a file whose first row has these fields is of this format. */
  recognises(fields: Record<string, unknown>): boolean;
  /**
   * One row; null for one in which the assistant says nothing. Throws InputError naming file, line
   * and field for a malformed one.
   */
  read(row: Row): InstructionExample | null;
}

/**
 * A dialogue whose assistant turns from `from` on are to be learned; null where there are none with
 * text. What follows the last of them is left out, turns before the first of them are prompt.
 */
export function toExample(messages: Message[], { from = 0 } = {}): InstructionExample | null {
  const isLearned = ({ role, content }: Message, i: number) =>
    i >= from && role === "assistant" && content.trim() !== "";
  const first = messages.findIndex(isLearned);
  if (first < 0) return null;
  const last = messages.findLastIndex(isLearned);
  return { prompt: messages.slice(0, first), completion: messages.slice(first, last + 1) };
}
