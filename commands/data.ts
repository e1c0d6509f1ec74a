// `deno task data`: what is in a data set before anything is trained on it.
import type { Command } from "commander";
import { z } from "zod";
import { RunConfig } from "../core/config.ts";
import { type CommandContext, declareCommand } from "./command.ts";
import { dataText } from "./data_text.ts";
import { declareFlags, flagsOf, parseFlags } from "./flags.ts";
import { printResult } from "./output.ts";
import { onScreen } from "./terminal.ts";

const { objective, max_length } = RunConfig.shape;

const DataFlags = RunConfig.pick({
  dataset: true,
  eval_dataset: true,
  columns: true,
  dimensions: true,
}).extend({
  eval_dataset: RunConfig.shape.eval_dataset.describe(
    "test data, written like dataset: what they share with it is counted",
  ),
  objective: objective.describe(
    "what the data are for: pairs (dpo, reward, ppo) or dialogues (sft)",
  ),
  model: z.string().min(1).default("builtin").describe("whose tokens are counted"),
  revision: RunConfig.shape.revision,
  max_length,
});

/** Adds `data --dataset …` to the program. */
export function register(program: Command, context: CommandContext): void {
  const command = declareCommand(program, "data", {
    description: "tell what is in a data set: labels, lengths, bias, duplicates, leakage",
  });
  declareFlags(command, flagsOf(DataFlags), { dataset: "Data:", model: "Lengths:" });
  command.action(() => data(command, context));
}

async function data(command: Command, { env, signal }: CommandContext): Promise<void> {
  const request = parseFlags(command, DataFlags);
  const { runDataReport } = await import("../workers/data_report.ts"); // opens no library
  const report = await onScreen(
    signal,
    (show) => runDataReport(request, { env, signal, onEvent: show }),
  );
  printResult(command.opts().json ? { ...report } : dataText(report));
}
