/** @jsxImportSource preact */
// How far a job is: a bar, what is being done, and how long it may still take.
import type { Job } from "../../../workers/service.ts";

export function JobProgress({ job, etaSeconds = null }: { job: Job; etaSeconds?: number | null }) {
  const { progress, state } = job;
  const known = progress !== null && progress.total > 0;
  const text = state === "queued"
    ? "Waiting for the job before it"
    : !known
    ? "Starting"
    : `${progress.what}: ${progress.done} of ${progress.total}${
      etaSeconds === null ? "" : `, about ${duration(etaSeconds)} left`
    }`;
  return (
    <div class="progress">
      <progress
        aria-label={`Progress of ${job.adapter}`}
        {...(known && state === "running" ? { value: progress.done, max: progress.total } : {})}
      />
      <span>{text}</span>
    </div>
  );
}

/** Seconds for people: "40 s", "3 min", "2 h 5 min". */
export function duration(seconds: number): string {
  if (!(seconds >= 0) || !Number.isFinite(seconds)) return "–";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
