// Fronts as the service asks for them: the same settings find a stored one, and measure it where
// there is none.
import { isDeepStrictEqual } from "node:util";
import type { RunConfig } from "../core/config.ts";
import { findFront, type StoredFront } from "../data/store/front_lookup.ts";
import { frontName } from "../data/store/front_settings.ts";
import type { Job } from "../data/store/job.ts";
import { frontSettings, type WantedFront } from "./front_settings.ts";
import type { Places } from "./permissions.ts";
import type { FrontRequest } from "./protocol.ts";
import { resolveRewards } from "./reward_names.ts";
import type { FrontJob } from "./service.ts";

/** What a request wants, with the adapter and the reward models by where they lie. */
export async function wantedFront(
  { adapter: _, ...wanted }: FrontJob,
  { folder, places }: { folder: string; places: Pick<Places, "runs" | "files"> },
): Promise<WantedFront> {
  const { reward_model } = wanted;
  return {
    ...wanted,
    adapter: folder,
    ...reward_model !== undefined && {
      reward_model: await resolveRewards(places, reward_model),
    },
  };
}

/** The stored front of exactly these settings, or null. */
export async function storedFront(wanted: WantedFront): Promise<StoredFront | null> {
  return await findFront(wanted.adapter, await frontSettings(wanted));
}

/** The session that measures it, on the engine that the adapter was trained with. */
export async function frontRequest(wanted: WantedFront, run: RunConfig): Promise<FrontRequest> {
  const settings = await frontSettings(wanted);
  return {
    ...wanted,
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
