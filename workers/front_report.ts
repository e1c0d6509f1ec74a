// A front from measurement to files: report, picture and table, in the run's folder.
import type { FrontReport } from "../core/front/report.ts";
import { summarizeFront } from "../core/front/report.ts";
import { frontCsv, frontSvg } from "../core/front/render.ts";
import type { Policy } from "../core/policy.ts";
import { latticeGrid } from "../core/preference.ts";
import { saveFront } from "../data/store/run_folder.ts";
import type { Evaluation } from "./evaluation.ts";

export interface FrontSettings {
  adapter: string; // folder that the report names
  dimensions: string[];
  grid: number;
  bootstrap: number;
  seed: number;
  settings: Record<string, unknown>; // what else the numbers depend on
}

/** Measures `policy` over the grid and summarises it. */
export async function measureFront(
  evaluation: Evaluation,
  policy: Policy,
  { adapter, dimensions, grid, bootstrap, seed, settings }: FrontSettings,
): Promise<FrontReport> {
  const preferences = latticeGrid(dimensions.length, grid);
  const measured = await evaluation.measure(policy, preferences);
  return summarizeFront(
    { ...measured, adapter, dimensions, preferences, settings: { grid, ...settings } },
    { seed, resamples: bootstrap },
  );
}

/** Writes fronts/<name>.{json,svg,csv} under `folder`; returns the paths. */
export async function writeFront(
  folder: string,
  name: string,
  report: FrontReport,
): Promise<string[]> {
  const files = { json: report, svg: await frontSvg(report), csv: frontCsv(report) };
  const { json, svg, csv } = await saveFront(folder, name, files);
  return [svg, csv, json];
}
