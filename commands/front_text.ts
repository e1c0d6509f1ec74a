// Fronts as text for the terminal: the table over λ, the verdict and the indicators, the answers that
// different preferences choose, and several fronts side by side. Used at the end of train and front.
import type { FrontComparison } from "../core/front/comparison.ts";
import { exactShare, type FrontReport, metrics } from "../core/front/report.ts";
import type { SampleAnswers } from "../workers/protocol.ts";
import { columns, namedPreference } from "./format.ts";

const MOST_ROWS = 21; // the usual grid of 11 and one twice as fine; lattices of M > 2 are longer

/** Table, verdict and indicators of a front; without intervals where none were computed. */
export function frontText(report: FrontReport): string {
  const { hypervolume, referencePoint } = report.indicators;
  const reference = report.dimensions.map((name, i) => `${name} ${short(referencePoint[i])}`);
  const exact = report.exact ? `, ${exactShare(report.exact)}` : "";
  const initial = report.dimensions.map((name, i) => `${name} ${short(report.initial?.[i])}`);
  const intervals = hasIntervals(report) ? ", with 95 % intervals" : "";
  return [
    `Front in ${metrics[report.metric].label}${intervals}`,
    frontTable(report),
    "",
    report.verdict,
    `hypervolume ${short(hypervolume)} above ${reference.join(", ")}${exact}`,
    ...(report.initial ? [`without adapter ${initial.join(", ")}`] : []),
  ].join("\n");
}

/** Several fronts side by side, all seen from the first one's reference point. */
export function comparisonText(
  { metric, dimensions, referencePoint, fronts }: FrontComparison,
): string {
  const reference = dimensions.map((name, i) => `${name} ${short(referencePoint[i])}`);
  const share = (part: number | null) => part === null ? "–" : `${(100 * part).toFixed(1)} %`;
  const head = [
    "",
    "hypervolume",
    "of the first",
    "Σ λ·J",
    ...dimensions.map((name) => `span of ${name}`),
    "sparsity",
    "spacing",
    "dominated",
  ];
  const rows = fronts.map(({ name, indicators, hypervolumeShare, dominatedByOthers }) => [
    name,
    brief(indicators.hypervolume),
    share(hypervolumeShare),
    brief(indicators.innerProduct),
    ...indicators.span.map(brief),
    brief(indicators.sparsity),
    brief(indicators.spacing),
    share(dominatedByOthers),
  ]);
  return [
    `Fronts in ${metrics[metric].label}`,
    columns([head, ...rows]),
    "",
    `hypervolumes above ${reference.join(", ")}; dominated: points below one of another front`,
  ].join("\n");
}

/** For each prompt, the answer of each preference λ. */
export function samplesText(
  samples: SampleAnswers[],
  dimensions: string[],
  title = "The answer each preference likes best",
): string {
  const blocks = samples.map(({ prompt, answers }) => {
    const lines = answers.map(({ preference, answer }) =>
      `  ${namedPreference(preference, dimensions)}: ${answer.replace(/\s+/g, " ").trim()}`
    );
    return [`“${prompt.trim()}”`, ...lines].join("\n");
  });
  return [title, ...blocks].join("\n");
}

function frontTable(report: FrontReport): string {
  const { dimensions, points } = report;
  const interval = hasIntervals(report)
    ? (low?: number, high?: number) => ` [${short(low)}, ${short(high)}]`
    : () => "";
  const head = [...dimensions.map((name) => `λ ${name}`), ...dimensions];
  const rows = evenly(points).map(({ preference, values, low, high }) => [
    ...preference.map((weight) => weight.toFixed(2)),
    ...values.map((value, i) => short(value) + interval(low[i], high[i])),
  ]);
  const hidden = points.length - rows.length;
  const table = columns([head, ...rows]);
  return hidden > 0 ? `${table}\n… and ${hidden} more points in the files` : table;
}

/** Without resamples both ends of every interval are the value. */
function hasIntervals({ points }: FrontReport): boolean {
  return points.some(({ low, high }) => low.some((end, i) => end !== high[i]));
}

/** At most MOST_ROWS of the points, evenly spaced, first and last included. */
function evenly<T>(points: T[]): T[] {
  if (points.length <= MOST_ROWS) return points;
  const stride = (points.length - 1) / (MOST_ROWS - 1);
  const chosen = new Set(Array.from({ length: MOST_ROWS }, (_, row) => Math.round(row * stride)));
  return points.filter((_, i) => chosen.has(i));
}

/** Three figures, however small: hypervolumes are products of small numbers. */
function brief(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function short(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? "–" : value.toFixed(3);
}
