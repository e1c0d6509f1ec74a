/** @jsxImportSource preact */
// The front of one adapter with what can be chosen about it: which evaluation, what stands beside
// it, and, where nothing was measured yet, the offer to measure.
import { useSignal } from "@preact/signals";
import { seriesColour } from "../../../core/front/palette.ts";
import type { FrontReport } from "../../../core/front/report.ts";
import type { AdapterDetails } from "../../../workers/service.ts";
import { adapters, detailsOf } from "../server/resources.ts";
import { valueOf } from "../server/resource.ts";
import { Measure } from "./measure.tsx";
import { Plot } from "./plot.tsx";
import { comparable, frontTitle, isBaseline, mainFront, type Mark, type Series } from "./series.ts";

const MOST_BESIDE = 4;

export interface SectionProps {
  details: AdapterDetails;
  metrics: Record<string, string>;
  marks?: Mark[];
  onChoose?: (preference: number[]) => void;
}

export function FrontSection({ details, metrics, marks, onChoose }: SectionProps) {
  const chosen = useSignal<string | null>(null);
  const beside = useSignal<string[] | null>(null);
  const { fronts } = details;
  const name = chosen.value !== null && Object.hasOwn(fronts, chosen.value)
    ? chosen.value
    : mainFront(fronts);
  const report = name === null ? undefined : fronts[name];
  return (
    <section class="card front" aria-labelledby="front-title">
      <header class="card-head">
        <h2 id="front-title">Front</h2>
        {report && name !== null && (
          <div class="row">
            {Object.keys(fronts).length > 1 && (
              <label class="inline-field">
                <span>Evaluation</span>
                <select
                  value={name}
                  onChange={(event) => chosen.value = event.currentTarget.value}
                >
                  {Object.entries(fronts).map(([one, report]) => (
                    <option key={one} value={one}>{frontTitle(one, report)}</option>
                  ))}
                </select>
              </label>
            )}
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
              others={seriesOf(details, { name, report, beside: beside.value })}
              marks={marks}
              onChoose={onChoose}
            />
            <Beside
              details={details}
              name={name}
              chosen={beside.value ?? baselinesOf(fronts, name)}
              onChange={(names) => beside.value = names}
            />
          </>
        )
        : <Measure id={details.id} />}
    </section>
  );
}

/** Names of what may stand beside a front: "final" of this adapter, or "other/" and an adapter. */
function Beside({ details, name, chosen, onChange }: {
  details: AdapterDetails;
  name: string;
  chosen: string[];
  onChange: (names: string[]) => void;
}) {
  const alike = (valueOf(adapters.value) ?? []).filter(({ id, dimensions }) =>
    id !== details.id && dimensions.join() === details.dimensions.join()
  );
  const choices = [
    ...Object.entries(details.fronts).filter(([front]) => front !== name).map((
      [front, report],
    ) => ({ value: front, text: `${frontTitle(front, report)} of this adapter` })),
    ...alike.map(({ id }) => ({ value: otherName(id), text: id })),
  ];
  if (choices.length === 0) return null;
  const missing = chosen.filter((one) => isMissing(one, details));
  return (
    <details class="folded">
      <summary>Put another front beside it</summary>
      <fieldset class="checks">
        <legend class="unseen">Fronts beside this one</legend>
        {choices.map(({ value, text }) => (
          <label key={value}>
            <input
              type="checkbox"
              checked={chosen.includes(value)}
              disabled={!chosen.includes(value) && chosen.length >= MOST_BESIDE}
              onChange={(event) =>
                onChange(
                  event.currentTarget.checked
                    ? [...chosen, value]
                    : chosen.filter((other) => other !== value),
                )}
            />
            <span>{text}</span>
          </label>
        ))}
      </fieldset>
      {missing.length > 0 && (
        <p class="quiet">
          {missing.map((one) => one.replace(/^other\//, "")).join(", ")}: no front of the same
          measure.
        </p>
      )}
    </details>
  );
}

function otherName(id: string): string {
  return `other/${id}`;
}

function baselinesOf(fronts: Record<string, FrontReport>, name: string): string[] {
  return Object.keys(fronts).filter((front) => front !== name && isBaseline(front))
    .slice(0, MOST_BESIDE);
}

function titleOf(one: string, { fronts }: AdapterDetails): string {
  const own = fronts[one];
  return own === undefined ? one.replace(/^other\//, "") : frontTitle(one, own);
}

/** The report behind a name, where it is here and can stand in the same plot. */
function besideReport(
  one: string,
  { details, report }: { details: AdapterDetails; report: FrontReport },
): FrontReport | null {
  const fronts = one.startsWith("other/")
    ? valueOf(detailsOf(one.slice("other/".length)).value)?.fronts ?? {}
    : details.fronts;
  const name = one.startsWith("other/") ? mainFront(fronts) : one;
  const found = name === null ? undefined : fronts[name];
  return found !== undefined && comparable(found, report) ? found : null;
}

function isMissing(one: string, details: AdapterDetails): boolean {
  const name = mainFront(details.fronts);
  const report = name === null ? undefined : details.fronts[name];
  if (report === undefined) return true;
  const loading = one.startsWith("other/") &&
    detailsOf(one.slice("other/".length)).value.state === "loading";
  return !loading && besideReport(one, { details, report }) === null;
}

function seriesOf(
  details: AdapterDetails,
  { name, report, beside }: { name: string; report: FrontReport; beside: string[] | null },
): Series[] {
  return (beside ?? baselinesOf(details.fronts, name)).flatMap((one, i) => {
    const found = besideReport(one, { details, report });
    return found === null
      ? []
      : [{ name: titleOf(one, details), colour: seriesColour(i), report: found }];
  });
}
