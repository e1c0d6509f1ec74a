// `deno task bench`: ours beside its peers on this machine, by turns in one run, as ratios. What is
// measured and how is in tests/bench.
import type { Command } from "commander";
import { z } from "zod";
import { writeFolderAtomic } from "../data/store/atomic.ts";
import { prepareOutput } from "../data/store/output_folder.ts";
import type { Row, RowReport, Target } from "../tests/bench/row.ts";
import { type CommandContext, declareCommand } from "./command.ts";
import { declareFlags, flagsOf, parseFlags } from "./flags.ts";
import { columns, percent } from "./format.ts";
import { printResult } from "./output.ts";
import { onScreen } from "./terminal.ts";

const BenchFlags = z.strictObject({
  rows: z.string().optional().describe(
    "comma-separated rows; without it, all but those on request",
  ),
  repeats: z.number().int().min(1).max(100).default(3).describe("rounds of every experiment"),
  report: z.string().optional().describe(
    "new folder, or an earlier report, for bench.json and a picture of how time and memory grow",
  ),
  peers: z.string().optional().describe(
    "Python that has torch and what else the peers need; without it PANACEA_PEERS, else python3",
  ),
});

/** Adds `bench` to the program. */
export function register(program: Command, context: CommandContext): void {
  const command = declareCommand(program, "bench", {
    description: "measure ours beside its peers, by turns in one run, as ratios",
  });
  command.option("--list", "tell the rows instead of measuring them");
  declareFlags(command, flagsOf(BenchFlags), { rows: "What is measured:" });
  command.action(() => bench(command, context));
}

async function bench(command: Command, { env, signal }: CommandContext): Promise<void> {
  const flags = parseFlags(command, BenchFlags);
  const { json, list } = command.opts();
  const { rows } = await import("../tests/bench/rows.ts");
  if (list) {
    printResult(json ? { rows: rows.map(listed) } : listText(rows));
    return;
  }
  if (flags.report !== undefined) await prepareOutput(flags.report, REPORT);
  const { measureRows } = await import("../tests/bench/measure.ts");
  const result = await onScreen(signal, (show) =>
    measureRows(rows, {
      env,
      signal,
      python: flags.peers,
      names: flags.rows?.split(",").map((name) => name.trim()),
      repeats: flags.repeats,
      onProgress: (message) => show({ type: "notice", message }),
    }));
  if (flags.report !== undefined) await writeReport(flags.report, result.rows);
  printResult(json ? { rows: result.rows } : benchText(result.rows));
  if (result.failures.length > 0) throw new Error(result.failures.join("; "));
}

const REPORT = { record: "bench.json", what: "report" };

async function writeReport(folder: string, rows: RowReport[]): Promise<void> {
  const { growthSvg } = await import("../tests/bench/growth_svg.ts");
  const picture = growthSvg(rows);
  await writeFolderAtomic(folder, {
    [REPORT.record]: JSON.stringify({ rows }, null, 2) + "\n",
    ...picture !== null && { "growth.svg": picture },
  });
}

/** The rows as a table, and under it what single rows say beside. */
export function benchText(rows: RowReport[]): string {
  if (rows.length === 0) return "No row was measured";
  const head = ["row", "ours", "peer", "ratio", "spread", "target", "memory", "peer's memory"];
  const cells = rows.map((row) => [
    row.name,
    seconds(row.ours),
    seconds(row.peer),
    `${row.ratio.toFixed(2)} ×`,
    percent(row.spread),
    targetsText(row),
    gigabytes(row.peakBytes),
    gigabytes(row.peerPeakBytes),
  ]);
  const usual = [
    "name",
    "ours",
    "peer",
    "ratio",
    "spread",
    "target",
    "memoryTarget",
    "peakBytes",
    "peerPeakBytes",
  ];
  const extras = rows.flatMap((row) => {
    const rest = Object.entries(row).filter(([key]) => !usual.includes(key));
    return rest.map(([key, value]) => `${row.name} ${key}: ${shown(value)}`);
  });
  const table = columns([head, ...cells]);
  return extras.length === 0 ? table : `${table}\n\n${extras.join("\n")}`;
}

/** Names and descriptions of the rows. */
export function listText(rows: Row[]): string {
  const width = Math.max(...rows.map(({ name }) => name.length));
  return rows.map(({ name, description, onRequest }) =>
    `${name.padEnd(width)}  ${description}${onRequest ? " (on request)" : ""}`
  ).join("\n");
}

function listed({ name, description, onRequest = false }: Row) {
  return { name, description, onRequest };
}

function seconds(value: number): string {
  return `${Number(value.toPrecision(3))} s`;
}

/** `0.62 ≤ 0.7 × met; memory 0.4 ≤ 0.5 × met`; `–` where a row has no target. */
function targetsText({ target, memoryTarget }: RowReport): string {
  const texts = [
    ...target === undefined ? [] : [targetText(target)],
    ...memoryTarget === undefined ? [] : [`memory ${targetText(memoryTarget)}`],
  ];
  return texts.length === 0 ? "–" : texts.join("; ");
}

function targetText(target: Target): string {
  const { value, atMost, atLeast, unit, met } = target;
  const limit = atMost === undefined ? `≥ ${atLeast}` : `≤ ${atMost}`;
  return `${Number(value.toPrecision(3))} ${limit} ${unit} ${met ? "met" : "missed"}`;
}

function gigabytes(bytes: number | null): string {
  return bytes === null ? "–" : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** Extra figures in one line, numbers shortened. */
function shown(value: unknown): string {
  if (typeof value === "number") return String(Number(value.toPrecision(3)));
  if (typeof value !== "object" || value === null) return String(value);
  return Object.entries(value).map(([key, part]) =>
    typeof part === "object" && part !== null ? `${key} (${shown(part)})` : `${key} ${shown(part)}`
  ).join(", ");
}
