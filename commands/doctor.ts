// `deno task doctor`: what computes on this machine, how fast, and what would make it faster.
import type { Command } from "commander";
import { z } from "zod";
import { RunConfig } from "../core/config.ts";
import type { DoctorReport } from "../workers/protocol.ts";
import { type CommandContext, declareCommand } from "./command.ts";
import { declareFlags, flagsOf, parseFlags } from "./flags.ts";
import { printResult, standardError } from "./output.ts";
import { openScreen } from "./terminal.ts";

const DoctorFlags = RunConfig.pick({ engine: true, threads: true, device: true }).extend({
  model: z.string().min(1).optional().describe(
    "a model whose int8 and int4 weights to compare with float32",
  ),
});

/** Adds `doctor` to the program. */
export function register(program: Command, context: CommandContext): void {
  const command = declareCommand(program, "doctor", {
    description: "say which engine was found, how fast it is and what would make it faster",
  });
  declareFlags(command, flagsOf(DoctorFlags), { engine: "Engine:", model: "Generation:" });
  command.action(() => doctor(command, context));
}

async function doctor(command: Command, { env, signal }: CommandContext): Promise<void> {
  const flags = parseFlags(command, DoctorFlags);
  const { runDoctor } = await import("../workers/session.ts");
  const screen = openScreen(standardError, signal);
  let report: DoctorReport;
  try {
    report = await runDoctor(flags, { env, signal, onEvent: screen.show });
  } finally {
    screen.close();
  }
  printResult(command.opts().json ? { ...report } : doctorText(report));
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
