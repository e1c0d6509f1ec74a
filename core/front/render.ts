// A front report for people and spreadsheets: a table for the terminal, CSV, and (svg.ts) a
// picture. Last stop of core/front; nothing is computed here that the report does not hold.
import type { FrontComparison } from "./comparison.ts";
import { csvText } from "./csv.ts";
import { exactShare, type FrontReport, metrics } from "./report.ts";

export { distributionsCsv, distributionsSvg, hasDistributions } from "./distribution_svg.ts";
export { comparisonSvg, evolutionSvg, frontSvg } from "./svg.ts";

/** The report as text for a terminal of fixed-width characters; ends with a line feed. */
export function frontTable(report: FrontReport): string {
  const { dimensions, points, indicators, exact } = report;
  const header = [
    ...dimensions.map((name) => `λ ${name}`),
    ...dimensions.map((name) => name),
  ];
  const digits = weightDigits(points.flatMap(({ preference }) => preference));
  const rows = points.map(({ preference, values, low, high }) => [
    ...preference.map((weight) => weight.toFixed(digits)),
    ...values.map((value, i) => `${figure(value)} ${interval(low[i], high[i])}`),
  ]);
  const reference = `(${indicators.referencePoint.map(figure).join(", ")})`;
  const facts: [string, string][] = [
    ["hypervolume", `${figure(indicators.hypervolume)} above the reference point ${reference}`],
    ...(exact === undefined ? [] : [
      ["beside the exact", exactShare(exact)] satisfies [string, string],
    ]),
    ["inner product", `${figure(indicators.innerProduct)} (mean of Σ λ·J)`],
    ["span", indicators.span.map((span, i) => `${dimensions[i]} ${figure(span)}`).join(", ")],
    ["sparsity", `${figure(indicators.sparsity)} (PGMORL)`],
    ["spacing", `${figure(indicators.spacing)} (Schott)`],
    ["dominated", `${(100 * indicators.dominatedShare).toFixed(0)} % of the points`],
    ...Object.entries(report.controllability).map(([name, control]): [string, string] => [
      `λ on ${name}`,
      `ρ ${control.rho.toFixed(2)}, ${figure(control.range)} ` +
      `${interval(control.low, control.high)} from λ 0 to 1, ` +
      `${control.violations} of ${control.comparisons} steps the wrong way`,
    ]),
  ];
  const wide = Math.max(...facts.map(([name]) => name.length));
  return [
    `${report.adapter}: ${metrics[report.metric].label} over the preference grid`,
    "",
    ...grid(header, rows),
    "",
    ...facts.map(([name, text]) => `${name.padEnd(wide)}  ${text}`),
    "",
    report.verdict,
    "",
  ].join("\n");
}

/**
 * The points as CSV (RFC 4180, line feeds): `lambda_<dimension>` for each weight, then each
 * dimension's value, `<dimension>_low` and `<dimension>_high`, in full precision.
 */
export function frontCsv(report: FrontReport): string {
  return csvText([csvHeader(report.dimensions), ...csvRows(report)]);
}

/** The points of every compared front as CSV: its name in the column `front`, then as `frontCsv`. */
export function comparisonCsv({ fronts, reports, dimensions }: FrontComparison): string {
  const rows = reports.flatMap((report, i) =>
    csvRows(report).map((row) => [fronts[i]?.name ?? "", ...row])
  );
  return csvText([["front", ...csvHeader(dimensions)], ...rows]);
}

function csvHeader(dimensions: string[]): string[] {
  return [
    ...dimensions.map((name) => `lambda_${name}`),
    ...dimensions.flatMap((name) => [name, `${name}_low`, `${name}_high`]),
  ];
}

function csvRows({ points }: FrontReport): string[][] {
  return points.map(({ preference, values, low, high }) => [
    ...preference.map(String),
    ...values.flatMap((value, i) => [String(value), String(low[i]), String(high[i])]),
  ]);
}

/** A number of any size in about four significant figures. */
export function figure(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(2);
  return value.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : 3);
}

/** Decimals that tell the grid's weights apart: two to four. */
function weightDigits(weights: number[]): number {
  const exact = (digits: number) =>
    weights.every((weight) => Math.abs(Number(weight.toFixed(digits)) - weight) < 1e-9);
  return exact(2) ? 2 : exact(3) ? 3 : 4;
}

function interval(low = NaN, high = NaN): string {
  return `[${figure(low)}, ${figure(high)}]`;
}

function grid(header: string[], rows: string[][]): string[] {
  const widths = header.map((title, i) =>
    Math.max(...[title, ...rows.map((row) => row[i] ?? "")].map((cell) => [...cell].length))
  );
  const line = (cells: string[]) =>
    " " +
    cells.map((cell, i) => cell + " ".repeat((widths[i] ?? 0) - [...cell].length)).join(" │ ");
  return [
    line(header).trimEnd(),
    widths.map((width) => "─".repeat(width + 2)).join("┼"),
    ...rows.map((row) => line(row).trimEnd()),
  ];
}
