// What a figure of the report is: an entry of the table in mod.ts. Figures read results and
// summaries, and are null where none of their runs is finished.
import { type Metric, metrics } from "../../front/report.ts";
import { seriesColour } from "../../front/palette.ts";
import { seriesShape } from "../../front/shapes.ts";
import type { FigureName } from "../figure_names.ts";
import type { Method, Results } from "../results.ts";
import type { MethodSummary } from "../summary.ts";
import type { FrontSeries, Width } from "./fronts.ts";

/** What figures are drawn from. */
export interface FigureContext {
  results: Results;
  summaries: MethodSummary[];
}

/** One figure. */
export interface Figure {
  heading: string;
  /** What it shows, and what the paper's figure shows. */
  caption(context: FigureContext): string;
  /** An SVG document; null where nothing of it was measured. */
  draw(context: FigureContext, width: Width): string | null;
}

/** The summaries of the methods that feed a figure, in the order of the methods. */
export function fedBy(
  { results, summaries }: FigureContext,
  { figure, metric }: { figure: FigureName; metric: Metric },
): { method: Method; summary: MethodSummary }[] {
  return results.methods.filter(({ figures }) => figures.includes(figure)).flatMap((method) => {
    const summary = summaries.find((one) => one.method === method.name && one.metric === metric);
    return summary === undefined ? [] : [{ method, summary }];
  });
}

/** The first metric that methods of the figure were measured by. */
export function metricOf(
  context: FigureContext,
  { figure, among }: { figure: FigureName; among: Metric[] },
): Metric | undefined {
  return among.find((metric) => fedBy(context, { figure, metric }).length > 0);
}

/** The metrics of rewards, the exact one first. */
export const rewardMetrics: Metric[] = ["expected_reward", "reward"];
/** All metrics, in the order of what they say. */
export const anyMetric: Metric[] = [...rewardMetrics, "implicit_accuracy"];

/** A method's front as a series; the first of a picture leads. */
export function seriesOf(
  { method, summary }: { method: Method; summary: MethodSummary },
  index: number,
): FrontSeries {
  return {
    name: method.label,
    colour: index === 0 ? "#9aa5b1" : seriesColour(index - 1),
    shape: index === 0 ? "circle" : seriesShape(index - 1),
    points: summary.points,
    leading: index === 0,
  };
}

/** The exact front of a method's first finished run by a metric, where it is known. */
export function exactOf({ results }: FigureContext, method: string, metric: Metric) {
  return results.runs.find((run) => run.method === method && run.fronts[metric]?.exact)
    ?.fronts[metric]?.exact?.points;
}

/** The words of a metric's axis. */
export function axisOf(metric: Metric): string {
  return metrics[metric].label;
}

/** `mean of 3 seeds, bars: 95 % intervals (Student)`, or what one seed is worth. */
export function seedsLine(summaries: MethodSummary[]): string {
  const counts = [...new Set(summaries.map(({ seeds }) => seeds.length))];
  const [count = 0] = counts;
  if (counts.length === 1 && count === 1) return "One seed: no intervals";
  const told = counts.length === 1
    ? `${count}`
    : `${Math.min(...counts)} to ${Math.max(...counts)}`;
  return `Means of ${told} seeds; bars: 95 % intervals over the seeds (Student's t)`;
}
