/** @jsxImportSource preact */
// One run: how far it is, its curves as they grow, what it said, and the ways to end or go on.
import { useSignal } from "@preact/signals";
import type { Job } from "../../../workers/service.ts";
import { figure } from "../plot/axis.ts";
import { Failure, Loaded } from "../parts/notice.tsx";
import { duration, JobProgress } from "../parts/progress.tsx";
import { SettingsTable } from "../parts/settings_table.tsx";
import { StateChip } from "../parts/state_chip.tsx";
import { ViewTitle } from "../parts/view_title.tsx";
import { getJson, sentenceOf } from "../server/api.ts";
import { isOpen, loadAdapters, loadDetails } from "../server/resources.ts";
import { chooseAdapter, goTo } from "../state.ts";
import { CurvesView } from "./curves_view.tsx";
import { useJob, type WatchedJob } from "./watch.ts";

export function JobView({ id }: { id: string }) {
  const watched = useJob(id, (job) => {
    void loadAdapters();
    void loadDetails(job.adapter);
  });
  return (
    <>
      <p class="crumb">
        <a href="#/runs">Runs</a>
      </p>
      <Loaded resource={watched.job.value} what="this run" onRetry={watched.refresh}>
        {(job) => <Content job={job} watched={watched} />}
      </Loaded>
    </>
  );
}

function Content({ job, watched }: { job: Job; watched: WatchedJob }) {
  const { steps, latest, notices } = watched;
  const training = job.kind === "train";
  return (
    <>
      <header class="view-head">
        <ViewTitle>{training ? job.adapter : `Front of ${job.adapter}`}</ViewTitle>
        <StateChip state={job.state} />
        <Actions job={job} onChange={watched.refresh} />
      </header>
      <div aria-live="polite">
        {isOpen(job) && (
          <JobProgress
            job={job}
            etaSeconds={job.progress?.what === "steps" ? latest.value?.etaSeconds : null}
          />
        )}
        <Failure text={job.error} />
      </div>
      {training && (
        <>
          <Figures watched={watched} />
          <section class="card" aria-label="Curves">
            <CurvesView steps={steps.value} />
          </section>
        </>
      )}
      {notices.value.length > 0 && (
        <details class="folded" open={!training}>
          <summary>
            {notices.value.length} message{notices.value.length === 1 ? "" : "s"}
          </summary>
          <ul class="messages">{notices.value.map((notice, i) => <li key={i}>{notice}</li>)}</ul>
        </details>
      )}
      <details class="folded">
        <summary>Settings of this {training ? "run" : "measurement"}</summary>
        <SettingsTable settings={job.request} caption="Settings" />
      </details>
    </>
  );
}

function Figures({ watched: { latest } }: { watched: WatchedJob }) {
  const step = latest.value;
  if (step === null) return null;
  const figures: [string, string][] = [
    ["Step", `${step.step} of ${step.steps}`],
    ["Loss", figure(step.loss)],
    ["Time", duration(step.seconds)],
    ["Tokens a second", Math.round(step.tokensPerSecond).toLocaleString("en")],
    ["Learning rate", figure(step.learningRate)],
    ["Gradient norm", figure(step.gradNorm)],
  ];
  return (
    <dl class="figures">
      {figures.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Actions({ job, onChange }: { job: Job; onChange: () => void }) {
  const failure = useSignal<string | null>(null);
  const busy = useSignal(false);

  async function act(what: "cancel" | "resume") {
    busy.value = true;
    failure.value = null;
    try {
      await getJson<Job>(`/runs/${encodeURIComponent(job.id)}/${what}`, { method: "POST" });
      onChange();
    } catch (error) {
      failure.value = sentenceOf(error);
    } finally {
      busy.value = false;
    }
  }

  function open() {
    chooseAdapter(job.adapter);
    goTo({ view: "explore" });
  }

  return (
    <div class="row actions">
      {isOpen(job) && (
        <button
          type="button"
          class="button"
          disabled={busy.value}
          onClick={() => act("cancel")}
        >
          Cancel
        </button>
      )}
      {(job.state === "failed" || job.state === "cancelled") && (
        <button
          type="button"
          class="button"
          disabled={busy.value}
          onClick={() => act("resume")}
        >
          Resume
        </button>
      )}
      {job.state === "done" && (
        <button type="button" class="button primary" onClick={open}>See the front and chat</button>
      )}
      <Failure text={failure.value} />
    </div>
  );
}
