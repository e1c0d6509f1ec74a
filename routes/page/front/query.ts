// What the page asks of GET /front, and the same question out of a report: another adapter's front is
// measured as the one on show was.
import type { FrontReport } from "../../../core/front/report.ts";

/** Parameters of GET /front; empty ones are left out. */
export interface FrontQuery {
  adapter: string;
  [parameter: string]: string | number | undefined;
}

/** The query as it stands in an address. */
export function queryText(query: FrontQuery): string {
  const given = Object.entries(query).flatMap(([name, value]): [string, string][] => {
    const text = String(value ?? "").trim();
    return text === "" ? [] : [[name, text]];
  });
  return new URLSearchParams(given).toString();
}

/** What a report was measured with, to be asked of `adapter`. */
export function queryLike({ settings, metric }: FrontReport, adapter: string): FrontQuery {
  const responses = (settings.responses ?? {}) as { maxNewTokens?: number; format?: string };
  const given = {
    grid: settings.grid,
    limit: settings.limit,
    bootstrap: settings.resamples,
    seed: settings.seed,
    reward_model: settings.rewardModel,
    max_new_tokens: responses.maxNewTokens,
    rollout_format: responses.format,
  };
  return {
    adapter,
    metric,
    ...Object.fromEntries(
      Object.entries(given).filter((entry): entry is [string, string | number] =>
        typeof entry[1] === "string" || typeof entry[1] === "number"
      ),
    ),
  };
}
