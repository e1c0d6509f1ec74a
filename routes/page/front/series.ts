// What a plot of a front draws besides its points: other fronts in one colour each, and the current
// preference vectors with their letters.
import type { FrontReport } from "../../../core/front/report.ts";

/** A front beside the one on show: a baseline, an earlier evaluation, another adapter's. */
export interface Series {
  name: string;
  colour: string;
  report: FrontReport;
}

/** A preference vector shown on the front. */
export interface Mark {
  preference: number[];
  letter: string; // "" where there is only one
  selected: boolean;
}

/** Whether two fronts can stand in one plot. */
export function comparable(a: FrontReport, b: FrontReport): boolean {
  return a.metric === b.metric && a.dimensions.join() === b.dimensions.join();
}

/** The front to show first: the finest grid; of equals the one of the end of training. */
export function mainFront(fronts: Record<string, FrontReport>): string | null {
  let best: string | null = null;
  for (const [name, { points }] of Object.entries(fronts)) {
    const most = best === null ? -1 : fronts[best]?.points.length ?? -1;
    if (isBaseline(name)) continue;
    if (points.length > most || (points.length === most && name === "final")) best = name;
  }
  return best;
}

/** The name of a stored front for people; measured on request they bear the digest of their settings. */
export function frontTitle(name: string, { points }: FrontReport): string {
  if (name === "final") return "end of training";
  const step = /^step-(\d+)$/.exec(name)?.[1];
  if (step !== undefined) return `step ${step}`;
  return /^[0-9a-f]{32}$/.test(name) ? `${points.length} points, on request` : name;
}

/** Fronts of the same adapter that belong beside the main one without being asked for. */
export function isBaseline(name: string): boolean {
  return name.startsWith("baseline");
}
