// `deno task reproduce`: the paper's experiments at a size that fits the machine, and a report.
import type { Command } from "commander";
import { z } from "zod";
import { RunConfig } from "../core/config.ts";
import { InputError } from "../core/errors.ts";
import { verdicts } from "../core/report/claims.ts";
import { type FigureName, figureNames } from "../core/report/figure_names.ts";
import { memoryText, timeText } from "../core/report/html.ts";
import type { PlanEstimate } from "../workers/reproduce/estimate.ts";
import type { ReproduceReport, ReproduceRequest } from "../workers/reproduce/mod.ts";
import { type ScaleName, scales } from "../workers/reproduce/scales.ts";
import { type CommandContext, declareCommand } from "./command.ts";
import { declareFlags, flagsOf, nearestName, parseFlags } from "./flags.ts";
import { grouped } from "./format.ts";
import { printResult } from "./output.ts";
import { onScreen } from "./terminal.ts";

const count = () => z.number().int().positive();

const ReproduceFlags = z.strictObject({
  scale: z.enum(Object.keys(scales) as [ScaleName, ...ScaleName[]]).default("tiny").describe(
    Object.entries(scales).map(([name, { description }]) => `${name}: ${description}`).join("; "),
  ),
  output_dir: z.string().optional().describe("folder of runs and report; default: by the scale"),
  figures: z.string().optional().describe(
    `only what these need, comma-separated: ${figureNames.join(", ")}; default: all`,
  ),
  model: z.string().optional().describe("base model of `small`: folder, hub id or .gguf file"),
  dataset: z.string().optional().describe(
    "preference files of `small`, written like the dataset of train: helpful=A,harmless=B",
  ),
  eval_dataset: z.string().optional().describe("test files, written likewise"),
  seeds: count().max(100).optional().describe("seeds of every method; default: by the scale"),
  grid: z.number().int().min(2).max(101).optional().describe(
    "points per edge of the simplex, of fronts and discrete policies; default: by the scale",
  ),
  bootstrap: RunConfig.shape.bootstrap.unwrap().optional().describe(
    "resamples for the intervals of each front; default: by the scale",
  ),
  steps_share: z.number().gt(0).max(1).default(1).describe(
    "part of every run's steps that is trained: less is faster and says less",
  ),
  dry_run: z.boolean().optional().describe(
    "train nothing: tell the time and memory that each part would need; default: by the scale",
  ),
  ...RunConfig.pick({ engine: true, threads: true, device: true }).shape,
});

/** Adds `reproduce` to the program. */
export function register(program: Command, context: CommandContext): void {
  const command = declareCommand(program, "reproduce", {
    description: "run the paper's experiments and write a report with its figures",
    notes: "Finished runs are skipped: the same command goes on where it was stopped or failed.",
  });
  declareFlags(command, flagsOf(ReproduceFlags), {
    scale: "What is run:",
    seeds: "How much:",
    engine: "Engine:",
  });
  command.action(() => reproduce(command, context));
}

async function reproduce(command: Command, { env, signal }: CommandContext): Promise<void> {
  const { request, isDry } = readRequest(command);
  const { json } = command.opts();
  const { estimateReproduction, runReproduction } = await import("../workers/session.ts");
  if (isDry) {
    const estimate = await onScreen(
      signal,
      (show) => estimateReproduction(request, { env, signal, onEvent: show }),
    );
    printResult(json ? { ...estimate } : estimateText(estimate));
    return;
  }
  const outcome = await onScreen(
    signal,
    (show) => runReproduction(request, { env, signal, onEvent: show }),
  );
  printResult(json ? reproduceDocument(outcome) : reproduceText(outcome));
  const [first] = outcome.failed;
  if (first !== undefined) {
    const names = outcome.failed.map(({ name }) => name).join(", ");
    throw new Error(
      `Cannot finish the reproduction: expected every run to end, got errors in ${names} ` +
        `(${first.error}); the same command tries them again`,
    );
  }
}

function readRequest(command: Command): { request: ReproduceRequest; isDry: boolean } {
  const flags = parseFlags(command, ReproduceFlags);
  const { scale, seeds, grid, bootstrap, model, dataset, engine, threads, device } = flags;
  const isDry = flags.dry_run ?? scales[scale].dryRun;
  if (!isDry && scales[scale].dryRun && (model === undefined || dataset === undefined)) {
    throw new InputError(
      `Cannot run the scale ${scale}: expected --model and --dataset beside --dry_run false, ` +
        `got ${model === undefined ? "no model" : "no dataset"}`,
    );
  }
  const request: ReproduceRequest = {
    ...{ scale, seeds, grid, bootstrap, model, dataset },
    outputDir: flags.output_dir ?? `runs/reproduce-${scale}`,
    share: flags.steps_share,
    only: readFigures(flags.figures),
    evalDataset: flags.eval_dataset,
    compute: { engine, threads, device },
  };
  return { request, isDry };
}

/** The names of figures in a flag; throws InputError for one that is none. */
function readFigures(text: string | undefined): FigureName[] {
  if (text === undefined) return [];
  return text.split(",").map((part) => {
    const name = part.trim();
    const found = figureNames.find((known) => known === name);
    if (found !== undefined) return found;
    throw new InputError(
      `Cannot use --figures: expected names among ${figureNames.join(", ")}, got ${
        JSON.stringify(name)
      } (nearest: ${nearestName(name, [...figureNames])})`,
    );
  });
}

/** The document of `reproduce --json`. */
export function reproduceDocument({ outputDir, report, files, failed, stopped }: ReproduceReport) {
  return {
    output_dir: outputDir,
    findings: report.findings,
    files,
    ...(failed.length > 0 && { failed }),
    ...(stopped && { stopped }),
  };
}

/** A dry run as people read it: a table of methods by device. */
export function estimateText(estimate: PlanEstimate): string {
  const { scale, parameters, volume, methods, seconds } = estimate;
  const names = Object.keys(seconds);
  const rows = methods.map(({ label, seeds, policies, steps, fits }) => {
    const [first] = Object.values(fits);
    return [
      label,
      `${seeds} × ${policies}`,
      grouped(steps),
      memoryText(first?.engineBytes ?? 0),
      memoryText(first?.hostBytes ?? 0),
      ...names.map((name) => {
        const fit = fits[name];
        if (fit === undefined) return "–";
        return fit.fits ? timeText(seeds * fit.seconds) : "too large";
      }),
    ];
  });
  const head = ["method", "runs", "steps", "engine", "host", ...names];
  const total = ["all", "", "", "", "", ...names.map((name) => timeText(seconds[name] ?? NaN))];
  return [
    `Scale ${scale}: ${(parameters / 1e6).toFixed(0)} million parameters, ${
      grouped(volume.pairs)
    } pairs, ${grouped(volume.prompts)} prompts, ${volume.promptTokens.toFixed(0)} + ${
      volume.responseTokens.toFixed(0)
    } tokens each on average`,
    "",
    ...aligned([head, ...rows, total]),
    "",
    "runs: seeds × policies trained for each; engine: memory where it computes; host: memory of the",
    "machine around it, which generates the answers of RLHF. `here` was measured a moment ago; other",
    "devices are taken to reach 40 % of their data sheets. Beside measured runs of models of up to",
    "200 million parameters on a processor, memory was right within 15 % and the time of DPO within a",
    "factor of 2; that of PPO, and of any GPU, has not been measured.",
  ].join("\n");
}

/** Cells in columns, the first to the left and the others to the right. */
function aligned(rows: string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => [...(row[column] ?? "")].length))
  );
  const pad = (width: number, cell: string) => " ".repeat(Math.max(0, width - [...cell].length));
  return rows.map((row) =>
    row.map((cell, i) => {
      const space = pad(widths[i] ?? 0, cell);
      return i === 0 ? cell + space : space + cell;
    }).join("  ").trimEnd()
  );
}

/** What people read at the end. */
export function reproduceText(outcome: ReproduceReport): string {
  const { report: { findings, results }, files, before, stopped, outputDir } = outcome;
  const done = results.runs.filter(({ state }) => state === "done").length;
  const wide = Math.max(...Object.values(verdicts).map((text) => text.length));
  const claims = findings.filter(({ verdict }) => verdict !== "missing").flatMap((finding) => [
    `${verdicts[finding.verdict].padEnd(wide)}  ${finding.claim} (${finding.source})`,
    `${" ".repeat(wide)}  ${finding.found}`,
  ]);
  const [page = outputDir, ...others] = files;
  return [
    ...claims,
    ...(claims.length > 0 ? [""] : []),
    `${done} of ${results.runs.length} runs are finished, ${done - before} of them now`,
    ...(stopped ? [`Stopped; saved in ${outputDir}`, "Continue with the same command"] : []),
    `Report   ${page}`,
    ...others.slice(0, 1).map((file) => `Numbers  ${file}`),
    ...(others.length > 1 ? [`Figures  ${others.length - 1} beside it`] : []),
  ].join("\n");
}
