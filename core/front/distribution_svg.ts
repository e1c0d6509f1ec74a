// The rewards behind a front's points as a picture (figure 3 of the paper): for each dimension a
// histogram for each of a few λ, one above the other, below that of the model without adapter; and
// the same numbers as a table. Last stop of core/front, beside svg and render.
import * as Plot from "@observablehq/plot";
import { csvText } from "./csv.ts";
import type { DimensionDistributions, Distribution } from "./distributions.ts";
import { INK, mixedColour } from "./palette.ts";
import { plot } from "./panels.ts";
import { type FrontReport, metrics } from "./report.ts";
import { shownPoints } from "./shown_points.ts";
import { drawSheet, type LegendItem, listed, shortened } from "./sheet.ts";

/** Pixels between the base lines of two histograms, and how far one reaches over the next. */
const ROW = 34;
const OVERLAP = 1.5;
const MEDIAN = 2; // place of the median among QUANTILE_LEVELS
/** Colour of the model without adapter. */
const INITIAL = "#b9c2cc";

/** A histogram of the picture: of a λ, or (preference null) of the model without adapter. */
interface Row extends Distribution {
  preference: number[] | null;
}

/** Whether a report holds what this picture shows. */
export function hasDistributions(
  report: FrontReport,
): report is FrontReport & { distributions: DimensionDistributions[] } {
  return report.distributions !== undefined;
}

/**
 * The distributions as an SVG document of panels `width` pixels wide, so many in a row; throws
 * TypeError for a report without.
 */
export function distributionsSvg(
  report: FrontReport,
  { width = 440, columns = 2, title = titleOf(report) }: {
    width?: number;
    columns?: number;
    title?: string;
  } = {},
): string {
  if (!hasDistributions(report)) {
    throw new TypeError("Cannot draw distributions: expected a front of rewards, got another");
  }
  const { dimensions, distributions } = report;
  const shown = shownPoints(report);
  const rows = shown.length + Number(distributions[0]?.initial !== undefined);
  const size = { width, height: 110 + ROW * rows };
  return drawSheet({
    title,
    lines: [
      `Each row counts the ${
        metrics[report.metric].label.replace(/^mean /, "")
      }s of the responses ` +
      `to ${promptsOf(distributions)} test prompts under one λ`,
    ],
    legend: legend(report),
    panels: distributions.map((distribution, i) =>
      dimensionPanel({
        rows: rowsOf(distribution, report, shown),
        edges: distribution.edges,
        name: dimensions[i] ?? "",
        size,
      })
    ),
    size,
    columns,
  });
}

function titleOf({ adapter, dimensions }: FrontReport): string {
  return `Rewards of ${shortened(adapter, 40)} by λ: ${listed(dimensions)}`;
}

/**
 * The counts as CSV (RFC 4180, line feeds): `dimension`, `lambda_<dimension>` for each weight (empty
 * for the model without adapter), the ends of the bin and its `count`.
 */
export function distributionsCsv(report: FrontReport): string {
  const { dimensions, distributions = [], points } = report;
  const header = [
    "dimension",
    ...dimensions.map((name) => `lambda_${name}`),
    "low",
    "high",
    "count",
  ];
  const lines = distributions.flatMap((distribution, i) => {
    const { edges } = distribution;
    return rowsOf(distribution, report, points.map((_, n) => n)).flatMap((row) =>
      row.counts.map((count, k) => [
        dimensions[i] ?? "",
        ...dimensions.map((_, j) => String(row.preference?.[j] ?? "")),
        String(edges[k]),
        String(edges[k + 1]),
        String(count),
      ])
    );
  });
  return csvText([header, ...lines]);
}

function rowsOf(
  { initial, points }: DimensionDistributions,
  report: FrontReport,
  shown: number[],
): Row[] {
  return [
    ...(initial ? [{ ...initial, preference: null }] : []),
    ...shown.flatMap((n) => {
      const point = points[n];
      return point ? [{ ...point, preference: report.points[n]?.preference ?? [] }] : [];
    }),
  ];
}

function dimensionPanel(
  { rows, edges, name, size }: {
    rows: Row[];
    edges: number[];
    name: string;
    size: { width: number; height: number };
  },
): string {
  const most = Math.max(1, ...rows.flatMap(({ counts }) => counts));
  const base = (r: number) => rows.length - 1 - r; // the first row on top
  const areas = rows.flatMap((row, r) =>
    edges.map((x, k) => ({
      r,
      x,
      y1: base(r),
      y2: base(r) + (OVERLAP * (row.counts[Math.min(k, row.counts.length - 1)] ?? 0)) / most,
      fill: row.preference === null ? INITIAL : mixedColour(row.preference),
    }))
  );
  const medians = rows.map(({ quantiles }, r) => ({
    x: quantiles[MEDIAN] ?? NaN,
    y1: base(r),
    y2: base(r) + 0.55,
  }));
  return plot(size, {
    marginLeft: 104,
    marginRight: 16,
    x: { label: `${name} (reward) →` },
    y: {
      domain: [-0.35, rows.length - 1 + OVERLAP + 0.1],
      label: null,
      grid: false,
      ticks: rows.map((_, r) => base(r)),
      tickSize: 0,
      tickFormat: (y: number) => rowName(rows[rows.length - 1 - y]),
    },
    marks: [
      Plot.ruleY(rows.map((_, r) => base(r)), { stroke: "#e3e7eb" }),
      ...rows.map((_, r) =>
        Plot.areaY(areas.filter((area) => area.r === r), {
          x: "x",
          y1: "y1",
          y2: "y2",
          fill: areas.find((area) => area.r === r)?.fill,
          fillOpacity: 0.85,
          stroke: "white",
          strokeWidth: 0.8,
          curve: "step-after",
        })
      ),
      Plot.ruleX(medians, { x: "x", y1: "y1", y2: "y2", stroke: INK, strokeWidth: 1.6 }),
    ],
  });
}

function rowName(row: Row | undefined): string {
  if (!row?.preference) return "no adapter";
  const weights = row.preference.map((weight) => Number(weight.toFixed(2)));
  return weights.length <= 2 ? weights.join(", ") : weights.join(" ");
}

function legend({ dimensions, distributions }: FrontReport): LegendItem[] {
  const box = (colour: string) =>
    `<rect y="-10" width="12" height="11" fill="${colour}" fill-opacity="0.85"/>`;
  const initial = distributions?.[0]?.initial !== undefined;
  return [
    {
      mark: dimensions.map((_, i) => {
        const corner = dimensions.map((_, j) => (i === j ? 1 : 0));
        return `<g transform="translate(${14 * i} 0)">${box(mixedColour(corner))}</g>`;
      }).join(""),
      markWidth: 14 * dimensions.length,
      text: `λ on ${dimensions.join(", ")}`,
    },
    ...(initial ? [{ mark: box(INITIAL), markWidth: 12, text: "model without adapter" }] : []),
    {
      mark: `<path d="M6,-11 v12" stroke="${INK}" stroke-width="1.6"/>`,
      markWidth: 12,
      text: "median",
    },
  ];
}

function promptsOf([first]: DimensionDistributions[]): number {
  return (first?.points[0]?.counts ?? []).reduce((sum, count) => sum + count, 0);
}
