// TRL's preference data (https://huggingface.co/docs/trl/dataset_formats): `chosen` and `rejected` as
// texts or as lists of {role, content}, with a `prompt` of either kind or with what both begin with
// for a prompt. A file belongs to one dimension, which the dataset option names: `helpful=FILE`.
import type { Message } from "../../core/text/example.ts";
import {
  type DatasetReader,
  type LabelledPair,
  malformed,
  readMessages,
  readPrompt,
  readText,
  type Row,
  unnamed,
} from "./reader.ts";

type Pair = Omit<LabelledPair, "labels">;

/** Reader of prompt, chosen, rejected. Pairs whose two prompts differ are left out. */
export const trl: DatasetReader = {
  fields: "chosen, rejected (and perhaps prompt) as texts or lists of {role, content}",
  namesDimensions: false,
  recognises: (fields) => "chosen" in fields && "rejected" in fields,
  open: ({ onLeftOut }) => ({
    read(row) {
      const pair = readChosenRejected(row);
      if (pair !== null) return [{ ...pair, labels: { [unnamed]: 0 } }];
      onLeftOut("two_prompts");
      return [];
    },
  }),
};

/** Prompt and the two responses, chosen first; null where the two have different prompts. */
export function readChosenRejected(row: Row): Pair | null {
  if (Array.isArray(row.fields.chosen)) return readDialogues(row);
  const responses: [string, string] = [readText(row, "chosen"), readText(row, "rejected")];
  return row.fields.prompt === undefined
    ? withoutCommonStart(row, responses)
    : { prompt: readPrompt(row), responses };
}

/**
 * Texts without a prompt: it is what both begin with, as TRL's extract_prompt has it: letter by
 * letter, without the blank before the first difference, and never all of a text.
 */
function withoutCommonStart(row: Row, [chosen, rejected]: [string, string]): Pair {
  const [first, second] = [Array.from(chosen), Array.from(rejected)];
  const least = Math.min(first.length, second.length);
  let end = first.findIndex((letter, i) => letter !== second[i] || i === least - 1);
  if (first[end] !== second[end] && first[end - 1] === " ") end--;
  if (end <= 0) {
    const form = "a prompt, or the beginning of rejected, which is one then,";
    throw malformed(row.where, "chosen", form, chosen);
  }
  return {
    prompt: [{ role: "user", content: first.slice(0, end).join("") }],
    responses: [first.slice(end).join(""), second.slice(end).join("")],
  };
}

/** Lists of messages: whole dialogues, or what follows a prompt that is a list too. */
function readDialogues(row: Row): Pair | null {
  const before = Array.isArray(row.fields.prompt) ? readMessages(row, "prompt") : [];
  const whole = (field: string) => {
    const turns = readMessages(row, field);
    return beginsWith(turns, before) ? turns : [...before, ...turns];
  };
  const [chosen, rejected] = [whole("chosen"), whole("rejected")];
  const common = commonTurns(chosen, rejected);
  const rests = { chosen: chosen.slice(common.length), rejected: rejected.slice(common.length) };
  if (Object.values(rests).some(([first]) => first?.role !== "assistant")) return null;
  for (const [field, { length }] of Object.entries(rests)) {
    if (length === 1) continue;
    const form = "one turn of the assistant behind the common beginning";
    throw malformed(row.where, field, form, row.fields[field]);
  }
  return {
    // A text beside whole dialogues says once more what they begin with (UltraFeedback binarized).
    prompt: common.length > 0 ? common : readPrompt(row),
    responses: [rests.chosen[0]?.content ?? "", rests.rejected[0]?.content ?? ""],
  };
}

function beginsWith(turns: Message[], start: Message[]): boolean {
  return turns.length > start.length && start.every((turn, i) => isSame(turn, turns[i]));
}

/** The turns that both begin with, less the last of each, which is a response. */
function commonTurns(chosen: Message[], rejected: Message[]): Message[] {
  const most = Math.min(chosen.length, rejected.length) - 1;
  const end = chosen.findIndex((turn, i) => i >= most || !isSame(turn, rejected[i]));
  return chosen.slice(0, end);
}

function isSame(a: Message, b: Message | undefined): boolean {
  return a.role === b?.role && a.content === b.content;
}
