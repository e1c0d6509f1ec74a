// The growth rows as a picture: seconds and memory over the size of what is asked for, beside what
// theory says.
import * as Plot from "@observablehq/plot";
import { MUTED, seriesColour } from "../../core/front/palette.ts";
import { plot } from "../../core/front/panels.ts";
import { drawSheet } from "../../core/front/sheet.ts";
import type { Growth } from "./growth_rows.ts";
import type { RowReport } from "./row.ts";

const SIZE = { width: 330, height: 230 };

/** A panel of time and one of memory for each growth row of a measurement; null where there is none. */
export function growthSvg(rows: RowReport[]): string | null {
  const growths = rows.flatMap((row) => "growth" in row ? [row.growth as Growth] : []);
  if (growths.length === 0) return null;
  return drawSheet({
    title: "Growth",
    lines: ["SmolLM2-135M's shape; a DPO step of two pairs, or a token of one chat"],
    legend: [
      { mark: line(seriesColour(0), ""), markWidth: 16, text: "measured" },
      { mark: line(MUTED, "4 3"), markWidth: 16, text: "by theory, from the smallest on" },
    ],
    panels: growths.flatMap((growth) => [timePanel(growth), memoryPanel(growth)]),
    size: SIZE,
    columns: 2,
  });
}

function timePanel({ axis, sizes, seconds, expected }: Growth): string {
  const rows = (values: number[]) => sizes.map((size, i) => ({ size, value: values[i] ?? NaN }));
  const measured = { x: "size", y: "value", stroke: seriesColour(0) };
  return plot(SIZE, {
    x: { label: `${axis} →`, domain: [0, Math.max(...sizes)] },
    y: { label: "↑ seconds", domain: [0, 1.1 * Math.max(...seconds, ...expected)] },
    marks: [
      Plot.line(rows(expected), { ...measured, stroke: MUTED, strokeDasharray: "4 3" }),
      Plot.line(rows(seconds), measured),
      Plot.dot(rows(seconds), { ...measured, fill: seriesColour(0) }),
    ],
  });
}

function memoryPanel({ axis, sizes, peakBytes }: Growth): string {
  const rows = sizes.map((size, i) => ({ size, value: (peakBytes[i] ?? NaN) / 1e9 }));
  const marks = { x: "size", y: "value", stroke: seriesColour(0) };
  return plot(SIZE, {
    x: { label: `${axis} →`, domain: [0, Math.max(...sizes)] },
    y: {
      label: "↑ most memory, GB",
      domain: [0, 1.1 * Math.max(...rows.map(({ value }) => value))],
    },
    marks: [Plot.line(rows, marks), Plot.dot(rows, { ...marks, fill: seriesColour(0) })],
  });
}

function line(colour: string, dashes: string): string {
  return `<path d="M0,-4 h16" stroke="${colour}" stroke-width="2" stroke-dasharray="${dashes}"/>`;
}
