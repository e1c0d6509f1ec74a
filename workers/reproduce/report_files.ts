// The report at rest: report.html, report.json and figures/<name>.svg in the output folder, each
// written whole or not at all. What they say is core/report's.
import { join } from "node:path";
import { reportHtml } from "../../core/report/html.ts";
import { composeReport, drawFigures, type Report } from "../../core/report/report.ts";
import type { Results, RunRecord, Sample } from "../../core/report/results.ts";
import { reportingStorage, writeFileAtomic } from "../../data/store/atomic.ts";
import { encodeJson } from "../../data/store/json.ts";
import type { Plan } from "./plan.ts";

/** What a report is made of beside its plan. */
export interface ReportParts extends Pick<Results, "settings" | "machine" | "versions" | "date"> {
  runs: RunRecord[];
  samples: Sample[];
}

/** The report of a plan as far as it was carried out. */
export function reportOf(
  { scale, description, notes, dimensions, methods, mixtures }: Plan,
  parts: ReportParts,
): Report {
  return composeReport({
    format: "panacea-reproduction",
    version: 1,
    ...{ scale, description, notes, dimensions, methods, mixtures },
    ...parts,
  });
}

/** Writes the report under `outputDir`; returns the paths, the page first. Throws StorageError. */
export async function writeReport(outputDir: string, report: Report): Promise<string[]> {
  const folder = join(outputDir, "figures");
  await reportingStorage(folder, 0, () => Deno.mkdir(folder, { recursive: true }));
  const figures = [...drawFigures(report)].map(([name, svg]) => ({
    path: join(folder, `${name}.svg`),
    text: svg,
  }));
  const page = { path: join(outputDir, "report.html"), text: reportHtml(report) };
  const json = {
    path: join(outputDir, "report.json"),
    text: encodeJson(report, { name: "report", indent: 1 }) + "\n",
  };
  for (const { path, text } of [...figures, json, page]) await writeFileAtomic(path, text);
  return [page.path, json.path, ...figures.map(({ path }) => path)];
}
