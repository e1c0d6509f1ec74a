/** @jsxImportSource preact */
// Every run and measurement the server knows, newest first.
import { useEffect } from "preact/hooks";
import type { Job } from "../../../workers/service.ts";
import { Loaded } from "../parts/notice.tsx";
import { JobProgress } from "../parts/progress.tsx";
import { StateChip } from "../parts/state_chip.tsx";
import { ViewTitle } from "../parts/view_title.tsx";
import { isOpen, jobs, loadJobs } from "../server/resources.ts";
import { valueOf } from "../server/resource.ts";

const RELOAD_MS = 2000;

export function JobList() {
  const moving = (valueOf(jobs.value) ?? []).some(isOpen);
  useEffect(() => void loadJobs(), []);
  useEffect(() => {
    if (!moving) return;
    const timer = setInterval(() => {
      if (!document.hidden) void loadJobs();
    }, RELOAD_MS);
    return () => clearInterval(timer);
  }, [moving]);
  return (
    <>
      <header class="view-head">
        <ViewTitle>Runs</ViewTitle>
        <a class="button primary" href="#/runs/new">New run</a>
      </header>
      <Loaded resource={jobs.value} what="the runs" onRetry={loadJobs}>
        {(list) =>
          list.length === 0
            ? (
              <div class="notice">
                <p>No run yet. A run trains one adapter for all preferences.</p>
              </div>
            )
            : <ul class="list">{list.map((job) => <Row key={job.id} job={job} />)}</ul>}
      </Loaded>
    </>
  );
}

function Row({ job }: { job: Job }) {
  return (
    <li class="card list-row">
      <div class="list-main">
        <a class="list-name" href={`#/runs/${encodeURIComponent(job.id)}`}>
          {job.kind === "train" ? job.adapter : `Front of ${job.adapter}`}
        </a>
        <p class="quiet">
          {job.kind === "train" ? "Training" : "Measurement"}, {started(job)}
        </p>
        {job.error !== null && <p class="error">{job.error}</p>}
      </div>
      {isOpen(job) && <JobProgress job={job} />}
      <StateChip state={job.state} />
    </li>
  );
}

function started(job: Job): string {
  const at = new Date(job.started ?? job.created);
  const day = at.toLocaleDateString(undefined, { dateStyle: "medium" });
  const time = at.toLocaleTimeString(undefined, { timeStyle: "short" });
  return `${job.started === null ? "asked for" : "started"} ${day}, ${time}`;
}
