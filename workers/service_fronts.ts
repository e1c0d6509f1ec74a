// Fronts as the service asks for them: the same settings find a stored one, and measure it where
// there is none.
import { isDeepStrictEqual } from "node:util";
import type { RunConfig } from "../core/config.ts";
import { findFront, type StoredFront } from "../data/store/front_lookup.ts";
import { frontName } from "../data/store/front_settings.ts";
import type { Job } from "../data/store/job.ts";
import { frontSettings } from "./front_settings.ts";
import type { FrontRequest } from "./protocol.ts";
import type { FrontJob } from "./service.ts";

/** The stored front of exactly these settings, or null; `folder`: of the adapter. */
export async function storedFront(
  { adapter: _, ...wanted }: FrontJob,
  folder: string,
): Promise<StoredFront | null> {
  return await findFront(folder, await frontSettings({ ...wanted, adapter: folder }));
}

/** The session that measures it, on the engine that the adapter was trained with. */
export async function frontRequest(
  { adapter: _, ...wanted }: FrontJob,
  { folder, run }: { folder: string; run: RunConfig },
): Promise<FrontRequest> {
  const settings = await frontSettings({ ...wanted, adapter: folder });
  return {
    ...wanted,
    adapter: folder,
    name: frontName(settings),
    engine: run.engine,
    threads: run.threads,
    device: run.device,
    maxTokensPerPass: run.max_tokens_per_pass,
  };
}

/** The job among `jobs` that measures the same, if there is one. */
export function equalFrontJob(request: FrontJob, jobs: Job[]): Job | undefined {
  return jobs.find((job) => job.kind === "front" && isDeepStrictEqual(job.request, request));
}
