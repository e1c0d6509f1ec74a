// `deno task reproduce` as a session: plan, runs, answers, report. The same call again goes on.
import type { RunConfig } from "../../core/config.ts";
import type { FigureName } from "../../core/report/figure_names.ts";
import type { Report } from "../../core/report/report.ts";
import type { RunRecord, Sample } from "../../core/report/results.ts";
import { reportingStorage } from "../../data/store/atomic.ts";
import { hideFolders } from "../../data/store/hide_folders.ts";
import { lockRun } from "../../data/store/run_folder.ts";
import { sha256 } from "../../data/store/manifest.ts";
import { oneSentence } from "../one_sentence.ts";
import type { SessionOptions } from "../protocol.ts";
import { runDryRun } from "./dry_run.ts";
import type { PlanEstimate } from "./estimate.ts";
import { executePlan, loadAll } from "./execute.ts";
import { machineFacts, versionFacts } from "./facts.ts";
import { FIRST_SEED, type Plan, type PlanOptions, runName } from "./plan.ts";
import { openRecords, type Records } from "./records.ts";
import { reportOf, writeReport } from "./report_files.ts";
import { answerPrompts } from "./samples.ts";
import { planScale, type ScaleName, scales } from "./scales.ts";

/** What to reproduce; what is left out is the scale's own. */
export interface ReproduceRequest {
  scale: ScaleName;
  outputDir: string;
  seeds?: number;
  grid?: number;
  bootstrap?: number;
  share: number;
  only: FigureName[];
  model?: string;
  dataset?: string;
  evalDataset?: string;
  compute: Pick<RunConfig, "engine" | "threads" | "device">;
}

/** How it came out; `stopped`: ended early by the signal, all saved. */
export interface ReproduceReport {
  outputDir: string;
  report: Report;
  files: string[];
  failed: { name: string; error: string }[];
  /** Runs that were finished before this session. */
  before: number;
  stopped: boolean;
}

/** A report is written anew after a run where the last one is older than this. */
const REPORT_EVERY_MS = 120_000;

/** The plan that a request asks for. Throws InputError where it cannot be made. */
export function planFor(request: ReproduceRequest): Plan {
  return planScale(request.scale, planOptions(request));
}

/**
 * What the plan would need, of time and memory, here and on other devices; trains nothing. Throws
 * InputError where the plan cannot be made or the data cannot be read.
 */
export async function estimateReproduction(
  request: ReproduceRequest,
  options: SessionOptions,
): Promise<PlanEstimate> {
  const { scale, model, dataset, compute } = request;
  const { known } = scales[scale];
  const given = model !== undefined && dataset !== undefined;
  return await runDryRun(planFor(request), { compute, ...(!given && { known }) }, options);
}

/**
 * Carries out what is left of the plan and writes the report. Throws InputError for settings that do
 * not fit, BusyError where another process works in the folder, StorageError.
 */
export async function runReproduction(
  request: ReproduceRequest,
  options: SessionOptions,
): Promise<ReproduceReport> {
  const { outputDir, compute } = request;
  const plan = planFor(request);
  await reportingStorage(outputDir, 0, () => Deno.mkdir(outputDir, { recursive: true }));
  const lock = await lockRun(outputDir);
  try {
    const records = openRecords(outputDir);
    const known = await loadAll(plan, records);
    const before = [...known.values()].filter(({ state }) => state === "done").length;
    const versions = await versionFacts(compute, options);
    const write = async (runs: RunRecord[], samples: Sample[]) => {
      const report = reportOf(plan, {
        ...{ runs, samples, versions },
        date: new Date().toISOString().slice(0, 10),
        settings: shownRequest(request),
        machine: machineFacts(),
      });
      return { report, files: await writeReport(outputDir, report) };
    };
    let written = performance.now();
    const { runs, stopped } = await executePlan(plan, {
      records,
      options,
      async onRun(soFar) {
        if (performance.now() - written < REPORT_EVERY_MS) return;
        await write(soFar, []);
        written = performance.now();
      },
    });
    const samples = stopped
      ? []
      : await samplesOf(plan, { records, runs, outputDir, threads: compute.threads }, options);
    return {
      outputDir,
      ...await write(runs, samples),
      failed: runs.flatMap(({ name, state, error = "" }) =>
        state === "failed" ? [{ name, error }] : []
      ),
      before,
      stopped: stopped || options.signal.aborted,
    };
  } finally {
    await lock.release();
  }
}

/** The answers of the answering run, where it is done; a failure is told and leaves them out. */
async function samplesOf(
  plan: Plan,
  { records, runs, outputDir, threads }: {
    records: Records;
    runs: RunRecord[];
    outputDir: string;
    threads: number;
  },
  options: SessionOptions,
): Promise<Sample[]> {
  const name = runName(plan.answering, FIRST_SEED);
  const planned = plan.runs.find((run) => run.name === name);
  const record = runs.find((run) => run.name === name);
  if (planned === undefined || record?.state !== "done") return [];
  const of = sha256(JSON.stringify([plan.prompts, record]));
  const known = await records.loadSamples(of);
  if (known !== null) return known;
  try {
    const samples = await answerPrompts({
      folder: planned.config.output_dir,
      run: name,
      prompts: plan.prompts,
      dimensions: plan.dimensions,
      threads,
    }, options);
    await records.saveSamples(of, samples);
    return samples;
  } catch (error) {
    if (options.signal.aborted) return [];
    options.onEvent({
      type: "notice",
      message: `No answers for ${outputDir}: ${oneSentence(error)}`,
    });
    return [];
  }
}

function planOptions(request: ReproduceRequest): PlanOptions {
  const { defaults } = scales[request.scale];
  const { seeds = defaults.seeds, grid = defaults.grid, bootstrap = defaults.bootstrap } = request;
  const { outputDir, share, only, model, dataset, evalDataset, compute } = request;
  return { outputDir, share, only, model, dataset, evalDataset, compute, seeds, grid, bootstrap };
}

/** The request as the report tells it: files by their names alone. */
function shownRequest(request: ReproduceRequest): Record<string, string | number | boolean> {
  const { seeds, grid, share, only, model, dataset, evalDataset } = planOptions(request);
  const named = { model, dataset, eval_dataset: evalDataset };
  return {
    ...{ scale: request.scale, seeds, grid, steps_share: share },
    ...(only.length > 0 && { figures: only.join(", ") }),
    ...Object.fromEntries(
      Object.entries(named).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, hideFolders(value)]]
      ),
    ),
  };
}
