// How each kind of planned run is carried out: a table. Every entry goes on where an earlier session
// stopped, and says where the results lie.
import type { CompositeKind } from "../../core/adapters/mod.ts";
import { InputError } from "../../core/errors.ts";
import { basename, dirname } from "node:path";
import { runBaselines } from "../baselines.ts";
import type { FrontRequest, SessionOptions } from "../protocol.ts";
import { runTraining } from "../training.ts";
import type { Places } from "./collect.ts";
import type { PlannedRun } from "./plan.ts";

/** Carries out a run; null where the signal stopped it, saved. */
export type Executor = (run: PlannedRun, options: SessionOptions) => Promise<Places | null>;

/** Every kind of planned run. */
export const executors: Record<PlannedRun["kind"], Executor> = {
  async train({ config }, options) {
    const { adapter, stopped } = await runTraining(config, options);
    return stopped ? null : { folder: adapter, trained: [adapter] };
  },
  rewarded_soups: baseline("rewarded_soups"),
  discrete_policies: baseline("discrete_policies"),
};

/** How the fronts of a planned run are measured. */
export function frontOf(
  { config }: PlannedRun,
): Omit<FrontRequest, "adapter" | "checkpoint" | "name"> {
  const { grid, bootstrap, seed, engine, threads, device, eval_limit } = config;
  return {
    ...{ grid, bootstrap, seed, engine, threads, device },
    maxTokensPerPass: config.max_tokens_per_pass,
    ...(eval_limit !== undefined && { limit: eval_limit }),
  };
}

function baseline(kind: CompositeKind): Executor {
  return async (run, options) => {
    const { config, memberGrid } = run;
    const { stopped, baselines } = await runBaselines({
      template: config,
      kinds: [kind],
      points: memberGrid ?? 2,
      folder: dirname(config.output_dir),
      name: basename(config.output_dir),
      front: frontOf(run),
    }, options);
    if (stopped) return null;
    const made = baselines.find((baseline) => baseline.kind === kind);
    if (made === undefined) {
      throw new InputError(`Cannot find the baseline ${run.name}: expected ${kind}, got none`);
    }
    return { folder: made.adapter, trained: made.members };
  };
}
