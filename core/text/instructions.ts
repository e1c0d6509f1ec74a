// Dialogues to imitate as token ids, no longer than the model is to see. Second stop of supervised
// fine-tuning: data/datasets/instructions gives the examples, core/text/pack puts them into batches.
// Every answer is read after exactly the ids that the model would have before it when it answers:
// a dialogue stays one sequence as long as the template only adds to it from turn to turn.
import { InputError } from "../errors.ts";
import type { InstructionDataset, InstructionExample } from "./example.ts";
import type { Sequence } from "./pack.ts";
import type { PairOptions } from "./pairs.ts";
import type { ChatTokenizer } from "./tokenizer.ts";

/**
 * Token ids of every example of a data set, in its order, and the number of examples left out: too
 * long, or refused by the chat template. With `drop` an example is left out whole where one of its
 * answers does not fit; with `truncate` the turns from there on are left out, and of a first answer
 * that does not fit the beginning of its prompt.
 * Templates that write earlier turns differently later on (that strip what the assistant thought)
 * make a sequence for each answer.
 * Throws InputError when nothing is left, and the template's own when it refused all.
 */
export function tokenizeInstructions(
  tokenizer: ChatTokenizer,
  dataset: InstructionDataset,
  options: PairOptions,
): { sequences: Sequence[]; dropped: number } {
  const sequences: Sequence[] = [];
  let refusal: InputError | undefined;
  let refused = 0;
  let dropped = 0;
  for (const example of dataset.examples) {
    try {
      const own = tokenizeExample(tokenizer, example, options);
      if (own.length === 0) dropped++;
      sequences.push(...own);
    } catch (error) {
      // One dialogue of an unusual form (two answers in a row) must not end a run over thousands.
      if (!(error instanceof InputError)) throw error;
      refusal ??= error;
      refused++;
    }
  }
  if (refusal && refused === dataset.examples.length) throw refusal;
  if (sequences.length === 0) {
    throw new InputError(
      `Cannot tokenize the data set: expected dialogues of at most ${options.maxLength} tokens, ` +
        `got none`,
    );
  }
  return { sequences, dropped: dropped + refused };
}

/** A sequence as it grows from answer to answer. */
interface Growing {
  ids: number[]; // prompt and response
  prompt: number; // ids of the prompt
  learned: number[]; // 1 or 0 for each id behind the prompt
}

/** The sequences of one example; none where it does not fit. Throws InputError where it is refused. */
export function tokenizeExample(
  tokenizer: ChatTokenizer,
  { prompt, completion }: InstructionExample,
  { maxLength, overlong }: PairOptions,
): Sequence[] {
  const messages = [...prompt, ...completion];
  const sequences: Growing[] = [];
  for (const [i, { role, content }] of completion.entries()) {
    if (role !== "assistant" || content.trim() === "") continue;
    const exchange = tokenizer.encodeExchange(messages.slice(0, prompt.length + i), content);
    const { prompt: before, response } = exchange;
    const current = sequences.at(-1);
    const grows = current !== undefined && startsWith(before, current.ids);
    const room = maxLength - response.length;
    if (before.length > room) {
      if (overlong === "drop") return [];
      if (current !== undefined || room < 1) break;
    }
    if (grows) {
      const between = before.slice(current.ids.length);
      current.ids.push(...between, ...response);
      current.learned.push(...between.map(() => 0), ...response.map(() => 1));
    } else {
      const kept = before.slice(-room);
      sequences.push({
        ids: [...kept, ...response],
        prompt: kept.length,
        learned: response.map(() => 1),
      });
    }
  }
  return sequences.map(({ ids, prompt, learned }) => ({
    prompt: Int32Array.from(ids.slice(0, prompt)),
    response: Int32Array.from(ids.slice(prompt)),
    ...learned.includes(0) && { learned: Uint8Array.from(learned) },
  }));
}

function startsWith(ids: number[], start: number[]): boolean {
  return start.length <= ids.length && start.every((id, i) => ids[i] === id);
}
