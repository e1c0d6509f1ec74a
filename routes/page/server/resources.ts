// What the server holds, as the page last saw it: adapters (in the list and whole) and jobs.
// Components read these signals; whoever changes something on the server loads them again.
import { type Signal, signal } from "@preact/signals";
import type { AdapterDetails, AdapterSummary, Job } from "../../../workers/service.ts";
import { getJson } from "./api.ts";
import { loadInto, type Resource, valueOf } from "./resource.ts";

export const adapters = signal<Resource<AdapterSummary[]>>({ state: "loading" });
export const jobs = signal<Resource<Job[]>>({ state: "loading" });

const details = new Map<string, Signal<Resource<AdapterDetails>>>();

/** Whether a job may still change by itself. */
export function isOpen({ state }: Job): boolean {
  return state === "queued" || state === "running";
}

export async function loadAdapters(): Promise<void> {
  await loadInto(adapters, () => getJson<AdapterSummary[]>("/adapters"));
}

export async function loadJobs(): Promise<void> {
  await loadInto(jobs, () => getJson<Job[]>("/runs"));
}

/** One adapter whole; loaded on first use. */
export function detailsOf(id: string): Signal<Resource<AdapterDetails>> {
  let held = details.get(id);
  if (held === undefined) {
    held = signal<Resource<AdapterDetails>>({ state: "loading" });
    details.set(id, held);
    void loadDetails(id);
  }
  return held;
}

/** Loads one adapter anew, where it is held; what came, or null. */
export async function loadDetails(id: string): Promise<AdapterDetails | null> {
  const held = details.get(id);
  if (held === undefined) return null;
  await loadInto(held, () => getJson<AdapterDetails>(`/adapters/${encodeURIComponent(id)}`));
  return valueOf(held.value);
}

/** Lets go of what was known of an adapter: it was deleted, or trained anew. */
export function forgetDetails(id: string): void {
  details.delete(id);
}
