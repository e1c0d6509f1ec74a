// What a plot of a front draws besides its points: other fronts in one colour and shape each, and the
// current preference vectors with their letters. Which front is shown first, what it is called, and
// which others may stand beside it.
import type { FrontReport } from "../../../core/front/report.ts";
import { differences, sameButStep } from "../../../core/front/same_measure.ts";
import type { Shape } from "../../../core/front/shapes.ts";

/** A front beside the one on show: a baseline, an earlier step, another adapter's. */
export interface Series {
  name: string;
  colour: string;
  shape: Shape;
  report: FrontReport;
}

/** A preference vector shown on the front. */
export interface Mark {
  preference: number[];
  letter: string; // "" where there is only one
  selected: boolean;
}

/** Whether two fronts can stand in one plot: the same measure of the same dimensions and prompts. */
export function comparable(a: FrontReport, b: FrontReport): boolean {
  return a.metric === b.metric && a.dimensions.join() === b.dimensions.join() &&
    differences(a.settings, b.settings).length === 0;
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

/** The front of another adapter to stand beside `report`: the latest step's, then the finest. */
export function counterpart(
  report: FrontReport,
  fronts: Record<string, FrontReport>,
): FrontReport | null {
  const found = Object.values(fronts).filter((other) => comparable(other, report));
  const rank = (other: FrontReport) => [stepOf(other) ?? -1, other.points.length];
  return found.sort((a, b) => {
    const [[stepA = 0, sizeA = 0], [stepB = 0, sizeB = 0]] = [rank(a), rank(b)];
    return stepB - stepA || sizeB - sizeA;
  })[0] ?? null;
}

/** The fronts of the same measurement at other steps of the training, the latest first. */
export function otherSteps(
  report: FrontReport,
  fronts: Record<string, FrontReport>,
): { step: number; report: FrontReport }[] {
  const found = new Map<number, FrontReport>();
  for (const other of Object.values(fronts)) {
    const step = stepOf(other);
    const alike = step !== null && step !== stepOf(report) &&
      sameButStep(measured(report.settings), measured(other.settings));
    if (alike) found.set(step, other);
  }
  return [...found].map(([step, report]) => ({ step, report })).sort((a, b) => b.step - a.step);
}

/** The step of the training that a front is of; null where it does not say. */
export function stepOf({ settings: { step } }: FrontReport): number | null {
  return typeof step === "number" ? step : null;
}

/** The name of a stored front for people; measured on request they bear the digest of their settings. */
export function frontTitle(name: string, report: FrontReport): string {
  if (name === "final") return "end of training";
  const step = /^step-(\d+)$/.exec(name)?.[1];
  if (step !== undefined) return `step ${step}`;
  if (!/^[0-9a-f]{32}$/.test(name)) return name;
  const own = stepOf(report);
  const points = `${report.points.length} points`;
  return own === null ? `${points}, on request` : `step ${own}, ${points}`;
}

/** Fronts of the same adapter that belong beside the main one without being asked for. */
export function isBaseline(name: string): boolean {
  return name.startsWith("baseline");
}

/** The settings that a measurement was asked for with, without what a report remarks besides. */
function measured(
  { engine: _e, engineDtype: _d, dataset: _s, trainingRows: _t, ...settings }: Record<
    string,
    unknown
  >,
): Record<string, unknown> {
  return settings;
}
