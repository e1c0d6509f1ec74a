/** @jsxImportSource preact */
// One panel of the front: two dimensions against each other, as core/front/panels draws them, with
// the current preference vectors on top. A point is a choice of λ for pointer and keyboard; with two
// dimensions the whole line is.
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { Pair } from "../../../core/front/axes.ts";
import { placeLabels } from "../../../core/front/labels.ts";
import { dimensionColour, mixedColour } from "../../../core/front/palette.ts";
import type { FrontReport } from "../../../core/front/report.ts";
import { shapePath } from "../../../core/front/shapes.ts";
import { makeScale, type Scale } from "../plot/axis.ts";
import { Frame, type Layout, makeLayout, rangesOf } from "../plot/frame.tsx";
import { frontAt, type FrontPlace, nearestOnLine, type Spot } from "./interpolate.ts";
import { roundPreference } from "./preference.ts";
import { axisRange, showsReference } from "./ranges.ts";
import { Choices } from "./choices.tsx";
import type { Mark, Series } from "./series.ts";

const FONT_SIZE = 12;
/** Below this width in pixels the names of the ends would cover points; the legend says the same. */
const NARROWEST_NAMED = 420;
const REACH = 14; // pixels around a point that still choose it

export interface PanelProps {
  report: FrontReport;
  pair: Pair;
  others: Series[];
  marks: Mark[];
  metric: string; // in words
  width: number;
  onChoose: (preference: number[]) => void;
  onLook: (place: FrontPlace | null) => void;
}

export function Panel(props: PanelProps) {
  const { report, pair, others, marks, metric, width, onChoose, onLook } = props;
  const joined = report.dimensions.length === 2;
  const height = Math.round(Math.min(430, Math.max(280, width * 0.68)));
  const layout = makeLayout(width, height);
  const drawing = scalesOf(report, { pair, others, layout });
  const svg = useRef<SVGSVGElement>(null);
  const dragging = useSignal(false);
  const points = ordered(report, joined);
  const at = (values: number[]): Spot => ({
    x: drawing.x.toPixels(values[pair.x] ?? NaN),
    y: drawing.y.toPixels(values[pair.y] ?? NaN),
  });
  const stops = points.map((point) => ({ ...at(point.values), preference: point.preference }));

  function choose(event: PointerEvent, exact: boolean) {
    const box = svg.current?.getBoundingClientRect();
    if (!box) return;
    const spot = { x: event.clientX - box.left, y: event.clientY - box.top };
    const near = nearestStop(stops, spot);
    if (exact && near !== null && near.distance <= REACH) onChoose(near.preference);
    else if (joined) {
      const preference = nearestOnLine(stops, spot);
      if (preference !== null) onChoose(roundPreference(preference));
    }
  }

  return (
    <svg
      ref={svg}
      class={joined ? "front-panel follows" : "front-panel"}
      width={width}
      height={height}
      role="group"
      aria-label={`${report.dimensions[pair.y]} against ${report.dimensions[pair.x]}`}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        choose(event, true);
        // A finger that moves scrolls the page; a mouse drags λ along the front.
        if (event.pointerType === "touch" || !joined) return;
        dragging.value = true;
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={(event) => {
        if (dragging.value) choose(event, false);
      }}
      onPointerUp={() => dragging.value = false}
      onPointerCancel={() => dragging.value = false}
    >
      <Frame
        layout={layout}
        x={drawing.x}
        y={drawing.y}
        xLabel={axisName(report.dimensions[pair.x], metric)}
        yLabel={axisName(report.dimensions[pair.y], metric)}
      />
      <Exact report={report} at={at} joined={joined} />
      {report.initial && <Initial spot={at(report.initial)} />}
      {others.map((other) => <Other key={other.name} series={other} at={at} joined={joined} />)}
      <g aria-hidden="true">
        {points.map((point, i) => <Interval key={i} point={point} pair={pair} drawing={drawing} />)}
        {joined && <path class="front-line" d={pathOf(stops)} />}
        {drawing.reference && <Reference spot={drawing.reference} />}
      </g>
      <Choices
        report={report}
        points={points}
        at={at}
        label={`Measured points, ${report.dimensions[pair.y]} against ${report.dimensions[pair.x]}`}
        marks={marks}
        metric={metric}
        onChoose={onChoose}
        onLook={onLook}
      />
      {joined && width >= NARROWEST_NAMED && (
        <EndNames report={report} points={points} drawing={drawing} layout={layout} />
      )}
      {marks.map((mark) => <CurrentMark key={mark.letter} mark={mark} report={report} at={at} />)}
    </svg>
  );
}

type Point = FrontReport["points"][number];
type Place = (values: number[]) => Spot;

interface Drawing {
  x: Scale;
  y: Scale;
  reference: Spot | null; // where it lies near enough to be shown
}

function scalesOf(
  report: FrontReport,
  { pair, others, layout }: { pair: Pair; others: Series[]; layout: Layout },
): Drawing {
  const reports = [report, ...others.map((other) => other.report)];
  const ranges = rangesOf(layout);
  const x = makeScale(axisRange(reports, pair.x), ranges.x, { count: layout.width / 90 });
  const y = makeScale(axisRange(reports, pair.y), ranges.y, { count: layout.height / 60 });
  const { referencePoint } = report.indicators;
  const reference = {
    x: x.toPixels(referencePoint[pair.x] ?? NaN),
    y: y.toPixels(referencePoint[pair.y] ?? NaN),
  };
  return { x, y, reference: showsReference(reports, pair) ? reference : null };
}

/** With two dimensions in the order of λ, so that a line can join them. */
function ordered({ points }: FrontReport, joined: boolean): Point[] {
  if (!joined) return points;
  return [...points].sort((a, b) => (a.preference[0] ?? 0) - (b.preference[0] ?? 0));
}

function axisName(dimension: string | undefined, metric: string): string {
  return `${dimension ?? ""} (${metric})`;
}

function pathOf(spots: Spot[]): string {
  return spots.map(({ x, y }, i) => `${i === 0 ? "M" : "L"}${x.toFixed(1)},${y.toFixed(1)}`).join(
    "",
  );
}

function nearestStop(stops: (Spot & { preference: number[] })[], spot: Spot) {
  let best: { distance: number; preference: number[] } | null = null;
  for (const { x, y, preference } of stops) {
    const distance = Math.hypot(x - spot.x, y - spot.y);
    if (best === null || distance < best.distance) best = { distance, preference };
  }
  return best;
}

function Exact({ report, at, joined }: { report: FrontReport; at: Place; joined: boolean }) {
  const spots = (report.exact?.points ?? []).map(({ values }) => at(values));
  if (joined) return <path class="exact-line" d={pathOf(spots)} aria-hidden="true" />;
  return (
    <g class="exact-points" aria-hidden="true">
      {spots.map(({ x, y }, i) => <path key={i} d={`M${x},${y - 4}l4,4l-4,4l-4,-4z`} />)}
    </g>
  );
}

function Other({ series, at, joined }: { series: Series; at: Place; joined: boolean }) {
  const spots = ordered(series.report, joined).map(({ values }) => at(values));
  const outline = shapePath(series.shape, 3);
  return (
    <g class="other-front" stroke={series.colour} aria-hidden="true">
      {joined && <path class="line" d={pathOf(spots)} />}
      {spots.map(({ x, y }, i) => <path key={i} d={outline} transform={`translate(${x} ${y})`} />)}
    </g>
  );
}

/** Where the model without adapter stands. */
function Initial({ spot: { x, y } }: { spot: Spot }) {
  return <path class="initial" d={`M${x - 6},${y}h12m-6,-6v12`} aria-hidden="true" />;
}

function Interval({ point, pair, drawing }: { point: Point; pair: Pair; drawing: Drawing }) {
  const { x, y } = drawing;
  const [atX, atY] = [
    x.toPixels(point.values[pair.x] ?? NaN),
    y.toPixels(point.values[pair.y] ?? NaN),
  ];
  return (
    <g class="interval" stroke={mixedColour(point.preference)}>
      <line
        x1={x.toPixels(point.low[pair.x] ?? NaN)}
        x2={x.toPixels(point.high[pair.x] ?? NaN)}
        y1={atY}
        y2={atY}
      />
      <line
        x1={atX}
        x2={atX}
        y1={y.toPixels(point.low[pair.y] ?? NaN)}
        y2={y.toPixels(point.high[pair.y] ?? NaN)}
      />
    </g>
  );
}

function Reference({ spot: { x, y } }: { spot: Spot }) {
  return <path class="reference" d={`M${x - 5},${y - 5}l10,10m0,-10l-10,10`} />;
}

function EndNames({ report, points, drawing, layout }: {
  report: FrontReport;
  points: Point[];
  drawing: Drawing;
  layout: Layout;
}) {
  const at = ({ values }: { values: number[] }) => ({ x: values[0] ?? NaN, y: values[1] ?? NaN });
  const ends = report.dimensions.flatMap((name, i) => {
    const point = points.find(({ preference }) => preference[i] === 1);
    return point === undefined
      ? []
      : [{ ...at(point), text: `only ${name}`, colour: dimensionColour(i) }];
  });
  const { x: [left, right], y: [bottom, top] } = rangesOf(layout);
  const labels = placeLabels(ends, {
    lines: [points.map(at), (report.exact?.points ?? []).map(at)],
    domain: { x: drawing.x.domain, y: drawing.y.domain },
    frame: { width: right - left, height: bottom - top },
    fontSize: FONT_SIZE,
  });
  return (
    <g class="end-names" aria-hidden="true">
      {labels.map(({ text, colour, anchor, dx, dy, x, y }) => (
        <text
          key={text}
          x={drawing.x.toPixels(x) + dx}
          y={drawing.y.toPixels(y) + dy}
          dy="0.35em"
          text-anchor={anchor}
          style={{ "--dimension": colour }}
        >
          {text}
        </text>
      ))}
    </g>
  );
}

function CurrentMark({ mark, report, at }: { mark: Mark; report: FrontReport; at: Place }) {
  const place = frontAt(report.points, mark.preference);
  if (place === null) return null;
  const { x, y } = at(place.values);
  return (
    <g
      class={mark.selected ? "current selected" : "current"}
      transform={`translate(${x} ${y})`}
      aria-hidden="true"
    >
      <circle r={9} class="halo" />
      <circle r={9} fill={mixedColour(mark.preference)} />
      {mark.letter !== "" && <text dy="0.35em" text-anchor="middle">{mark.letter}</text>}
    </g>
  );
}
