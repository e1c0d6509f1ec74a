// A front from measurement to files: report, picture and table, in the run's folder.
import { basename, isAbsolute } from "node:path";
import type { FrontReport } from "../core/front/report.ts";
import { summarizeFront } from "../core/front/report.ts";
import { frontCsv, frontSvg } from "../core/front/render.ts";
import type { Scorer } from "../core/policy.ts";
import { latticeGrid } from "../core/preference.ts";
import type { FrontSettings } from "../data/store/front_settings.ts";
import { saveFront } from "../data/store/run_folder.ts";
import type { Evaluation } from "./evaluation.ts";

/** What a front is measured with. */
export interface FrontPlan {
  adapter: string; // folder that the report names; an absolute one without what is around it
  settings: FrontSettings; // what the numbers depend on
  remarks: Record<string, unknown>; // what else the report tells about them
}

/** Measures `policy` over the grid and summarises it. */
export async function measureFront(
  evaluation: Evaluation,
  policy: Scorer,
  { adapter, settings, remarks }: FrontPlan,
): Promise<FrontReport> {
  const { dimensions, grid, resamples, seed } = settings;
  const preferences = latticeGrid(dimensions.length, grid);
  const measured = await evaluation.measure(policy, preferences);
  return summarizeFront(
    {
      ...measured,
      adapter: isAbsolute(adapter) ? basename(adapter) : adapter,
      dimensions,
      preferences,
      settings: { ...settings, ...remarks },
    },
    { seed, resamples },
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
