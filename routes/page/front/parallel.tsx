/** @jsxImportSource preact */
// The front in parallel coordinates: an upright axis for each dimension and a line for each measured
// point, for fronts of so many dimensions that pairs no longer fit; also the values of a front of
// one dimension. A line is chosen as a point of a panel is.
import { dimensionColour, mixedColour } from "../../../core/front/palette.ts";
import type { FrontReport } from "../../../core/front/report.ts";
import { makeScale } from "../plot/axis.ts";
import { makeLayout, rangesOf } from "../plot/frame.tsx";
import { frontAt, type FrontPlace } from "./interpolate.ts";
import { moveAlong } from "./list_focus.ts";
import { describePreference, samePreference } from "./preference.ts";
import { axisRange } from "./ranges.ts";
import type { Mark, Series } from "./series.ts";

export function Parallel({ report, others, marks, metric, width, onChoose, onLook }: {
  report: FrontReport;
  others: Series[];
  marks: Mark[];
  metric: string;
  width: number;
  onChoose: (preference: number[]) => void;
  onLook: (place: FrontPlace | null) => void;
}) {
  const { dimensions, points } = report;
  const layout = { ...makeLayout(width, 340), bottom: 24, right: 34 };
  const { x: [left, right], y } = rangesOf(layout);
  const reports = [report, ...others.map((other) => other.report)];
  const axes = dimensions.map((name, i) => {
    const at = dimensions.length === 1
      ? (left + right) / 2
      : left + (i / (dimensions.length - 1)) * (right - left);
    return { name, at, scale: makeScale(axisRange(reports, i), y, { count: 5 }) };
  });
  const path = (values: number[]) =>
    axes.map(({ at, scale }, i) =>
      `${i === 0 ? "M" : "L"}${at},${scale.toPixels(values[i] ?? NaN)}`
    )
      .join("");
  const current = marks.find(({ selected }) => selected)?.preference;
  const chosen = points.findIndex(({ preference }) =>
    current !== undefined && samePreference(preference, current)
  );
  return (
    <svg
      class="front-panel parallel"
      width={width}
      height={layout.height}
      role="group"
      aria-label={`Values of ${dimensions.join(", ")} (${metric})`}
    >
      <g class="other-front" aria-hidden="true">
        {others.map(({ name, colour, report }) =>
          report.points.map(({ values }, i) => (
            <path key={`${name}${i}`} stroke={colour} d={path(values)} />
          ))
        )}
      </g>
      <g role="listbox" aria-label={`Measured points (${metric})`}>
        {points.map((point, i) => (
          <path
            key={i}
            class="front-path"
            d={axes.length > 1 ? path(point.values) : dot(axes[0], point.values[0])}
            stroke={mixedColour(point.preference)}
            role="option"
            tabindex={i === Math.max(0, chosen) ? 0 : -1}
            aria-selected={i === chosen}
            aria-label={`λ ${describePreference(point.preference, dimensions)}: ${
              point.values.map((value, j) => `${dimensions[j]} ${value.toFixed(3)}`).join(", ")
            }`}
            onClick={() => onChoose(point.preference)}
            onPointerEnter={() => onLook(frontAt(points, point.preference))}
            onPointerLeave={() => onLook(null)}
            onKeyDown={(event) =>
              moveAlong(event, { from: i, count: points.length, down: true }, (to) => {
                const next = points[to];
                if (next !== undefined) onChoose(next.preference);
              })}
          />
        ))}
      </g>
      <g class="frame above" aria-hidden="true">
        {axes.map(({ name, at, scale }, i) => (
          <g key={name} transform={`translate(${at} 0)`}>
            <line class="border" y1={y[1]} y2={y[0]} />
            {scale.ticks.map(({ at: value, text }) => (
              <text key={value} x={-6} y={scale.toPixels(value)} dy="0.35em" text-anchor="end">
                {text}
              </text>
            ))}
            <text
              class="dimension-name"
              y={y[1] - 12}
              text-anchor={anchorOf(i, axes.length)}
              style={{ "--dimension": dimensionColour(i) }}
            >
              {name}
            </text>
          </g>
        ))}
      </g>
      <g aria-hidden="true">
        {marks.map(({ preference, letter, selected }) => {
          const place = frontAt(points, preference);
          if (place === null) return null;
          return (
            <g key={letter} class={selected ? "current-path selected" : "current-path"}>
              <path d={path(place.values)} class="halo" />
              <path d={path(place.values)} stroke={mixedColour(preference)} />
              {axes.map(({ at, scale, name }, i) => (
                <circle
                  key={name}
                  cx={at}
                  cy={scale.toPixels(place.values[i] ?? NaN)}
                  r={5}
                  fill={mixedColour(preference)}
                />
              ))}
            </g>
          );
        })}
      </g>
    </svg>
  );
}

/** A line as wide as a dot, for the one axis of a front of one dimension. */
function dot(
  axis: { at: number; scale: { toPixels(value: number): number } } | undefined,
  value = NaN,
) {
  if (axis === undefined) return "";
  const y = axis.scale.toPixels(value);
  return `M${axis.at - 6},${y}h12`;
}

function anchorOf(i: number, count: number): "start" | "middle" | "end" {
  if (count === 1) return "middle";
  return i === 0 ? "start" : i === count - 1 ? "end" : "middle";
}
