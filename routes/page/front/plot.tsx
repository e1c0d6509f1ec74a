/** @jsxImportSource preact */
// The front as the page shows it: panels (or parallel axes), legend, what the point under the pointer
// or the current λ is worth, and the same numbers as a table.
import { useSignal } from "@preact/signals";
import { pairsOf } from "../../../core/front/axes.ts";
import { dimensionColour, mixedColour } from "../../../core/front/palette.ts";
import type { FrontReport } from "../../../core/front/report.ts";
import { shapePath } from "../../../core/front/shapes.ts";
import { useWidth } from "../plot/use_width.ts";
import { figure } from "../plot/axis.ts";
import { Distributions } from "./distributions.tsx";
import { frontAt, type FrontPlace } from "./interpolate.ts";
import { Panel } from "./panel.tsx";
import { Parallel } from "./parallel.tsx";
import { describePreference } from "./preference.ts";
import { showsReference } from "./ranges.ts";
import type { Mark, Series } from "./series.ts";

const MOST_PAIRS = 6; // beyond four dimensions, parallel axes say more
const GAP = 12;
const NARROWEST_PANEL = 290;

export interface PlotProps {
  report: FrontReport;
  metric: string; // in words
  /** What the front is called where others stand beside it. */
  name?: string;
  others?: Series[];
  marks?: Mark[];
  /** Absent: the plot is only looked at. */
  onChoose?: (preference: number[]) => void;
}

export function Plot({ report, metric, name, others = [], marks = [], onChoose }: PlotProps) {
  const { ref, width } = useWidth<HTMLDivElement>();
  const looked = useSignal<FrontPlace | null>(null);
  const parallelWished = useSignal<boolean | null>(null);
  const m = report.dimensions.length;
  const pairs = pairsOf(m);
  const parallel = m === 1 || (parallelWished.value ?? pairs.length > MOST_PAIRS);
  const columns = pairs.length === 1
    ? 1
    : Math.max(1, Math.min(3, Math.floor((width.value + GAP) / (NARROWEST_PANEL + GAP))));
  const panelWidth = Math.floor((width.value - GAP * (columns - 1)) / columns);
  const reports = [report, ...others.map((other) => other.report)];
  const current = marks.find(({ selected }) => selected);
  const shown = looked.value ??
    (current === undefined ? null : frontAt(report.points, current.preference));
  const shared = {
    report,
    others,
    marks,
    metric,
    onChoose: onChoose ?? (() => {}),
    onLook: (place: FrontPlace | null) => looked.value = place,
  };
  return (
    <div class="plot" ref={ref}>
      {m > 2 && (
        <div class="segments" role="group" aria-label="Kind of plot">
          {[["Pairs", false], ["Parallel axes", true]].map(([text, value]) => (
            <button
              key={text}
              type="button"
              aria-pressed={parallel === value}
              onClick={() => parallelWished.value = value === true}
            >
              {text}
            </button>
          ))}
        </div>
      )}
      <Legend
        report={report}
        others={others}
        name={others.length > 0 ? name : undefined}
        current={current !== undefined}
        exact={report.exact !== undefined && !parallel}
        initial={report.initial !== undefined && !parallel}
        reference={!parallel && pairs.some((pair) => showsReference(reports, pair))}
      />
      {width.value > 0 &&
        (parallel ? <Parallel {...shared} width={width.value} /> : (
          <div class="panels">
            {pairs.map((pair) => (
              <Panel key={`${pair.x},${pair.y}`} {...shared} pair={pair} width={panelWidth} />
            ))}
          </div>
        ))}
      {current !== undefined && (
        <Readout place={shown} dimensions={report.dimensions} metric={metric} />
      )}
      {report.distributions && (
        <Distributions report={report} distributions={report.distributions} />
      )}
      <Table report={report} onChoose={onChoose} />
    </div>
  );
}

function Legend({ report, others, name, current, exact, initial, reference }: {
  report: FrontReport;
  others: Series[];
  name: string | undefined; // of the report, where it has to be told from others
  current: boolean;
  exact: boolean; // whether it is drawn
  initial: boolean; // as well
  reference: boolean; // as well
}) {
  const { dimensions } = report;
  const bars = intervalWords(report);
  const own = name === undefined ? "" : `${name}, `;
  return (
    <ul class="legend" aria-label="Legend">
      {dimensions.length === 2
        ? (
          <li>
            <svg width={92} height={12} aria-hidden="true">
              {Array.from(
                { length: 7 },
                (_, k) => (
                  <circle
                    key={k}
                    cx={6 + 13 * k}
                    cy={6}
                    r={5}
                    fill={mixedColour([k / 6, 1 - k / 6])}
                  />
                ),
              )}
            </svg>
            {own}λ: {dimensions[1]} to {dimensions[0]}
          </li>
        )
        : dimensions.map((name, i) => (
          <li key={name}>
            <svg width={12} height={12} aria-hidden="true">
              <circle cx={6} cy={6} r={5} fill={dimensionColour(i)} />
            </svg>
            {i === 0 && own}λ: only {name}
          </li>
        ))}
      {current && (
        <li>
          <svg width={18} height={18} aria-hidden="true" class="legend-current">
            <circle cx={9} cy={9} r={7} />
          </svg>
          current λ
        </li>
      )}
      {exact && (
        <li>
          <svg width={dimensions.length === 2 ? 30 : 12} height={12} aria-hidden="true">
            {dimensions.length === 2
              ? <path class="exact-line" d="M0,6h30" />
              : <path class="exact-point" d="M6,2l4,4l-4,4l-4,-4z" />}
          </svg>
          exact front
        </li>
      )}
      {initial && (
        <li>
          <svg width={12} height={12} aria-hidden="true">
            <path class="initial" d="M0,6h12m-6,-6v12" />
          </svg>
          model without adapter
        </li>
      )}
      {reference && (
        <li>
          <svg width={12} height={12} aria-hidden="true">
            <path class="reference" d="M2,2l8,8m0,-8l-8,8" />
          </svg>
          reference point
        </li>
      )}
      {others.map(({ name, colour, shape }) => (
        <li key={name}>
          <svg width={14} height={14} aria-hidden="true" class="other-front">
            <path d={shapePath(shape, 4)} transform="translate(7 7)" stroke={colour} />
          </svg>
          {name}
        </li>
      ))}
      {bars !== null && <li class="quiet">{bars}</li>}
    </ul>
  );
}

/** What the bars are; null where the report was made without them. */
function intervalWords({ settings }: FrontReport): string | null {
  const { level, resamples } = (settings.bootstrap ?? {}) as { level?: number; resamples?: number };
  if (resamples === 0) return null;
  return level && resamples ? `bars: ${100 * level} % bootstrap intervals` : "bars: intervals";
}

function Interval({ low = NaN, high = NaN }: { low?: number; high?: number }) {
  if (low === high) return null; // measured without
  return <span class="quiet">{figure(low)} – {figure(high)}</span>;
}

/** What λ is worth, under the plot; the slider says it to screen readers. */
function Readout({ place, dimensions, metric }: {
  place: FrontPlace | null;
  dimensions: string[];
  metric: string;
}) {
  if (place === null) return <p class="readout quiet">λ lies outside the measured grid.</p>;
  return (
    <p class="readout">
      <span class="readout-head">
        {place.measured ? "Measured" : "Interpolated"} {metric} at λ ={" "}
        {describePreference(place.preference, dimensions)}:
      </span>
      {dimensions.map((name, i) => (
        <span key={name} class="readout-value">
          <span class="swatch" style={{ "--dimension": dimensionColour(i) }} aria-hidden="true" />
          {name} <strong>{figure(place.values[i] ?? NaN)}</strong>{" "}
          <Interval low={place.low[i]} high={place.high[i]} />
        </span>
      ))}
    </p>
  );
}

function Table({ report, onChoose }: {
  report: FrontReport;
  onChoose: ((preference: number[]) => void) | undefined;
}) {
  const { dimensions, points } = report;
  return (
    <details class="folded">
      <summary>All {points.length} points as a table</summary>
      <div class="scroll" tabIndex={0} role="region" aria-label="Points of the front">
        <table>
          <thead>
            <tr>
              {dimensions.map((name) => <th key={name} scope="col">λ {name}</th>)}
              {dimensions.map((name) => <th key={name} scope="col">{name}</th>)}
              {onChoose && (
                <th scope="col">
                  <span class="unseen">Choose</span>
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {points.map((point, i) => (
              <tr key={i}>
                {point.preference.map((weight, j) => <td key={j}>{weight.toFixed(2)}</td>)}
                {point.values.map((value, j) => (
                  <td key={j}>
                    {figure(value)} <Interval low={point.low[j]} high={point.high[j]} />
                  </td>
                ))}
                {onChoose && (
                  <td>
                    <button
                      type="button"
                      class="link"
                      onClick={() => onChoose(point.preference)}
                      aria-label={`Use λ ${describePreference(point.preference, dimensions)}`}
                    >
                      Use
                    </button>
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
