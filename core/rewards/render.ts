// A reward model's report as a picture, a table and lines of text. For each dimension the picture has
// two panels: how the rewards of chosen and rejected responses are spread, and how often the model is
// right among pairs it is as sure of.
import * as Plot from "@observablehq/plot";
import { csvText } from "../front/csv.ts";
import { INK, MUTED } from "../front/palette.ts";
import { plot } from "../front/panels.ts";
import { drawSheet, type LegendItem, shortened } from "../front/sheet.ts";
import type { RewardQuality, RewardReport } from "./report.ts";

const CHOSEN = "#0072B2";
const REJECTED = "#D55E00";
const SIZE = { width: 440, height: 300 };

/** The report as an SVG document, two panels a dimension. */
export function rewardSvg(report: RewardReport): string {
  return drawSheet({
    title: `Reward model ${shortened(report.model, 40)}, step ${report.step}`,
    lines: rewardLines(report),
    legend: [
      box(CHOSEN, "chosen responses"),
      box(REJECTED, "rejected responses"),
      {
        mark: `<path d="M0,-4 h30" stroke="${MUTED}" stroke-width="1.5" stroke-dasharray="5 4"/>`,
        markWidth: 30,
        text: "as sure as right",
      },
    ],
    panels: report.dimensions.flatMap((
      quality,
    ) => [spreadPanel(quality), calibrationPanel(quality)]),
    size: SIZE,
    columns: 2,
  });
}

/** The report as text: one line for each dimension. */
export function rewardLines({ dimensions }: RewardReport): string[] {
  return dimensions.map((quality) => {
    const { name, pairs, accuracy, low, high, calibration_error, log_loss } = quality;
    const percent = (value: number) => (100 * value).toFixed(1);
    return `${name}: ${percent(accuracy)} % of ${pairs} test pairs right ` +
      `(${percent(low)} – ${percent(high)}), calibration error ${percent(calibration_error)} %, ` +
      `loss ${log_loss.toFixed(3)}; rewards ${means(quality)}`;
  });
}

/** The bins of calibration and the spread of the rewards as CSV. */
export function rewardCsv({ dimensions }: RewardReport): string {
  const header = ["dimension", "quantity", "low", "high", "pairs", "confidence", "accuracy"];
  const bins = dimensions.flatMap(({ name, bins }) =>
    bins.map(({ low, high, pairs, confidence, accuracy }) => [
      name,
      "calibration",
      ...[low, high, pairs, confidence, accuracy].map(String),
    ])
  );
  const counts = dimensions.flatMap(({ name, distributions: { edges, points } }) =>
    points.flatMap(({ counts }, k) =>
      counts.map((count, bin) => [
        name,
        k === 0 ? "chosen" : "rejected",
        ...[edges[bin] ?? NaN, edges[bin + 1] ?? NaN, count].map(String),
        "",
        "",
      ])
    )
  );
  return csvText([header, ...bins, ...counts]);
}

function means({ chosen, rejected }: RewardQuality): string {
  const text = ({ mean, sd }: { mean: number; sd: number }) =>
    `${mean.toFixed(2)} ± ${sd.toFixed(2)}`;
  return `${text(chosen)} chosen, ${text(rejected)} rejected`;
}

function spreadPanel({ name, distributions: { edges, points } }: RewardQuality): string {
  const bars = points.flatMap(({ counts }, k) =>
    counts.map((count, bin) => ({
      x1: edges[bin],
      x2: edges[bin + 1],
      y: count,
      fill: k === 0 ? CHOSEN : REJECTED,
    }))
  );
  return plot(SIZE, {
    x: { label: `${name} (reward) →`, grid: false },
    y: { label: "↑ responses" },
    marks: [
      Plot.rectY(bars, { x1: "x1", x2: "x2", y2: "y", y1: 0, fill: "fill", fillOpacity: 0.55 }),
      Plot.ruleY([0], { stroke: INK }),
    ],
  });
}

function calibrationPanel({ name, bins }: RewardQuality): string {
  const most = Math.max(...bins.map(({ pairs }) => pairs));
  const dots = bins.map(({ confidence, accuracy, pairs }) => ({
    x: confidence,
    y: accuracy,
    r: 3 + 8 * Math.sqrt(pairs / most),
  }));
  const least = Math.min(0.5, ...dots.map(({ y }) => y));
  return plot(SIZE, {
    x: { label: `${name}: how sure the model is →`, domain: [0.48, 1.02] },
    y: { label: "↑ how often it is right", domain: [least - 0.03, 1.03] },
    r: { type: "identity" },
    marks: [
      Plot.line([[0.5, 0.5], [1, 1]], { stroke: MUTED, strokeWidth: 1.5, strokeDasharray: "5 4" }),
      Plot.dot(dots, { x: "x", y: "y", r: "r", fill: CHOSEN, fillOpacity: 0.75, stroke: "white" }),
    ],
  });
}

function box(colour: string, text: string): LegendItem {
  return {
    mark: `<rect y="-10" width="12" height="11" fill="${colour}" fill-opacity="0.55"/>`,
    markWidth: 12,
    text,
  };
}
