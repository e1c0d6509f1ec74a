// Studies that several scales share: small.ts, real.ts and tiny.ts put them into their plans.
import type { RunConfig } from "../../core/config.ts";
import type { FigureName } from "../../core/report/figure_names.ts";
import { methodOf, type Study } from "./plan.ts";

/** The settings of a run of a scale, with changes. */
export type Make = (changes?: Partial<RunConfig>) => RunConfig;

export const rewardModel = methodOf({
  family: "reward_model",
  objective: "reward",
  label: "Reward model",
  figures: [],
});

export const panaceaPpo = methodOf({
  family: "panacea",
  objective: "ppo",
  label: "Panacea LS (RLHF)",
  figures: [
    "figure_3",
    "figure_4_left",
    "figure_4_right",
    "figure_6",
    "figure_8",
    "same_compute_rlhf",
    "curves",
  ],
});

export const soupsPpo = methodOf({
  family: "rewarded_soups",
  objective: "ppo",
  label: "Rewarded Soups (RLHF)",
  figures: ["figure_4_left"],
});

export const policiesPpo = methodOf({
  family: "discrete_policies",
  objective: "ppo",
  label: "Discrete policies (RLHF)",
  figures: ["figure_4_left"],
});

/** DPO with both aggregations, and what figure 5 holds against it; `figures`: more for Panacea LS. */
export function dpoStudies(
  dpo: Make,
  { metrics = [], figures = [] }: Pick<Study, "metrics"> & { figures?: FigureName[] } = {},
): Study[] {
  return [
    {
      method: methodOf({
        family: "panacea",
        objective: "dpo",
        label: "Panacea LS (DPO)",
        figures: ["figure_5", "figure_7", ...figures],
      }),
      metrics,
      config: () => dpo(),
    },
    {
      method: methodOf({
        family: "panacea",
        objective: "dpo",
        aggregation: "tche",
        label: "Panacea Tche (DPO)",
        figures: ["figure_5"],
      }),
      metrics,
      config: () => dpo({ aggregation: "tche" }),
    },
    {
      method: methodOf({
        family: "rewarded_soups",
        objective: "dpo",
        label: "Rewarded Soups (DPO)",
        figures: ["figure_5"],
      }),
      kind: "rewarded_soups",
      metrics,
      config: () => dpo(),
    },
  ];
}
