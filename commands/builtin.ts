// `deno task builtin`: makes the base model of the built-in world anew, from its templates.
import type { Command } from "commander";
import { z } from "zod";
import { RunConfig } from "../core/config.ts";
import { BuiltinModel } from "../data/builtin/mod.ts";
import type { BuiltinReport } from "../workers/protocol.ts";
import { type CommandContext, declareCommand } from "./command.ts";
import { declareFlags, flagsOf, parseFlags } from "./flags.ts";
import { columns, duration, grouped } from "./format.ts";
import { printResult } from "./output.ts";
import { onScreen } from "./terminal.ts";

const BuiltinFlags = z.strictObject({
  output_dir: z.string().default(BuiltinModel.folder).describe("folder of the model"),
  steps: z.number().int().positive().default(400).describe("optimiser steps"),
  learning_rate: z.number().positive().default(3e-3).describe("peak learning rate"),
  ...RunConfig.pick({ seed: true, engine: true, threads: true, device: true }).shape,
});

/** Adds `builtin` to the program. */
export function register(program: Command, context: CommandContext): void {
  const command = declareCommand(program, "builtin", {
    description: "make the base model of the built-in world anew; the repository holds one",
  });
  declareFlags(command, flagsOf(BuiltinFlags), { output_dir: "Training:", engine: "Engine:" });
  command.action(() => builtin(command, context));
}

async function builtin(command: Command, { env, signal }: CommandContext): Promise<void> {
  const flags = parseFlags(command, BuiltinFlags);
  const { runBuiltin } = await import("../workers/session.ts");
  const report = await onScreen(
    signal,
    (show) => runBuiltin(flags, { env, signal, onEvent: show }),
  );
  printResult(command.opts().json ? { ...report } : builtinText(report));
}

/** The report as people read it. */
export function builtinText(report: BuiltinReport): string {
  const { model, parameters, bytes, steps, seconds, heldOutLoss, shares } = report;
  const rows = Object.entries(shares).map(([kind, { least, mean, most }]) => [
    kind,
    ...[least, mean, most].map((share) => `${(100 * share).toFixed(1)} %`),
  ]);
  return [
    columns([["answer", "least", "mean", "most"], ...rows]),
    "",
    `Trained ${steps} steps in ${duration(seconds)}; loss on unseen prompts ` +
    `${heldOutLoss.toFixed(4)} per token`,
    `Model    ${model} (${grouped(parameters)} weights, ${(bytes / 1e6).toFixed(2)} MB)`,
    "Next     deno task train",
  ].join("\n");
}
