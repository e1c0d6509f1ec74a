// From the folders of a finished run to what the report keeps of it: fronts, stages, curve and cost,
// without a path or name of this machine.
import { RunConfig } from "../../core/config.ts";
import { FrontReport } from "../../core/front/report.ts";
import type { Cost, KeptFront, RunRecord } from "../../core/report/results.ts";
import { readFronts } from "../../data/store/fronts.ts";
import { hideFolders } from "../../data/store/hide_folders.ts";
import { loadMetrics, type MetricRow } from "../../data/store/run_folder.ts";
import { FINAL_FRONT } from "../training.ts";
import type { PlannedRun } from "./plan.ts";

/** Rows of a curve that are kept. */
const CURVE_ROWS = 60;

/** Where a run's results lie. */
export interface Places {
  /** Folder whose fronts are the run's. */
  folder: string;
  /** Folders whose training it took; of a single run its own. */
  trained: string[];
}

/** What training took, out of the metrics of every folder that was trained. */
export async function costOf(
  { trained }: Places,
  { wallSeconds, peakBytes }: Pick<Cost, "wallSeconds" | "peakBytes">,
): Promise<Cost> {
  const cost = { policies: trained.length, steps: 0, tokens: 0, seconds: 0 };
  for (const folder of trained) {
    const rows = await loadMetrics(folder);
    cost.steps += rows.at(-1)?.step ?? 0;
    cost.tokens += Number(rows.at(-1)?.tokens ?? 0);
    cost.seconds += rows.reduce((sum, { seconds }) => sum + Number(seconds ?? 0), 0);
  }
  return { ...cost, wallSeconds, peakBytes };
}

/** Fronts by metric, stages of the main one by step, and the thinned curve. */
export async function resultsOf(
  { folder, trained }: Places,
): Promise<Pick<RunRecord, "fronts" | "evolution" | "curve">> {
  const fronts: Record<string, KeptFront> = {};
  const evolution: RunRecord["evolution"] = [];
  for (const [name, stored] of Object.entries(await readFronts(folder))) {
    const report = FrontReport.parse(stored);
    const step = Number(report.settings.step);
    const kept = keep(report);
    // The front that training ends with goes before one measured later by the same metric.
    if (name === FINAL_FRONT) fronts[report.metric] = kept;
    else if (!/^step-\d+$/.test(name)) fronts[report.metric] ??= kept;
    if (/^step-\d+$/.test(name) || name === FINAL_FRONT) evolution.push({ step, front: kept });
  }
  evolution.sort((a, b) => a.step - b.step);
  const stages = evolution.filter(({ step }, i) => step !== evolution[i + 1]?.step);
  const [only] = trained;
  const rows = trained.length === 1 && only !== undefined ? await loadMetrics(only) : [];
  return { fronts, evolution: stages.length > 1 ? stages : [], curve: thinOut(rows) };
}

/** The settings of a run that are not the schema's defaults, without folders. */
export function shownSettings({ config, memberGrid }: PlannedRun): Record<string, unknown> {
  const defaults: Record<string, unknown> = RunConfig.parse({});
  const changed = Object.entries(config).filter(([name, value]) =>
    value !== undefined && value !== defaults[name] && name !== "output_dir"
  );
  const shown = changed.map(([name, value]) => [
    name,
    typeof value === "string" ? hideFolders(value) : value,
  ]);
  return {
    ...Object.fromEntries(shown),
    ...(memberGrid !== undefined && { member_grid: memberGrid }),
  };
}

function keep({ adapter: _, settings: __, ...front }: FrontReport): KeptFront {
  return front;
}

/** Means of at most CURVE_ROWS windows; a column that a window lacks is left out of it. */
function thinOut(rows: MetricRow[]): Record<string, number>[] {
  const size = Math.max(1, Math.ceil(rows.length / CURVE_ROWS));
  const windows = Array.from(
    { length: Math.ceil(rows.length / size) },
    (_, i) => rows.slice(i * size, (i + 1) * size),
  );
  return windows.map((window) => {
    const names = new Set(window.flatMap((row) => Object.keys(row)));
    const means = [...names].flatMap((name): [string, number][] => {
      const values = window.map((row) => row[name]).filter((value) => typeof value === "number");
      if (values.length === 0) return [];
      return [[name, values.reduce((sum, value) => sum + value, 0) / values.length]];
    });
    return { ...Object.fromEntries(means), step: window.at(-1)?.step ?? 0 };
  });
}
