// The rows of supervised fine-tuning: dialogues to learn, and others to measure the loss on.
import type { RunConfig } from "../core/config.ts";
import type { InstructionDataset } from "../core/text/example.ts";
import { tokenizeInstructions } from "../core/text/instructions.ts";
import type { Sequence } from "../core/text/pack.ts";
import { loadInstructions, namedInstructions } from "../data/datasets/instructions/mod.ts";
import { HELD_OUT, splitInstructions } from "../data/datasets/split.ts";
import type { Base } from "./machine.ts";
import type { SessionOptions } from "./protocol.ts";
import { runLengths } from "./run_lengths.ts";

/** Rows of a run, before any model has seen them. */
export interface InstructionRows {
  train: InstructionDataset;
  /** No examples where there are too few prompts to hold one out. */
  test: InstructionDataset;
  /** What the test rows are called: the dataset option that names them. */
  testName: string;
}

/** Reads the rows that a configuration names; without test files, a share of the prompts is held out. */
export async function loadInstructionRows(
  { dataset, eval_dataset, columns, seed }: Pick<
    RunConfig,
    "dataset" | "eval_dataset" | "columns" | "seed"
  >,
): Promise<InstructionRows> {
  const all = await loadInstructions(dataset, { columns });
  const named = Object.hasOwn(namedInstructions, dataset) ? dataset : undefined;
  const testName = eval_dataset ?? named;
  if (testName === undefined) {
    const { train, test } = splitInstructions(all, { share: HELD_OUT, seed });
    return { train, test, testName: dataset };
  }
  return {
    train: all,
    test: await loadInstructions(testName, { split: "test", columns }),
    testName,
  };
}

/** Training rows as tokens, with a notice of what was left out. */
export function tokenizeTraining(
  train: InstructionDataset,
  { base, config, options }: { base: Base; config: RunConfig; options: SessionOptions },
): Sequence[] {
  const lengths = runLengths(config, base);
  const { sequences, dropped } = tokenizeInstructions(base.tokenizer, train, lengths);
  if (dropped > 0) {
    const cut = config.overlong === "drop" ? "; --overlong truncate cuts them instead" : "";
    options.onEvent({
      type: "notice",
      message:
        `Left out ${dropped} of ${train.examples.length} dialogues: longer than max_length ` +
        `${lengths.maxLength}, or not as the chat template wants them${cut}`,
    });
  }
  return sequences;
}
