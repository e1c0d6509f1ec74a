/** @jsxImportSource preact */
// What stands beside a front on the same axes: other adapters, other evaluations of this one, and how
// it grew. What is not measured the same way yet can be measured from here.
import { seriesColour, stepColour } from "../../../core/front/palette.ts";
import type { FrontReport } from "../../../core/front/report.ts";
import { seriesShape } from "../../../core/front/shapes.ts";
import type { AdapterDetails } from "../../../workers/service.ts";
import { adapters, detailsOf, loadDetails } from "../server/resources.ts";
import { valueOf } from "../server/resource.ts";
import { GROWTH, MOST_BESIDE, otherAdapter, otherName } from "./choice.ts";
import { Measurement } from "./measure.tsx";
import { queryLike } from "./query.ts";
import {
  comparable,
  counterpart,
  frontTitle,
  isBaseline,
  otherSteps,
  type Series,
} from "./series.ts";

interface Shown {
  name: string;
  report: FrontReport;
  beside: string[] | null;
}

/** The fronts beside the one on show, as far as they are here and measured alike. */
export function seriesOf(details: AdapterDetails, { name, report, beside }: Shown): Series[] {
  const names = beside ?? baselinesOf(details.fronts, name);
  let place = 0;
  return names.flatMap((one): Series[] => {
    if (one === GROWTH) return growthOf(details, report);
    const found = besideReport(one, { details, report });
    if (found === null) return [];
    const style = { colour: seriesColour(place), shape: seriesShape(place) };
    place++;
    return [{ name: titleOf(one, details), report: found, ...style }];
  });
}

/** The choice of what stands beside a front. */
export function Beside({ details, name, report, beside, onChange }: Shown & {
  details: AdapterDetails;
  onChange: (names: string[]) => void;
}) {
  const chosen = beside ?? baselinesOf(details.fronts, name);
  const alike = (valueOf(adapters.value) ?? []).filter(({ id, dimensions }) =>
    id !== details.id && dimensions.join() === details.dimensions.join()
  );
  const grown = otherSteps(report, details.fronts).map((other) => other.report);
  const own = Object.entries(details.fronts).filter(([front, other]) =>
    front !== name && comparable(other, report) && !grown.includes(other)
  );
  const choices = [
    ...alike.map(({ id }) => ({ value: otherName(id), text: id })),
    { value: GROWTH, text: "how this front grew over its training" },
    ...own.map(([front, other]) => ({
      value: front,
      text: `${frontTitle(front, other)} of this adapter`,
    })),
  ];
  return (
    <details class="folded" open={chosen.length > 0}>
      <summary>Put other fronts beside it</summary>
      <div class="beside">
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
        {chosen.map((one) => <Missing key={one} name={one} details={details} report={report} />)}
      </div>
    </details>
  );
}

/** What is to be measured before a chosen front can be shown; nothing where it is there. */
function Missing({ name, details, report }: {
  name: string;
  details: AdapterDetails;
  report: FrontReport;
}) {
  const { id } = details;
  const other = otherAdapter(name);
  if (name === GROWTH) {
    if (growthOf(details, report).length > 0) return null;
    return (
      <div>
        <Measurement
          query={{ ...queryLike(report, id), view: "evolution" }}
          text="Measure its checkpoints"
          onDone={() => void loadDetails(id)}
        >
          <p class="quiet">No other step of this adapter is measured like this front.</p>
        </Measurement>
      </div>
    );
  }
  if (other === null || besideReport(name, { details, report }) !== null) return null;
  if (detailsOf(other).value.state === "loading") return null;
  return (
    <div>
      <Measurement
        query={queryLike(report, other)}
        text={`Measure ${other} the same way`}
        onDone={() => void loadDetails(other)}
      >
        <p class="quiet">{other} has no front of the same measure.</p>
      </Measurement>
    </div>
  );
}

function baselinesOf(fronts: Record<string, FrontReport>, name: string): string[] {
  return Object.keys(fronts).filter((front) => front !== name && isBaseline(front))
    .slice(0, MOST_BESIDE);
}

function titleOf(one: string, { fronts }: AdapterDetails): string {
  const own = fronts[one];
  return own === undefined ? otherAdapter(one) ?? one : frontTitle(one, own);
}

/** The report behind a name, where it is here and can stand in the same plot. */
function besideReport(
  one: string,
  { details, report }: { details: AdapterDetails; report: FrontReport },
): FrontReport | null {
  const other = otherAdapter(one);
  if (other !== null) return counterpart(report, valueOf(detailsOf(other).value)?.fronts ?? {});
  const found = details.fronts[one];
  return found !== undefined && comparable(found, report) ? found : null;
}

/** This adapter at other steps: the later, the darker. */
function growthOf({ fronts }: AdapterDetails, report: FrontReport): Series[] {
  const steps = otherSteps(report, fronts);
  return steps.map(({ step, report }, i) => ({
    name: `step ${step}`,
    colour: stepColour(steps.length < 2 ? 0 : 1 - i / (steps.length - 1)),
    shape: "circle",
    report,
  }));
}
