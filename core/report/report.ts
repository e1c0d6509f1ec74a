// The report of a reproduction: results, and all that is computed from them. Pure: the same results
// give the same report, pictures and page, byte for byte.
import { z } from "zod";
import { Finding, judgeClaims } from "./claims.ts";
import { type FigureName, figureNames } from "./figure_names.ts";
import { figures } from "./figures/mod.ts";
import type { Width } from "./figures/fronts.ts";
import { Landing, landings } from "./labellers.ts";
import { Results } from "./results.ts";
import { MethodSummary, summarizeMethods } from "./summary.ts";

/** report.json. */
export const Report = z.strictObject({
  findings: z.array(Finding),
  summaries: z.array(MethodSummary),
  landings: z.array(Landing),
  results: Results,
});
export type Report = z.infer<typeof Report>;

/** Judges and summarises; throws ZodError for results that are none. */
export function composeReport(results: Results): Report {
  const checked = Results.parse(results);
  const summaries = summarizeMethods(checked);
  return {
    findings: judgeClaims(checked, summaries),
    summaries,
    landings: landings(checked),
    results: checked,
  };
}

/** The pictures that can be drawn, as SVG documents by the figure's name, in the report's order. */
export function drawFigures(
  { results, summaries }: Report,
  width: Width = "wide",
): Map<FigureName, string> {
  return new Map(figureNames.flatMap((name) => {
    const svg = figures[name].draw({ results, summaries }, width);
    return svg === null ? [] : [[name, svg] as [FigureName, string]];
  }));
}
