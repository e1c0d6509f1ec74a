// A front from measurement to files: report, picture and table, in the run's folder.
import { basename, isAbsolute } from "node:path";
import type { FrontReport } from "../core/front/report.ts";
import { summarizeFront } from "../core/front/report.ts";
import {
  distributionsCsv,
  distributionsSvg,
  frontCsv,
  frontSvg,
  hasDistributions,
} from "../core/front/render.ts";
import type { Scorer } from "../core/policy.ts";
import { latticeGrid } from "../core/preference.ts";
import type { FrontSettings } from "../data/store/front_settings.ts";
import { saveFront } from "../data/store/run_folder.ts";
import type { Evaluation, Measured } from "./evaluation.ts";

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
  plan: FrontPlan,
): Promise<FrontReport> {
  return reportFront(await evaluation.measure(policy, gridOf(plan.settings)), plan);
}

/** The preferences (N, M) that a front is measured at. */
export function gridOf({ dimensions, grid }: FrontSettings): number[][] {
  return latticeGrid(dimensions.length, grid);
}

/** The report of what was measured over the grid. */
export function reportFront(
  measured: Measured,
  { adapter, settings, remarks }: FrontPlan,
): FrontReport {
  const { dimensions, resamples, seed } = settings;
  return summarizeFront(
    {
      ...measured,
      adapter: isAbsolute(adapter) ? basename(adapter) : adapter,
      dimensions,
      preferences: gridOf(settings),
      settings: { ...settings, ...remarks },
    },
    { seed, resamples },
  );
}

/**
 * Writes fronts/<name>.{svg,csv,json} under `folder`, and <name>.rewards.{svg,csv} where the report
 * tells how rewards are spread; returns the paths.
 */
export async function writeFront(
  folder: string,
  name: string,
  report: FrontReport,
): Promise<string[]> {
  const rewards = hasDistributions(report) && {
    "rewards.svg": distributionsSvg(report),
    "rewards.csv": distributionsCsv(report),
  };
  return await saveFront(folder, name, {
    json: report,
    svg: frontSvg(report),
    csv: frontCsv(report),
    ...rewards && { further: rewards },
  });
}
