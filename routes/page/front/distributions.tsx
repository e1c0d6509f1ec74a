/** @jsxImportSource preact */
// How the rewards behind a front's points are spread: for each dimension a histogram for each of a few
// λ, one above the other, below that of the model without adapter; drawn as core/front's picture.
import type { DimensionDistributions } from "../../../core/front/distributions.ts";
import { mixedColour } from "../../../core/front/palette.ts";
import type { FrontReport } from "../../../core/front/report.ts";
import { shownPoints } from "../../../core/front/shown_points.ts";
import { figure, makeScale, type Scale } from "../plot/axis.ts";
import { useWidth } from "../plot/use_width.ts";
import { describePreference, formatPreference } from "./preference.ts";

const ROW = 26; // pixels between two base lines
const OVERLAP = 1.5; // rows that the highest bar reaches over
const LEFT = 92;
const RIGHT = 10;
const NARROWEST = 300;
const GAP = 16;
const MEDIAN = 2; // place among the quantiles

/** A histogram: of a λ, or (preference null) of the model without adapter. */
interface Row {
  preference: number[] | null;
  counts: number[];
  quantiles: number[];
}

export function Distributions({ report, distributions }: {
  report: FrontReport;
  distributions: DimensionDistributions[];
}) {
  const { ref, width } = useWidth<HTMLDivElement>();
  const columns = Math.max(
    1,
    Math.min(distributions.length, 3, Math.floor((width.value + GAP) / (NARROWEST + GAP))),
  );
  const panel = Math.floor((width.value - GAP * (columns - 1)) / columns);
  return (
    <details class="folded">
      <summary>How the rewards are spread</summary>
      <p class="quiet">
        Each row counts the rewards of the responses to the test prompts under one λ; the mark is
        their median.
      </p>
      <div class="panels" ref={ref}>
        {width.value > 0 && distributions.map((distribution, i) => (
          <Panel
            key={report.dimensions[i]}
            name={report.dimensions[i] ?? ""}
            edges={distribution.edges}
            rows={rowsOf(report, distribution)}
            dimensions={report.dimensions}
            width={panel}
          />
        ))}
      </div>
    </details>
  );
}

function rowsOf(report: FrontReport, { initial, points }: DimensionDistributions): Row[] {
  return [
    ...(initial ? [{ ...initial, preference: null }] : []),
    ...shownPoints(report).flatMap((n) => {
      const point = points[n];
      return point ? [{ ...point, preference: report.points[n]?.preference ?? [] }] : [];
    }),
  ];
}

function Panel({ name, edges, rows, dimensions, width }: {
  name: string;
  edges: number[];
  rows: Row[];
  dimensions: string[];
  width: number;
}) {
  const top = 12 + ROW * OVERLAP;
  const bottom = top + ROW * (rows.length - 1);
  const height = bottom + 44;
  const x = makeScale(
    [edges[0] ?? 0, edges.at(-1) ?? 1],
    [LEFT, width - RIGHT],
    { count: width / 80 },
  );
  const most = Math.max(1, ...rows.flatMap(({ counts }) => counts));
  return (
    <svg
      class="distributions"
      width={width}
      height={height}
      role="img"
      aria-label={`Rewards of ${name}: ${rows.map((row) => spoken(row, dimensions)).join("; ")}`}
    >
      <g class="frame" aria-hidden="true">
        {x.ticks.map(({ at, text }) => (
          <g key={at} transform={`translate(${x.toPixels(at)} 0)`}>
            <line class="grid" y1={8} y2={bottom} />
            <text y={bottom + 17} text-anchor="middle">{text}</text>
          </g>
        ))}
        <text class="axis-name" x={(LEFT + width - RIGHT) / 2} y={height - 6} text-anchor="middle">
          {name} (reward) →
        </text>
      </g>
      {rows.map((row, r) => (
        <Histogram key={r} row={row} edges={edges} x={x} base={top + ROW * r} most={most} />
      ))}
    </svg>
  );
}

function Histogram({ row, edges, x, base, most }: {
  row: Row;
  edges: number[];
  x: Scale;
  base: number;
  most: number;
}) {
  const heightOf = (count: number) => (ROW * OVERLAP * count) / most;
  const steps = row.counts.map((count, k) =>
    `V${base - heightOf(count)}H${x.toPixels(edges[k + 1] ?? NaN)}`
  );
  const median = x.toPixels(row.quantiles[MEDIAN] ?? NaN);
  return (
    <g aria-hidden="true">
      <text x={LEFT - 8} y={base} text-anchor="end">
        {row.preference === null ? "no adapter" : formatPreference(rounded(row.preference))}
      </text>
      <path
        class={row.preference === null ? "histogram initial" : "histogram"}
        d={`M${x.toPixels(edges[0] ?? NaN)},${base}${steps.join("")}V${base}z`}
        fill={row.preference === null ? undefined : mixedColour(row.preference)}
      />
      <line class="median" x1={median} x2={median} y1={base} y2={base - 0.5 * ROW} />
    </g>
  );
}

function rounded(preference: number[]): number[] {
  return preference.map((weight) => Math.round(weight * 100) / 100);
}

function spoken({ preference, quantiles }: Row, dimensions: string[]): string {
  const who = preference === null
    ? "without adapter"
    : `λ ${describePreference(preference, dimensions)}`;
  return `${who} median ${figure(quantiles[MEDIAN] ?? NaN)}`;
}
