// Fronts of several methods on the same axes, each point a mean over seeds with its interval: the
// picture behind most figures of the report. One panel for each pair of dimensions.
import * as Plot from "@observablehq/plot";
import { domain, type Pair, pairsOf, within } from "../../front/axes.ts";
import { placeLabels } from "../../front/labels.ts";
import { labelMarks, referenceMark } from "../../front/marks.ts";
import { dimensionColour, INK, mixedColour, MUTED } from "../../front/palette.ts";
import { plot } from "../../front/panels.ts";
import { type Shape, shapePath } from "../../front/shapes.ts";
import { drawSheet, type LegendItem, type Size } from "../../front/sheet.ts";
import type { SeedInterval } from "../statistics.ts";

/** Room for a picture: a page's column, or a phone's. */
export type Width = "wide" | "narrow";

/** A point of a front. */
export interface SeriesPoint {
  preference: number[]; // (M)
  values: SeedInterval[]; // (M)
}

/** One front of the picture. */
export interface FrontSeries {
  name: string;
  colour: string;
  shape: Shape;
  points: SeriesPoint[];
  /** Whether its points are coloured by λ, for one front of a picture. */
  leading?: boolean;
}

/** A single point with a name, such as where λ_opt lies. */
export interface Landmark {
  name: string;
  values: number[]; // (M)
  colour: string;
  shape: Shape;
  r: number; // pixels
}

/** What a picture of fronts shows. */
export interface FrontsPicture {
  title: string;
  lines: string[];
  dimensions: string[]; // (M), at least 2
  axis: string; // what the values are
  series: FrontSeries[];
  exact?: { preference: number[]; values: number[] }[];
  referencePoint?: number[]; // (M)
  landmarks?: Landmark[];
}

interface Place {
  x: number;
  y: number;
}

interface DrawnPoint extends Place {
  xLow: number;
  xHigh: number;
  yLow: number;
  yHigh: number;
  fill: string;
}

/** The picture as an SVG document. */
export function frontsSvg(picture: FrontsPicture, width: Width): string {
  const pairs = pairsOf(picture.dimensions.length);
  const size = sizeFor(pairs.length, width);
  const drawn = pairs.map((pair) => pairPanel(picture, pair, size));
  return drawSheet({
    title: picture.title,
    lines: picture.lines,
    legend: legend(picture, drawn.some(({ referenceShown }) => referenceShown)),
    panels: drawn.map(({ svg }) => svg),
    size,
    columns: width === "wide" ? 2 : 1,
  });
}

function sizeFor(pairs: number, width: Width): Size {
  if (width === "narrow") return { width: 316, height: 320 };
  return pairs > 1 ? { width: 400, height: 370 } : { width: 720, height: 460 };
}

function pairPanel(
  picture: FrontsPicture,
  pair: Pair,
  size: Size,
): { svg: string; referenceShown: boolean } {
  const { dimensions, axis, landmarks = [] } = picture;
  const joined = dimensions.length === 2;
  const series = picture.series.map((one) => ({ ...one, drawn: drawnPoints(one, pair) }));
  const exact = (picture.exact ?? []).map(({ values }) => placeOf(values, pair));
  const marks = landmarks.map((mark) => ({ ...mark, ...placeOf(mark.values, pair) }));
  const reference = placeOf(picture.referencePoint ?? [], pair);
  const all = series.flatMap(({ drawn }) => drawn);
  const others = [...exact, ...marks];
  const domains = {
    x: domain(
      [...all.flatMap((p) => [p.xLow, p.xHigh]), ...others.map((p) => p.x)],
      reference.x,
    ),
    y: domain(
      [...all.flatMap((p) => [p.yLow, p.yHigh]), ...others.map((p) => p.y)],
      reference.y,
    ),
  };
  const referenceShown = within(reference.x, domains.x) && within(reference.y, domains.y);
  const at = { x: "x", y: "y" };
  const leading = series.find((one) => one.leading);
  const names = joined && leading !== undefined
    ? placeLabels(endsOf(leading.points, { pair, dimensions }), {
      lines: [exact, ...series.map(({ drawn }) => drawn)],
      domain: domains,
      frame: { width: size.width - 88, height: size.height - 82 },
      fontSize: 13,
    })
    : [];
  const svg = plot(size, {
    x: { domain: domains.x, label: `${dimensions[pair.x]} (${axis}) →` },
    y: { domain: domains.y, label: `↑ ${dimensions[pair.y]} (${axis})` },
    marks: [
      ...exactMarks(exact, joined),
      ...[...series].reverse().flatMap((one) => frontMarks(one, joined)),
      ...marks.map((mark) =>
        Plot.dot([mark], {
          ...at,
          symbol: mark.shape,
          stroke: mark.colour,
          strokeWidth: 2,
          fill: "white",
          r: mark.r,
        })
      ),
      ...(referenceShown ? [referenceMark(reference)] : []),
      ...labelMarks(names),
    ],
  });
  return { svg, referenceShown };
}

function exactMarks(exact: Place[], joined: boolean): Plot.Markish[] {
  const at = { x: "x", y: "y" };
  return joined
    ? [Plot.line(exact, { ...at, stroke: MUTED, strokeDasharray: "5 4" })]
    : [Plot.dot(exact, { ...at, stroke: "#9aa5b1", r: 3, symbol: "diamond" })];
}

function frontMarks(
  { drawn, colour, shape, leading = false }: FrontSeries & { drawn: DrawnPoint[] },
  joined: boolean,
): Plot.Markish[] {
  const at = { x: "x", y: "y" };
  const bars = drawn.filter(({ xLow, xHigh, yLow, yHigh }) => xLow < xHigh || yLow < yHigh);
  const bar = { stroke: colour, strokeOpacity: 0.3, strokeWidth: 1.2 };
  return [
    Plot.ruleY(bars, { y: "y", x1: "xLow", x2: "xHigh", ...bar }),
    Plot.ruleX(bars, { x: "x", y1: "yLow", y2: "yHigh", ...bar }),
    ...(joined
      ? [Plot.line(drawn, { ...at, stroke: colour, strokeOpacity: 0.75, strokeWidth: 1.5 })]
      : []),
    Plot.dot(drawn, {
      ...at,
      symbol: shape,
      fill: leading ? "fill" : "white",
      stroke: leading ? "white" : colour,
      r: leading ? 5.5 : 3.5,
    }),
  ];
}

/** The points of a series; with two dimensions in the order of λ, so that a line can join them. */
function drawnPoints({ points }: FrontSeries, { x, y }: Pair): DrawnPoint[] {
  const ordered = [...points].sort((a, b) => (a.preference[0] ?? 0) - (b.preference[0] ?? 0));
  return ordered.map(({ preference, values }) => {
    const [across, up] = [values[x], values[y]];
    const end = (value: SeedInterval | undefined, side: "low" | "high") =>
      value?.[side] ?? value?.mean ?? NaN;
    return {
      x: across?.mean ?? NaN,
      y: up?.mean ?? NaN,
      xLow: end(across, "low"),
      xHigh: end(across, "high"),
      yLow: end(up, "low"),
      yHigh: end(up, "high"),
      fill: mixedColour(preference),
    };
  });
}

function placeOf(values: number[], { x, y }: Pair): Place {
  return { x: values[x] ?? NaN, y: values[y] ?? NaN };
}

/** Names for the points where one weight is 1. */
function endsOf(
  points: SeriesPoint[],
  { pair, dimensions }: { pair: Pair; dimensions: string[] },
) {
  return dimensions.flatMap((name, i) => {
    const end = points.find(({ preference }) => preference[i] === 1);
    if (end === undefined) return [];
    const place = placeOf(end.values.map(({ mean }) => mean), pair);
    return [{ ...place, colour: dimensionColour(i), text: `only ${name}` }];
  });
}

function legend(
  { series, dimensions, exact, landmarks = [] }: FrontsPicture,
  referenceShown: boolean,
): LegendItem[] {
  const joined = dimensions.length === 2;
  const items: LegendItem[] = series.map(({ name, colour, shape, leading }) =>
    leading
      ? { ...leadingMark(dimensions, colour), text: name }
      : { mark: outlined(shape, colour), markWidth: 12, text: name }
  );
  for (const { name, colour, shape } of landmarks) {
    items.push({ mark: outlined(shape, colour), markWidth: 12, text: name });
  }
  if (exact !== undefined && exact.length > 0) {
    items.push(
      joined
        ? {
          mark: `<path d="M0,-4 h30" stroke="${MUTED}" stroke-width="1.5" stroke-dasharray="5 4"/>`,
          markWidth: 30,
          text: "exact front",
        }
        : { mark: outlined("diamond", "#9aa5b1"), markWidth: 12, text: "exact front" },
    );
  }
  if (referenceShown) items.push({ mark: cross(INK), markWidth: 12, text: "reference point" });
  return items;
}

/** Dots in the colours of λ on a line in the colour of the front. */
function leadingMark(
  dimensions: string[],
  colour: string,
): Pick<LegendItem, "mark" | "markWidth"> {
  const corners = dimensions.map((_, i) => dimensions.map((_, j) => (i === j ? 1 : 0)));
  const even = dimensions.map(() => 1 / dimensions.length);
  const shown = dimensions.length === 2 ? [corners[1], even, corners[0]] : corners;
  const dots = shown.map((preference, k) =>
    `<circle cx="${6 + 13 * k}" cy="-4" r="5" fill="${mixedColour(preference ?? [])}"/>`
  );
  const width = 13 * shown.length;
  return {
    mark: `<path d="M0,-4 h${width}" stroke="${colour}" stroke-width="1.5"/>${dots.join("")}`,
    markWidth: width,
  };
}

function outlined(shape: Shape, colour: string): string {
  return `<path transform="translate(6 -4)" d="${shapePath(shape, 4)}" fill="white" ` +
    `stroke="${colour}" stroke-width="1.5"/>`;
}

function cross(colour: string): string {
  return `<path d="M2,-8 l8,8 m0,-8 l-8,8" stroke="${colour}" stroke-width="1.5"/>`;
}
