/** @jsxImportSource preact */
// What a new user sees first: nothing is trained yet, and one button trains the built-in world.
import { useSignal } from "@preact/signals";
import type { Job } from "../../workers/service.ts";
import { Failure } from "./parts/notice.tsx";
import { JobProgress } from "./parts/progress.tsx";
import { ViewTitle } from "./parts/view_title.tsx";
import { freeName } from "./jobs/fields.ts";
import { getJson, sentenceOf } from "./server/api.ts";
import { isOpen, jobs } from "./server/resources.ts";
import { valueOf } from "./server/resource.ts";
import { goTo } from "./state.ts";

export function FirstRun() {
  const failure = useSignal<string | null>(null);
  const starting = useSignal(false);
  const all = valueOf(jobs.value) ?? [];
  const running = all.find((job) => job.kind === "train" && isOpen(job));

  async function train() {
    starting.value = true;
    failure.value = null;
    try {
      const name = freeName("builtin", all.map(({ adapter }) => adapter));
      const body = { name, preset: "builtin" };
      const job = await getJson<Job>("/runs", { method: "POST", body });
      goTo({ view: "runs", id: job.id });
    } catch (error) {
      failure.value = sentenceOf(error);
      starting.value = false;
    }
  }

  return (
    <div class="welcome card">
      <ViewTitle>Train one adapter, choose its temper whenever you use it</ViewTitle>
      <p>
        An adapter trained here answers under any preference vector λ: more helpful, more harmless,
        or anything between. Its Pareto front shows what each λ is worth.
      </p>
      {running
        ? (
          <>
            <p>The adapter {running.adapter} is being trained.</p>
            <JobProgress job={running} />
            <div class="row">
              <a class="button primary" href={`#/runs/${encodeURIComponent(running.id)}`}>
                Watch the run
              </a>
            </div>
          </>
        )
        : (
          <>
            <p>
              Start with the built-in world: a small model and made-up questions, which train in a
              minute or two on two cores and end with a front that can be compared with the exact
              one.
            </p>
            <div class="row">
              <button
                type="button"
                class="button primary"
                disabled={starting.value}
                onClick={train}
              >
                {starting.value ? "Starting" : "Train the built-in world"}
              </button>
              <a class="button" href="#/runs/new">Use my own model and data</a>
            </div>
          </>
        )}
      <Failure text={failure.value} />
    </div>
  );
}
