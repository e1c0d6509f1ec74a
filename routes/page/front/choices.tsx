/** @jsxImportSource preact */
// The measured points of a panel as choices of λ, for pointer and keyboard.
import { mixedColour } from "../../../core/front/palette.ts";
import type { FrontReport } from "../../../core/front/report.ts";
import { frontAt, type FrontPlace, type Spot } from "./interpolate.ts";
import { moveAlong } from "./list_focus.ts";
import { describePreference, samePreference } from "./preference.ts";
import type { Mark } from "./series.ts";

type FrontPoint = FrontReport["points"][number];

/** The measured points as a list box: one stop of the tab key, arrow keys move along the front. */
export function Choices({ report, points, at, label, marks, metric, onChoose, onLook }: {
  report: FrontReport;
  points: FrontPoint[];
  at: (values: number[]) => Spot;
  label: string;
  marks: Mark[];
  metric: string;
  onChoose: (preference: number[]) => void;
  onLook: (place: FrontPlace | null) => void;
}) {
  const current = marks.find(({ selected }) => selected)?.preference;
  const chosen = points.findIndex(({ preference }) =>
    current !== undefined && samePreference(preference, current)
  );
  const entry = chosen >= 0 ? chosen : nearestByPreference(points, current);

  return (
    <g role="listbox" aria-label={label} aria-orientation="horizontal">
      {points.map((point, i) => {
        const { x, y } = at(point.values);
        return (
          <circle
            key={i}
            class="front-point"
            cx={x}
            cy={y}
            r={5.5}
            fill={mixedColour(point.preference)}
            role="option"
            tabindex={i === entry ? 0 : -1}
            aria-selected={i === chosen}
            aria-label={describePoint(point, report.dimensions, metric)}
            onKeyDown={(event) =>
              moveAlong(event, { from: i, count: points.length }, (to) => {
                const next = points[to];
                if (next !== undefined) onChoose(next.preference);
              })}
            onPointerEnter={() => onLook(frontAt(report.points, point.preference))}
            onPointerLeave={() => onLook(null)}
          />
        );
      })}
    </g>
  );
}

function nearestByPreference(points: FrontPoint[], current: number[] | undefined): number {
  let best = { i: 0, distance: Infinity };
  for (const [i, { preference }] of points.entries()) {
    const distance = Math.hypot(...preference.map((weight, j) => weight - (current?.[j] ?? 0)));
    if (distance < best.distance) best = { i, distance };
  }
  return best.i;
}

function describePoint(point: FrontPoint, dimensions: string[], metric: string): string {
  const values = dimensions.map((name, i) => `${name} ${point.values[i]?.toFixed(3)}`);
  return `λ ${describePreference(point.preference, dimensions)}: ${metric} ${values.join(", ")}`;
}
