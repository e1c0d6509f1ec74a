/** @jsxImportSource preact */
// The frame of a chart: grid lines, tick labels and the names of the axes, as SVG. Shared by the
// front (front/panel.tsx) and a run's curves (jobs/chart.tsx).
import type { Scale } from "./axis.ts";

/** Room of a chart in pixels. */
export interface Layout {
  width: number;
  height: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** The layout of a chart of this size, with room for ticks and for the names of both axes. */
export function makeLayout(width: number, height: number): Layout {
  return { width, height, left: 46, right: 14, top: 28, bottom: 44 };
}

/** The ranges of the two axes in pixels, y upwards. */
export function rangesOf(layout: Layout): { x: [number, number]; y: [number, number] } {
  return {
    x: [layout.left, layout.width - layout.right],
    y: [layout.height - layout.bottom, layout.top],
  };
}

/** Hidden from screen readers, for whom a chart names its values itself. */
export function Frame({ layout, x, y, xLabel, yLabel }: {
  layout: Layout;
  x: Scale;
  y: Scale;
  xLabel: string;
  yLabel?: string; // where the chart's title does not say it
}) {
  const { x: [left, right], y: [bottom, top] } = rangesOf(layout);
  return (
    <g class="frame" aria-hidden="true">
      {x.ticks.map(({ at, text }) => (
        <g key={`x${at}`} transform={`translate(${x.toPixels(at)} 0)`}>
          <line class="grid" y1={top} y2={bottom} />
          <text y={bottom + 17} text-anchor="middle">{text}</text>
        </g>
      ))}
      {y.ticks.map(({ at, text }) => (
        <g key={`y${at}`} transform={`translate(0 ${y.toPixels(at)})`}>
          <line class="grid" x1={left} x2={right} />
          <text x={left - 8} dy="0.35em" text-anchor="end">{text}</text>
        </g>
      ))}
      <rect class="border" x={left} y={top} width={right - left} height={bottom - top} />
      <text class="axis-name" x={(left + right) / 2} y={layout.height - 8} text-anchor="middle">
        {xLabel} →
      </text>
      {yLabel !== undefined && <text class="axis-name" x={4} y={14}>↑ {yLabel}</text>}
    </g>
  );
}
