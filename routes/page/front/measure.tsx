/** @jsxImportSource preact */
// Where an adapter has no front yet: the offer to measure one, and how far the measurement is.
import { useSignal } from "@preact/signals";
import type { Job } from "../../../workers/service.ts";
import { Failure, Loaded } from "../parts/notice.tsx";
import { JobProgress } from "../parts/progress.tsx";
import { useJob } from "../jobs/watch.ts";
import { send, sentenceOf } from "../server/api.ts";
import { isOpen, jobs, loadDetails } from "../server/resources.ts";
import { valueOf } from "../server/resource.ts";

export function Measure({ id }: { id: string }) {
  // A measurement that somebody asked for already is followed, not begun again.
  const open = (valueOf(jobs.value) ?? []).find((job) =>
    job.kind === "front" && job.adapter === id && isOpen(job)
  );
  const begun = useSignal<string | null>(open?.id ?? null);
  const failure = useSignal<string | null>(null);
  const asking = useSignal(false);

  async function measure() {
    asking.value = true;
    failure.value = null;
    try {
      const query = new URLSearchParams({ adapter: id });
      const response = await send(`/front?${query}`, { accept: "application/json" });
      if (response.status === 202) begun.value = (await response.json() as Job).id;
      else {
        await response.body?.cancel();
        await loadDetails(id);
      }
    } catch (error) {
      failure.value = sentenceOf(error);
    } finally {
      asking.value = false;
    }
  }

  return (
    <div class="notice">
      {begun.value === null
        ? (
          <>
            <p>
              The front of this adapter is not measured yet. A measurement answers the test data
              under a grid of preference vectors; with the built-in world it takes seconds, with
              your own model minutes.
            </p>
            <button type="button" class="button primary" disabled={asking.value} onClick={measure}>
              Measure the front
            </button>
          </>
        )
        : (
          <Measuring
            job={begun.value}
            onEnd={(job) => {
              if (job.state === "done") return void loadDetails(id);
              failure.value = job.error ?? "The measurement was cancelled";
              begun.value = null;
            }}
          />
        )}
      <Failure text={failure.value} />
    </div>
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
