// The methods that Panacea is compared with, by the kind of adapter that each ends as: which
// preferences have a policy of their own, trained by itself with the same data, seed and settings.
// workers/baselines.ts trains them and puts them together. Source: Zhong et al. 2024, section 5 and
// appendix D; Ramé et al. 2023.
import type { CompositeKind } from "../adapters/mod.ts";
import type { RunConfig } from "../config.ts";
import { latticeGrid } from "../preference.ts";

/** One method. */
export interface Baseline {
  /** What it is, in one line for people. */
  description: string;
  /**
   * Preferences of its members (K, M) for M dimensions; `points` per edge of the simplex, for the
   * methods that cover it.
   */
  members(dimensions: number, points: number): number[][];
}

export const baselines: Record<CompositeKind, Baseline> = {
  rewarded_soups: {
    description: "Rewarded Soups: one adapter for each dimension alone, interpolated by λ",
    members: (dimensions) =>
      Array.from(
        { length: dimensions },
        (_, i) => Array.from({ length: dimensions }, (_, j) => Number(i === j)),
      ),
  },
  discrete_policies: {
    description: "Discrete Policy Solutions: one adapter for each λ of a grid, the nearest serves",
    members: (dimensions, points) => latticeGrid(dimensions, points),
  },
};

/** Objectives whose runs have baselines: those that are trained for preferences. */
export const comparedObjectives: RunConfig["objective"][] = ["dpo", "ppo"];

/**
 * The run of one member: that of `template` with one fixed preference and an adapter that no
 * preference moves, of rank k + 1. `steps`: of the optimiser; as in the template where it is missing.
 * It is not measured on the way, and at its end at the corners alone.
 */
export function memberRun(
  template: RunConfig,
  { preference, steps, folder }: { preference: number[]; steps?: number; folder: string },
): RunConfig {
  return {
    ...template,
    adapter: "plain_svd_lora",
    lora_scaling_factor: 0,
    fixed_preference: preference.join(","),
    max_steps: steps ?? template.max_steps,
    output_dir: folder,
    eval_steps: 0,
    grid: 2,
    bootstrap: 0,
    save_total_limit: 1,
  };
}

/** How the optimiser steps of the run that is compared with become those of each of K members. */
export const budgets = {
  each: {
    description: "every member trains as long as the run (as in the paper)",
    steps: () => undefined, // as in its settings, which may be epochs
  },
  total: {
    description: "all members of a method share the run's steps",
    steps: (total, members) => Math.max(1, Math.floor(total / members)),
  },
} satisfies Record<
  string,
  { description: string; steps(total: number, members: number): number | undefined }
>;
/** The name of an entry of `budgets`. */
export type Budget = keyof typeof budgets;
