/** @jsxImportSource preact */
// The state of a job as a word with a mark; the word alone says it.
import type { JobState } from "../../../workers/service.ts";

const words: Record<JobState, string> = {
  queued: "Queued",
  running: "Running",
  done: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
};

export function StateChip({ state }: { state: JobState }) {
  return <span class={`chip ${state}`}>{words[state]}</span>;
}
