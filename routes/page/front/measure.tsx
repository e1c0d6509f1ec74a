/** @jsxImportSource preact */
// Measuring a front from the page: the offer where an adapter has none, the button that measures and
// follows the job, and a form for another metric, judge or grid.
import type { ComponentChildren } from "preact";
import { useSignal } from "@preact/signals";
import type { FrontReport } from "../../../core/front/report.ts";
import type { Job } from "../../../workers/service.ts";
import { Failure, Loaded } from "../parts/notice.tsx";
import { JobProgress } from "../parts/progress.tsx";
import { useJob } from "../jobs/watch.ts";
import { send, sentenceOf } from "../server/api.ts";
import { isOpen, jobs, loadDetails } from "../server/resources.ts";
import { valueOf } from "../server/resource.ts";
import { type FrontQuery, queryText } from "./query.ts";

/** The offer to measure the front of an adapter that has none. */
export function Measure({ id }: { id: string }) {
  return (
    <div class="notice">
      <Measurement
        query={{ adapter: id }}
        text="Measure the front"
        primary
        onDone={() => void loadDetails(id)}
      >
        <p>
          The front of this adapter is not measured yet. A measurement answers the test data under a
          grid of preference vectors; with the built-in world it takes seconds, with your own model
          minutes.
        </p>
      </Measurement>
    </div>
  );
}

/**
 * A button that asks for what `query` names and follows the jobs that measure it. `onDone` is given
 * what came: a front, or several side by side. `children` stand above while nothing is asked for.
 */
export function Measurement({ query, text, primary = false, onDone, children }: {
  query: FrontQuery;
  text: string;
  primary?: boolean;
  onDone: (answer: unknown) => void;
  children?: ComponentChildren;
}) {
  // A measurement that somebody asked for already is followed, not begun again.
  const open = (valueOf(jobs.value) ?? []).find((job) =>
    primary && job.kind === "front" && job.adapter === query.adapter && isOpen(job)
  );
  const begun = useSignal<string | null>(open?.id ?? null);
  const failure = useSignal<string | null>(null);
  const asking = useSignal(false);

  async function ask() {
    asking.value = true;
    failure.value = null;
    try {
      const response = await send(`/front?${queryText(query)}`, { accept: "application/json" });
      const answer: unknown = await response.json();
      if (response.status === 202) begun.value = (answer as Job).id;
      else {
        begun.value = null;
        onDone(answer);
      }
    } catch (error) {
      begun.value = null;
      failure.value = sentenceOf(error);
    } finally {
      asking.value = false;
    }
  }

  return (
    <>
      {begun.value === null
        ? (
          <>
            {children}
            <button
              type="button"
              class={primary ? "button primary" : "quiet-button"}
              disabled={asking.value}
              onClick={ask}
            >
              {text}
            </button>
          </>
        )
        : (
          <Measuring
            key={begun.value}
            job={begun.value}
            onEnd={(job) => {
              if (job.state === "done") return void ask(); // the next job, or what came of it
              failure.value = job.error ?? "The measurement was cancelled";
              begun.value = null;
            }}
          />
        )}
      <Failure text={failure.value} />
    </>
  );
}

function Measuring({ job, onEnd }: { job: string; onEnd: (job: Job) => void }) {
  const watched = useJob(job, onEnd);
  return (
    <Loaded resource={watched.job.value} what="the measurement" onRetry={watched.refresh}>
      {(job) => <JobProgress job={job} />}
    </Loaded>
  );
}

/** Another measurement of the same adapter: what the values are, who judges, how fine the grid is. */
export function MeasureForm({ id, metrics, onDone }: {
  id: string;
  metrics: Record<string, string>;
  onDone: (report: FrontReport) => void;
}) {
  const metric = useSignal("");
  const judge = useSignal("");
  const tokens = useSignal("");
  const grid = useSignal("11");
  const judged = metric.value === "reward";
  const query: FrontQuery = {
    adapter: id,
    metric: metric.value,
    grid: grid.value,
    ...judged && { reward_model: judge.value, max_new_tokens: tokens.value },
  };
  return (
    <details class="folded">
      <summary>Measure it another way</summary>
      <div class="measure-form">
        <label>
          Values
          <select
            value={metric.value}
            onChange={(event) => metric.value = event.currentTarget.value}
          >
            <option value="">what the data can show</option>
            {Object.entries(metrics).map(([name, words]) => (
              <option key={name} value={name}>{words}</option>
            ))}
          </select>
        </label>
        {judged && (
          <>
            <label>
              Reward model
              <input
                value={judge.value}
                placeholder="as in the run"
                onInput={(event) => judge.value = event.currentTarget.value}
              />
            </label>
            <label>
              Longest answer
              <input
                class="short"
                inputMode="numeric"
                value={tokens.value}
                placeholder="tokens"
                onInput={(event) => tokens.value = event.currentTarget.value}
              />
            </label>
          </>
        )}
        <label>
          Grid
          <input
            class="short"
            inputMode="numeric"
            value={grid.value}
            onInput={(event) => grid.value = event.currentTarget.value}
          />
        </label>
        <Measurement
          key={queryText(query)}
          query={query}
          text="Measure"
          onDone={(answer) => onDone(answer as FrontReport)}
        />
      </div>
    </details>
  );
}
