// `deno task export`: a trained adapter in the format of another tool: PEFT, transformers, llama.cpp,
// ONNX Runtime.
import type { Command } from "commander";
import { z } from "zod";
import {
  type ExportDtype,
  exportDtypes,
  type ExportFormat,
  exportFormats,
} from "../workers/export_formats.ts";
import type { ExportReport } from "../workers/protocol.ts";
import { type CommandContext, declareCommand } from "./command.ts";
import { declareFlags, flagsOf, parseFlags } from "./flags.ts";
import { grouped } from "./format.ts";
import { printResult } from "./output.ts";
import { readOfflinePage } from "./static_files.ts";
import { onScreen } from "./terminal.ts";

const ExportFlags = z.strictObject({
  adapter: z.string().describe("folder of a run"),
  checkpoint: z.number().int().nonnegative().optional().describe(
    "step of a stored checkpoint, in place of the finished adapter",
  ),
  preference: z.string().optional().describe(
    "λ that the files are for: helpful=0.7,harmless=0.3 or 0.7,0.3; not for the formats split and onnx",
  ),
  format: z.enum(Object.keys(exportFormats) as [ExportFormat, ...ExportFormat[]]).describe(
    "what reads it",
  ),
  output: z.string().describe("new folder, or an earlier export, which is replaced"),
  dtype: z.enum(exportDtypes as [ExportDtype, ...ExportDtype[]]).optional().describe(
    "how weights are stored: merged float32, bfloat16 or float16, onnx float32, int8 or int4; " +
      "default: float32",
  ),
  base_model_name_or_path: z.string().optional().describe(
    "what the files call the base model; default: its hub id, or its name without its folder",
  ),
  license: z.string().optional().describe(
    "licence of the training data, for the model card; default: what its README.md states",
  ),
});

/** Adds `export --adapter DIR --format F --output DIR` to the program. */
export function register(program: Command, context: CommandContext): void {
  const command = declareCommand(program, "export", {
    description: "write an adapter as PEFT, transformers, llama.cpp or ONNX Runtime read it",
    notes: `Formats:\n${
      Object.entries(exportFormats).map(([name, { description }]) => `  ${name}: ${description}`)
        .join("\n")
    }`,
  });
  declareFlags(command, flagsOf(ExportFlags), {
    adapter: "What is exported:",
    format: "How, and where to:",
  });
  command.action(() => run(command, context));
}

async function run(command: Command, { env, signal }: CommandContext): Promise<void> {
  const { base_model_name_or_path: base, ...flags } = parseFlags(command, ExportFlags);
  const { runExport } = await import("../workers/session.ts");
  const report = await onScreen(
    signal,
    (show) => runExport({ ...flags, base, page: readOfflinePage }, { env, signal, onEvent: show }),
  );
  printResult(command.opts().json ? { ...report } : exportText(report));
}

/** What people read at the end: what was written, and where. */
function exportText({ files, bytes, ranks, base }: ExportReport): string {
  const loras = ranks.length === 0 ? [] : [`LoRA     of rank ${ranks.join(" + ")} on ${base}`];
  return [
    ...loras,
    ...files.map((file) => `File     ${file}`),
    `Total    ${grouped(bytes / 1000)} kB`,
  ].join("\n");
}
