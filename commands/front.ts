// `deno task front`: the Pareto front of a trained adapter over a grid of preferences.
import type { Command } from "commander";
import { z } from "zod";
import { RunConfig } from "../core/config.ts";
import type { FrontResult, SessionEvent } from "../workers/protocol.ts";
import { type CommandContext, declareCommand } from "./command.ts";
import { declareFlags, flagsOf, parseFlags } from "./flags.ts";
import { frontText } from "./front_text.ts";
import { printResult, standardError } from "./output.ts";
import { openScreen } from "./terminal.ts";

const FrontFlags = z.strictObject({
  adapter: z.string().describe("folder of a run"),
  dataset: z.string().optional().describe(
    "other test files than the run's own, written like the dataset of train",
  ),
  metric: z.enum(["implicit_accuracy", "expected_reward"]).optional().describe(
    "what the values are; default: what the test data can show",
  ),
  limit: RunConfig.shape.eval_limit,
  ...RunConfig.pick({
    grid: true,
    bootstrap: true,
    seed: true,
    max_tokens_per_pass: true,
    engine: true,
    threads: true,
    device: true,
  }).shape,
  dtype: RunConfig.shape.dtype.unwrap().optional().describe(
    "how frozen weights are held; default: as in the run",
  ),
});

/** Adds `front --adapter DIR` to the program. */
export function register(program: Command, context: CommandContext): void {
  const command = declareCommand(program, "front", {
    description: "draw the Pareto front of an adapter: table, JSON, CSV and SVG",
  });
  declareFlags(command, flagsOf(FrontFlags), { adapter: "What is evaluated:", engine: "Engine:" });
  command.action(() => front(command, context));
}

async function front(command: Command, { env, signal }: CommandContext): Promise<void> {
  const { max_tokens_per_pass: maxTokensPerPass, ...flags } = parseFlags(command, FrontFlags);
  const { runFront } = await import("../workers/session.ts");
  const screen = openScreen(standardError, signal);
  let result: FrontResult;
  try {
    result = await runFront({ ...flags, maxTokensPerPass }, {
      env,
      signal,
      onEvent(event: SessionEvent) {
        if (event.type !== "front") screen.show(event); // the result tells its files itself
      },
    });
  } finally {
    screen.close();
  }
  printResult(command.opts().json ? result.report : resultText(result));
}

function resultText({ report, files }: FrontResult): string {
  return [frontText(report), "", ...files.map((file) => `Front    ${file}`)].join("\n");
}
