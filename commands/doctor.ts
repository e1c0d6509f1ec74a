// `deno task doctor`: what computes on this machine, how fast, and what would make it faster.
import type { Command } from "commander";
import { z } from "zod";
import { RunConfig } from "../core/config.ts";
import { BuiltinModel } from "../data/builtin/mod.ts";
import type { DoctorReport, DoctorRequest } from "../workers/protocol.ts";
import type { TextRequest } from "../workers/text_check.ts";
import { type CommandContext, declareCommand } from "./command.ts";
import { declareFlags, flagsOf, parseFlags } from "./flags.ts";
import { printResult, standardOutput } from "./output.ts";
import { onScreen } from "./terminal.ts";
import { textCheckText } from "./text_check_text.ts";

const { dataset, columns, dimensions, objective, max_length, overlong, revision } = RunConfig.shape;

const DoctorFlags = RunConfig.pick({ engine: true, threads: true, device: true }).extend({
  model: z.string().min(1).optional().describe(
    "a model whose int8 and int4 weights to compare with float32; with dataset, whose tokens to show",
  ),
  revision,
  dataset: dataset.unwrap().optional().describe(
    "data to show as the model sees them, with what is wrong about them or its chat template",
  ),
  columns,
  dimensions,
  objective: objective.describe(
    "what the data are for: pairs (dpo, reward, ppo) or dialogues (sft)",
  ),
  max_length,
  overlong,
});

/** Adds `doctor` to the program. */
export function register(program: Command, context: CommandContext): void {
  const command = declareCommand(program, "doctor", {
    description: "say which engine was found, how fast it is and what would make it faster; " +
      "or with --dataset, how data look to a model",
  });
  declareFlags(command, flagsOf(DoctorFlags), {
    engine: "Engine:",
    model: "Generation:",
    dataset: "Data:",
  });
  command.action(() => doctor(command, context));
}

async function doctor(command: Command, context: CommandContext): Promise<void> {
  const { model, dataset, engine, threads, device, ...data } = parseFlags(command, DoctorFlags);
  if (dataset === undefined) {
    return await lookAtMachine(command, context, { model, engine, threads, device });
  }
  await lookAtData(command, context, { model: model ?? BuiltinModel.name, dataset, ...data });
}

async function lookAtMachine(
  command: Command,
  { env, signal }: CommandContext,
  request: DoctorRequest,
): Promise<void> {
  const { runDoctor } = await import("../workers/session.ts");
  const report = await onScreen(
    signal,
    (show) => runDoctor(request, { env, signal, onEvent: show }),
  );
  printResult(command.opts().json ? { ...report } : doctorText(report));
}

async function lookAtData(
  command: Command,
  { env, signal }: CommandContext,
  request: TextRequest,
): Promise<void> {
  const { checkText } = await import("../workers/text_check.ts"); // opens no library
  const report = await onScreen(
    signal,
    (show) => checkText(request, { env, signal, onEvent: show }),
  );
  const colour = standardOutput.isTTY && !env("NO_COLOR");
  printResult(command.opts().json ? { ...report } : textCheckText(report, { colour }));
}

/** The report as people read it. */
export function doctorText(report: DoctorReport): string {
  const half = report.gflopsBfloat16;
  const speed = `${report.gflops.toFixed(0)} GFLOP/s in float32` +
    (half === undefined ? "" : `, ${half.toFixed(0)} with frozen weights in bfloat16`);
  const list = (title: string, lines: string[]) =>
    lines.length ? ["", title, ...lines.map((line) => `  ${line}`)] : [];
  return [
    `Engine   ${report.engine} ${report.version}`,
    `Devices  ${report.devices.join(", ")}`,
    `Speed    ${speed}`,
    ...formatLines(report.formats ?? []),
    ...list("Found", report.found),
    ...list("What would make it faster", report.advice),
  ].join("\n");
}

/** A table of weight formats, a line each. */
function formatLines(formats: NonNullable<DoctorReport["formats"]>): string[] {
  if (formats.length === 0) return [];
  const lines = formats.map(({ format, bytes, msPerToken, error }) => {
    const size = `${Math.round(bytes / 1e6)} MB`.padStart(9);
    const speed = `${msPerToken.toFixed(1)} ms a token`.padStart(19);
    if (error === null) return `  ${format.padEnd(7)}${size}${speed}`;
    return `  ${format.padEnd(7)}${size}${speed}   logits off by ${error.mean.toFixed(3)} on ` +
      `average, ${error.largest.toFixed(2)} at most; same first choice ` +
      `${(100 * error.agreement).toFixed(0)} %; divergence ${error.divergence.toPrecision(2)} nats`;
  });
  return ["", `Weight formats over ${formats.at(-1)?.error?.tokens ?? 0} tokens`, ...lines];
}
