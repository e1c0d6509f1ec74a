// What runBaselines is asked for where all there is to name is the folder of a run: the run's own
// settings for the members and for the fronts.
import { basename, dirname, resolve } from "node:path";
import type { CompositeKind } from "../core/adapters/mod.ts";
import { baselines, type Budget, budgets } from "../core/baselines/mod.ts";
import { InputError } from "../core/errors.ts";
import { describeAdapter, loadConfig } from "../data/store/run_folder.ts";
import type { BaselinesRequest } from "./protocol.ts";

/** Baselines of a finished run. */
export interface BaselinesOfRun {
  adapter: string; // folder of the run
  kinds: CompositeKind[];
  points: number; // preferences per edge of the simplex, for discrete_policies
  budget: Budget;
  folder?: string; // where the new folders go; beside the run where it is missing
  /** What of the fronts is to be other than in the run. */
  front?: Partial<BaselinesRequest["front"]>;
}

/** The request; throws InputError where the folder is none of a finished run. */
export async function baselinesRequest(
  { adapter, kinds, points, budget, folder, front }: BaselinesOfRun,
): Promise<BaselinesRequest> {
  const { config } = await describeAdapter(adapter);
  const template = await loadConfig(adapter);
  if (template === null) {
    throw new InputError(
      `Cannot train baselines of ${adapter}: expected the folder of a run, with its settings, ` +
        "got an adapter without them",
    );
  }
  const members = (kind: CompositeKind) =>
    baselines[kind].members(config.dimensions.length, points).length;
  const steps = Object.fromEntries(
    kinds.map((kind) => [kind, budgets[budget].steps(config.steps, members(kind))]),
  );
  const { grid, bootstrap, seed, engine, threads, device } = template;
  return {
    template,
    compared: adapter,
    kinds,
    points,
    steps,
    folder: folder ?? dirname(resolve(adapter)),
    name: basename(resolve(adapter)),
    front: {
      ...{ grid, bootstrap, seed, engine, threads, device },
      limit: template.eval_limit,
      maxTokensPerPass: template.max_tokens_per_pass,
      ...front,
    },
  };
}
