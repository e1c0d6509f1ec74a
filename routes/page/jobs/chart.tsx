/** @jsxImportSource preact */
// Curves over the steps of a run: the values thinned and faint, a moving mean of them in full
// colour, and the numbers under the pointer.
import { useSignal } from "@preact/signals";
import { dimensionColour } from "../../../core/front/palette.ts";
import { figure, makeScale } from "../plot/axis.ts";
import { Frame, makeLayout, rangesOf } from "../plot/frame.tsx";
import { useWidth } from "../plot/use_width.ts";
import { type Curve, type CurvePoint, smoothed, thinned } from "./curves.ts";

const HEIGHT = 250;
const MOST_POINTS = 300;
/** The moving mean forgets over this share of the run. */
const MEMORY_SHARE = 1 / 20;

export function Chart({ title, curves, bounds }: {
  title: string;
  curves: Curve[];
  /** Values that the y axis always shows. */
  bounds?: [number, number];
}) {
  const { ref, width } = useWidth<HTMLElement>();
  const pointed = useSignal<number | null>(null); // a step
  const drawn = curves.filter(({ points }) => points.length > 0).map((curve) => {
    const raw = thinned(curve.points, MOST_POINTS);
    const mean = thinned(smoothed(curve.points, curve.points.length * MEMORY_SHARE), MOST_POINTS);
    return { ...curve, raw, mean };
  });
  const last = Math.max(1, ...drawn.map(({ points }) => points.at(-1)?.step ?? 0));
  const layout = { ...makeLayout(width.value, HEIGHT), top: 10 };
  const ranges = rangesOf(layout);
  const x = makeScale([0, last], ranges.x, { count: width.value / 90, whole: true });
  const y = makeScale(extentOf(drawn.map(({ raw }) => raw), bounds), ranges.y, { count: 5 });
  const line = (points: CurvePoint[]) =>
    points.map(({ step, value }, i) =>
      `${i === 0 ? "M" : "L"}${x.toPixels(step).toFixed(1)},${y.toPixels(value).toFixed(1)}`
    ).join("");
  const readAt = pointed.value ?? last;
  const rows = drawn.map((curve) => ({ ...curve, at: nearest(curve, readAt) }));

  function point(event: PointerEvent) {
    const box = ref.current?.querySelector("svg")?.getBoundingClientRect();
    if (!box) return;
    const [left, right] = ranges.x;
    const share = (event.clientX - box.left - left) / (right - left);
    pointed.value = Math.min(last, Math.max(1, Math.round(share * last)));
  }

  return (
    <figure class="chart" ref={ref}>
      <figcaption>{title}</figcaption>
      {width.value > 0 && (
        <svg
          width={width.value}
          height={HEIGHT}
          role="img"
          aria-label={describe(title, rows)}
          onPointerMove={point}
          onPointerLeave={() => pointed.value = null}
        >
          <Frame layout={layout} x={x} y={y} xLabel="step" />
          {drawn.map(({ name, dimension, raw, mean }) => (
            <g key={name} class="curve" style={{ "--curve": colourOf(dimension) }}>
              <path class="raw" d={line(raw)} />
              <path class="mean" d={line(mean)} />
            </g>
          ))}
          {pointed.value !== null && (
            <g class="pointed">
              <line
                x1={x.toPixels(readAt)}
                x2={x.toPixels(readAt)}
                y1={ranges.y[0]}
                y2={ranges.y[1]}
              />
              {rows.map(({ name, dimension, at }) =>
                at && (
                  <circle
                    key={name}
                    cx={x.toPixels(at.step)}
                    cy={y.toPixels(at.value)}
                    r={4}
                    style={{ "--curve": colourOf(dimension) }}
                  />
                )
              )}
            </g>
          )}
        </svg>
      )}
      <ul class="legend">
        {rows.map(({ name, dimension, at }) => (
          <li key={name}>
            <span
              class="swatch"
              style={{ "--dimension": colourOf(dimension) }}
              aria-hidden="true"
            />
            {name} {at && <strong>{figure(at.value)}</strong>}
          </li>
        ))}
        <li class="quiet">{rows.length > 0 ? `step ${readAt}` : "no step logged yet"}</li>
      </ul>
    </figure>
  );
}

function colourOf(dimension: number | null): string {
  return dimension === null ? "var(--ink)" : dimensionColour(dimension);
}

function extentOf(lines: CurvePoint[][], bounds: [number, number] | undefined): [number, number] {
  const values = [...lines.flat().map(({ value }) => value), ...(bounds ?? [])];
  if (values.length === 0) return [0, 1];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = bounds === undefined ? (high - low || Math.abs(high) || 1) * 0.06 : 0;
  return [low - room, high + room];
}

function nearest({ points }: Curve, step: number): CurvePoint | null {
  let best: CurvePoint | null = null;
  for (const point of points) {
    if (best === null || Math.abs(point.step - step) <= Math.abs(best.step - step)) best = point;
  }
  return best;
}

function describe(title: string, rows: { name: string; at: CurvePoint | null }[]): string {
  const values = rows.flatMap(({ name, at }) =>
    at === null ? [] : [`${name} ${figure(at.value)} at step ${at.step}`]
  );
  return `${title} over the steps: ${values.join(", ") || "nothing logged yet"}`;
}
