// The picture of a front, or of several on the same axes: a panel for each pair of dimensions
// (core/front/panels); one dimension alone gets a row for each report. Colour shows λ: each
// dimension has a colour, and a point of the first front mixes them by its weights; further fronts
// have one colour and shape each.
import { pairsOf } from "./axes.ts";
import type { FrontComparison } from "./comparison.ts";
import { dimensionColour, INK, mixedColour, MUTED, seriesColour, stepColour } from "./palette.ts";
import { pairPanel, type Series, valuesPanel } from "./panels.ts";
import { exactShare, type FrontReport } from "./report.ts";
import { seriesShape, shapePath } from "./shapes.ts";
import { drawSheet, type LegendItem, listed, shortened, type Size } from "./sheet.ts";

const LONGEST_NAME = 40;

/**
 * The report as an SVG document on a white background, without scripts or outside references.
 * `series` are further reports over the same dimensions, each drawn in one colour under the name
 * of its adapter. Throws TypeError where one has other dimensions or another metric.
 */
export function frontSvg(
  report: FrontReport,
  { series = [] }: { series?: FrontReport[] } = {},
): string {
  for (const other of series) checkComparable(report, other);
  const others = series.map((other, i): Series => ({
    name: shortened(other.adapter, LONGEST_NAME),
    colour: seriesColour(i),
    shape: seriesShape(i),
    report: other,
  }));
  const name = shortened(report.adapter, LONGEST_NAME);
  return draw(report, {
    name,
    others,
    title: `Front of ${name}: ${listed(report.dimensions)}`,
    lines: [report.verdict, figuresOf(report)],
  });
}

/** Fronts on the same axes, the first one's points coloured by λ (figure 4, left, of the paper). */
export function comparisonSvg(comparison: FrontComparison): string {
  return drawCompared(comparison, {
    title: "Fronts side by side",
    colourOf: (i) => seriesColour(i - 1),
    shapeOf: (i) => seriesShape(i - 1),
  });
}

/**
 * One adapter's front at several steps of its training, the last one leading (figure 4, right):
 * the others grow darker with the steps. `comparison.fronts` go from the last step to the first.
 */
export function evolutionSvg(comparison: FrontComparison): string {
  const last = comparison.reports.length;
  return drawCompared(comparison, {
    title: `Front of ${shortened(comparison.reports[0]?.adapter ?? "", LONGEST_NAME)} as it grew`,
    colourOf: (i) => stepColour(last < 3 ? 0 : 1 - (i - 1) / (last - 2)),
    shapeOf: () => "circle",
  });
}

function drawCompared(
  comparison: FrontComparison,
  { title, colourOf, shapeOf }: {
    title: string;
    colourOf: (i: number) => string;
    shapeOf: (i: number) => Series["shape"];
  },
): string {
  const [report, ...rest] = comparison.reports;
  if (report === undefined) {
    throw new TypeError("Cannot draw fronts: expected at least one, got none");
  }
  const names = namesOf(comparison);
  const others = rest.map((other, i): Series => ({
    name: names[i + 1] ?? "",
    colour: colourOf(i + 1),
    shape: shapeOf(i + 1),
    report: other,
  }));
  return draw(report, {
    name: names[0] ?? "",
    others,
    title: `${title}: ${listed(comparison.dimensions)}`,
    lines: [volumesOf(comparison)],
  });
}

function draw(
  report: FrontReport,
  { name, others, title, lines }: {
    name: string;
    others: Series[];
    title: string;
    lines: string[];
  },
): string {
  const pairs = pairsOf(report.dimensions.length);
  const size = panelSize(pairs.length, others.length);
  const panels = pairs.length === 0
    ? [valuesPanel(report, { name, others, size })]
    : pairs.map((pair) => pairPanel(report, { pair, others, size }));
  const referenceShown = panels.some((panel) => panel.referenceShown);
  return drawSheet({
    title,
    lines,
    legend: legend(report, { name, others, referenceShown }),
    panels: panels.map(({ svg }) => svg),
    size,
  });
}

function panelSize(pairs: number, others: number): Size {
  if (pairs > 1) return { width: 400, height: 370 };
  return { width: 720, height: pairs === 1 ? 500 : 120 + 44 * (1 + others) };
}

function legend(
  { dimensions, exact, initial }: FrontReport,
  { name, others, referenceShown }: { name: string; others: Series[]; referenceShown: boolean },
): LegendItem[] {
  const reference = {
    mark: dimensions.length === 1
      ? `<path d="M6,-10 v12" stroke="${INK}" stroke-width="1.5" stroke-dasharray="2 3"/>`
      : `<path d="M2,-8 l8,8 m0,-8 l-8,8" stroke="${INK}" stroke-width="1.5"/>`,
    markWidth: 12,
    text: "reference point",
  };
  const last = referenceShown ? [reference] : [];
  if (dimensions.length === 1) return last; // its rows carry the names
  // Beside others the coloured points have to be named too.
  const prefix = others.length > 0 ? `${name}, ` : "";
  const items = dimensions.length === 2
    ? [scale(dimensions, prefix)]
    : dimensions.map((dimension, i) => ({
      mark: dot(6, dimensionColour(i)),
      markWidth: 12,
      text: `${i === 0 ? prefix : ""}λ on ${dimension}`,
    }));
  for (const { name, colour, shape } of others) {
    const mark = `<path transform="translate(6 -4)" d="${shapePath(shape, 4)}" fill="white" ` +
      `stroke="${colour}" stroke-width="1.5"/>`;
    items.push({ mark, markWidth: 12, text: name });
  }
  if (exact !== undefined) items.push(exactItem(dimensions.length));
  if (initial !== undefined) {
    const mark = `<path d="M6,-10 v12 m-6,-6 h12" stroke="${INK}" stroke-width="2"/>`;
    items.push({ mark, markWidth: 12, text: "model without adapter" });
  }
  return [...items, ...last];
}

/** The colours between the two ends of λ. */
function scale(dimensions: string[], prefix: string): LegendItem {
  const dots = Array.from(
    { length: 7 },
    (_, k) => dot(6 + 13 * k, mixedColour([k / 6, 1 - k / 6])),
  );
  return {
    mark: dots.join(""),
    markWidth: 91,
    text: `${prefix}λ: ${dimensions[1]} to ${dimensions[0]}`,
  };
}

function exactItem(m: number): LegendItem {
  const text = "exact front";
  return m === 2
    ? {
      mark: `<path d="M0,-4 h30" stroke="${MUTED}" stroke-width="1.5" stroke-dasharray="5 4"/>`,
      markWidth: 30,
      text,
    }
    : {
      mark: `<path d="M6,-9 l4,5 l-4,5 l-4,-5 z" fill="none" stroke="#9aa5b1" stroke-width="1.5"/>`,
      markWidth: 12,
      text,
    };
}

function dot(x: number, colour: string): string {
  return `<circle cx="${x}" cy="-4" r="5" fill="${colour}"/>`;
}

function figuresOf(report: FrontReport): string {
  const { indicators, exact } = report;
  return [
    `Hypervolume ${short(indicators.hypervolume)} above ${pointText(indicators.referencePoint)}`,
    ...(exact ? [exactShare(exact)] : []),
    ...barsOf(report),
  ].join("; ");
}

/** The hypervolumes over the common reference point, the first one as the measure of the others. */
function volumesOf(comparison: FrontComparison): string {
  const names = namesOf(comparison);
  const volumes = comparison.fronts.map(({ indicators, hypervolumeShare }, i) => {
    const share = i === 0 || hypervolumeShare === null
      ? ""
      : ` (${(100 * hypervolumeShare).toFixed(1)} %)`;
    return `${names[i]} ${short(indicators.hypervolume)}${share}`;
  });
  const [first] = comparison.reports;
  return [
    `Hypervolume above ${pointText(comparison.referencePoint)}: ${volumes.join(", ")}`,
    ...(first ? barsOf(first) : []),
  ].join("; ");
}

function barsOf({ settings }: FrontReport): string[] {
  const { resamples, level } = (settings.bootstrap ?? {}) as { resamples?: number; level?: number };
  return resamples && level ? [`bars: ${100 * level} % bootstrap intervals`] : [];
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function pointText(point: number[]): string {
  return `(${point.map(short).join(", ")})`;
}

function namesOf({ fronts }: FrontComparison): string[] {
  return fronts.map(({ name }) => shortened(name, LONGEST_NAME));
}

function checkComparable(report: FrontReport, other: FrontReport): void {
  const describe = ({ metric, dimensions }: FrontReport) => `${metric} of ${dimensions.join(", ")}`;
  if (describe(report) !== describe(other)) {
    throw new TypeError(
      `Cannot draw fronts together: expected ${describe(report)}, got ${describe(other)}`,
    );
  }
}
