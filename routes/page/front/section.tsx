/** @jsxImportSource preact */
// The front of one adapter with what can be chosen about it: which evaluation, what stands beside it
// on the same axes, and how to measure what is not measured yet.
import type { Signal } from "@preact/signals";
import type { FrontReport } from "../../../core/front/report.ts";
import type { AdapterDetails } from "../../../workers/service.ts";
import { loadDetails } from "../server/resources.ts";
import { Beside, seriesOf } from "./beside.tsx";
import type { FrontChoice } from "./choice.ts";
import { Measure, MeasureForm } from "./measure.tsx";
import { Plot } from "./plot.tsx";
import { frontTitle, mainFront, type Mark } from "./series.ts";

export interface SectionProps {
  details: AdapterDetails;
  metrics: Record<string, string>;
  choice: Signal<FrontChoice>;
  marks?: Mark[];
  onChoose?: (preference: number[]) => void;
}

export function FrontSection({ details, metrics, choice, marks, onChoose }: SectionProps) {
  const { fronts } = details;
  const { front, beside } = choice.value;
  const name = front !== null && Object.hasOwn(fronts, front) ? front : mainFront(fronts);
  const report = name === null ? undefined : fronts[name];
  const show = (name: string) => choice.value = { ...choice.value, front: name };
  return (
    <section class="card front" aria-labelledby="front-title">
      <header class="card-head">
        <h2 id="front-title">Front</h2>
        {report && name !== null && Object.keys(fronts).length > 1 && (
          <div class="row">
            <label class="inline-field">
              <span>Evaluation</span>
              <Evaluations fronts={fronts} metrics={metrics} name={name} onChange={show} />
            </label>
          </div>
        )}
      </header>
      {report && name !== null
        ? (
          <>
            <p class="verdict">{report.verdict}.</p>
            <Plot
              report={report}
              metric={metrics[report.metric] ?? report.metric}
              name={details.id}
              others={seriesOf(details, { name, report, beside })}
              marks={marks}
              onChoose={onChoose}
            />
            <Beside
              details={details}
              name={name}
              report={report}
              beside={beside}
              onChange={(names) => choice.value = { ...choice.value, beside: names }}
            />
            <MeasureForm
              id={details.id}
              metrics={metrics}
              onDone={async (measured) => {
                const found = await nameOf(measured, details.id);
                if (found !== null) show(found);
              }}
            />
          </>
        )
        : <Measure id={details.id} />}
    </section>
  );
}

/** The stored fronts by what their values are. */
function Evaluations({ fronts, metrics, name, onChange }: {
  fronts: Record<string, FrontReport>;
  metrics: Record<string, string>;
  name: string;
  onChange: (name: string) => void;
}) {
  const groups = Map.groupBy(Object.entries(fronts), ([, { metric }]) => metric);
  const options = (entries: [string, FrontReport][]) =>
    entries.map(([one, report]) => <option key={one} value={one}>{frontTitle(one, report)}
    </option>);
  return (
    <select value={name} onChange={(event) => onChange(event.currentTarget.value)}>
      {groups.size === 1
        ? options(Object.entries(fronts))
        : [...groups].map(([metric, entries]) => (
          <optgroup key={metric} label={metrics[metric] ?? metric}>{options(entries)}</optgroup>
        ))}
    </select>
  );
}

/** The name under which a front that was just measured is stored. */
async function nameOf(measured: FrontReport, id: string): Promise<string | null> {
  const fronts = (await loadDetails(id))?.fronts ?? {};
  const key = (report: FrontReport) => JSON.stringify([report.metric, report.points]);
  return Object.keys(fronts).find((name) => {
    const report = fronts[name];
    return report !== undefined && key(report) === key(measured);
  }) ?? null;
}
