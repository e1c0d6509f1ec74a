// One panel of a front's picture: two dimensions against each other, or the values of a single
// one. Drawn with Observable Plot on a linkedom document; core/front/svg puts the panels together.
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { domain, type Pair, within } from "./axes.ts";
import { placeLabels } from "./labels.ts";
import { labelMarks, referenceMark } from "./marks.ts";
import { dimensionColour, INK, mixedColour, MUTED } from "./palette.ts";
import { type FrontReport, metrics } from "./report.ts";
import type { Shape } from "./shapes.ts";
import type { Size } from "./sheet.ts";

const MARGINS = { marginLeft: 64, marginRight: 24, marginTop: 30, marginBottom: 52 };
const FONT_SIZE = 13;

/** A front beside the reported one: a baseline, an earlier run. */
export interface Series {
  name: string;
  colour: string;
  shape: Shape;
  report: FrontReport;
}

/** A panel's SVG group, and whether it marks the reference point. */
export interface DrawnPanel {
  svg: string;
  referenceShown: boolean;
}

interface DrawnPoint {
  x: number;
  y: number;
  xLow: number;
  xHigh: number;
  yLow: number;
  yHigh: number;
  colour: string;
}

/**
 * Two dimensions of a front against each other, as SVG: points coloured by λ with their intervals,
 * the exact front, the model without adapter, the reference point where it lies near, and `others`
 * in one colour each. With two dimensions in all, lines follow λ and the two ends are named.
 */
export function pairPanel(
  report: FrontReport,
  { pair, others, size }: { pair: Pair; others: Series[]; size: Size },
): DrawnPanel {
  const { x, y } = pair;
  const joined = report.dimensions.length === 2;
  const points = pointsOf(report, pair);
  const series = others.map(({ report, ...style }) => ({
    ...style,
    points: pointsOf(report, pair),
  }));
  const exact = (report.exact?.points ?? []).map(({ values }) => ({
    x: values[x] ?? NaN,
    y: values[y] ?? NaN,
  }));
  const reference = {
    x: report.indicators.referencePoint[x] ?? NaN,
    y: report.indicators.referencePoint[y] ?? NaN,
  };
  const initial = report.initial
    ? [{ x: report.initial[x] ?? NaN, y: report.initial[y] ?? NaN }]
    : [];
  const ranges = [points, ...series.map(({ points }) => points)].flat();
  const marked = [...exact, ...initial];
  const xDomain = domain(
    [...ranges.flatMap((p) => [p.xLow, p.xHigh]), ...marked.map((p) => p.x)],
    reference.x,
  );
  const yDomain = domain(
    [...ranges.flatMap((p) => [p.yLow, p.yHigh]), ...marked.map((p) => p.y)],
    reference.y,
  );
  // A reference point far from the points is left out rather than squeezing them together.
  const referenceShown = within(reference.x, xDomain) && within(reference.y, yDomain);
  const { label } = metrics[report.metric];
  const at = { x: "x", y: "y" };
  const line = (rows: { x: number; y: number }[], options: Plot.LineOptions) =>
    joined ? [Plot.line(rows, { ...at, ...options })] : [];
  const labels = joined
    ? placeLabels(endsOf(report, points), {
      lines: [points, exact, ...series.map(({ points }) => points), initial, [reference]],
      domain: { x: xDomain, y: yDomain },
      frame: {
        width: size.width - MARGINS.marginLeft - MARGINS.marginRight,
        height: size.height - MARGINS.marginTop - MARGINS.marginBottom,
      },
      fontSize: FONT_SIZE,
    })
    : [];
  const svg = plot(size, {
    x: { domain: xDomain, label: `${report.dimensions[x]} (${label}) →` },
    y: { domain: yDomain, label: `↑ ${report.dimensions[y]} (${label})` },
    marks: [
      ...line(exact, { stroke: MUTED, strokeDasharray: "5 4" }),
      ...(joined ? [] : [Plot.dot(exact, { ...at, stroke: "#9aa5b1", r: 3, symbol: "diamond" })]),
      ...series.flatMap(({ colour, shape, points }) => [
        ...errorBars(points, { stroke: colour, strokeOpacity: 0.25, strokeWidth: 1 }),
        ...line(points, { stroke: colour, strokeOpacity: 0.6 }),
        Plot.dot(points, { ...at, stroke: colour, fill: "white", r: 3, symbol: shape }),
      ]),
      ...errorBars(points, { stroke: "colour", strokeOpacity: 0.4, strokeWidth: 1.2 }),
      ...line(points, { stroke: "#9aa5b1", strokeWidth: 1.2 }),
      Plot.dot(points, { ...at, fill: "colour", stroke: "white", r: 5.5 }),
      Plot.dot(initial, { ...at, symbol: "plus", stroke: INK, strokeWidth: 2, r: 5 }),
      ...(referenceShown ? [referenceMark(reference)] : []),
      ...labelMarks(labels),
    ],
  });
  return { svg, referenceShown };
}

/** The values of a front of one dimension, a row for each report, as SVG. */
export function valuesPanel(
  report: FrontReport,
  { name, others, size }: { name: string; others: Series[]; size: Size },
): DrawnPanel {
  const all = [{ name, colour: dimensionColour(0), report }, ...others];
  const rows = all.flatMap(({ name, colour, report }) =>
    report.points.map(({ values: [x = NaN], low: [xLow = NaN], high: [xHigh = NaN] }) => ({
      name,
      colour,
      x,
      xLow,
      xHigh,
    }))
  );
  const reference = report.indicators.referencePoint[0] ?? NaN;
  const xDomain = domain(rows.flatMap(({ xLow, xHigh }) => [xLow, xHigh]), reference);
  const referenceShown = within(reference, xDomain);
  const svg = plot(size, {
    marginLeft: 40 + 7 * Math.max(...all.map(({ name }) => name.length)),
    x: { domain: xDomain, label: `${report.dimensions[0]} (${metrics[report.metric].label}) →` },
    y: { type: "point", label: null, domain: [...new Set(all.map(({ name }) => name))] },
    marks: [
      ...(referenceShown ? [Plot.ruleX([reference], { stroke: INK, strokeDasharray: "2 3" })] : []),
      Plot.ruleY(rows, { y: "name", x1: "xLow", x2: "xHigh", stroke: "colour", strokeWidth: 1.5 }),
      Plot.dot(rows, { y: "name", x: "x", fill: "colour", stroke: "white", r: 6 }),
      Plot.text(rows, { y: "name", x: "x", text: (row) => row.x.toFixed(3), dy: -14, fill: INK }),
    ],
  });
  return { svg, referenceShown };
}

/** Both intervals of every point; none where no intervals were computed. */
function errorBars(all: DrawnPoint[], style: Plot.RuleXOptions & Plot.RuleYOptions) {
  const points = all.filter(({ xLow, xHigh, yLow, yHigh }) => xLow < xHigh || yLow < yHigh);
  return [
    Plot.ruleY(points, { y: "y", x1: "xLow", x2: "xHigh", ...style }),
    Plot.ruleX(points, { x: "x", y1: "yLow", y2: "yHigh", ...style }),
  ];
}

/** The points of a panel; with two dimensions in the order of λ, so that a line can join them. */
function pointsOf({ points }: FrontReport, { x, y }: Pair): DrawnPoint[] {
  const ordered = [...points].sort((a, b) => (a.preference[0] ?? 0) - (b.preference[0] ?? 0));
  return ordered.map(({ preference, values, low, high }) => ({
    x: values[x] ?? NaN,
    y: values[y] ?? NaN,
    xLow: low[x] ?? NaN,
    xHigh: high[x] ?? NaN,
    yLow: low[y] ?? NaN,
    yHigh: high[y] ?? NaN,
    colour: mixedColour(preference),
  }));
}

/** The points where one weight is 1, named after its dimension. */
function endsOf(report: FrontReport, points: DrawnPoint[]) {
  return report.dimensions.flatMap((name, i) => {
    const colour = dimensionColour(i).toLowerCase();
    const point = points.find((point) => point.colour.toLowerCase() === colour);
    return point === undefined ? [] : [{ x: point.x, y: point.y, colour, text: `only ${name}` }];
  });
}

/** An Observable Plot as an SVG group, with our margins and axes. */
export function plot(size: Size, options: Plot.PlotOptions): string {
  // linkedom declares its window without a document, which it has.
  const { document } = parseHTML("<html><body></body></html>") as unknown as {
    document: Plot.PlotOptions["document"];
  };
  const axis = { grid: true, ticks: 6, labelArrow: "none" } as const;
  const svg = Plot.plot({
    document,
    ...size,
    ...MARGINS,
    color: { type: "identity" },
    symbol: { type: "identity" },
    ...options,
    x: { ...axis, labelAnchor: "center", labelOffset: 42, ...options.x },
    y: { ...axis, labelAnchor: "top", ...options.y },
    marks: [Plot.frame({ stroke: "#d5dae0" }), ...(options.marks ?? [])],
  });
  // As a group, the panel depends neither on a style sheet nor on rules for nested viewports.
  svg.querySelector("style")?.remove();
  return `<g font-size="${FONT_SIZE}" text-anchor="middle" fill="currentColor">${svg.innerHTML}</g>`;
}
