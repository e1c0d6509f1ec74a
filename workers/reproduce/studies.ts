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

/** DPO with both aggregations, and what figure 5 holds against it. */
export function dpoStudies(dpo: Make): Study[] {
  const figures: FigureName[] = ["figure_5"];
  return [
    {
      method: methodOf({
        family: "panacea",
        objective: "dpo",
        label: "Panacea LS (DPO)",
        figures: [...figures, "figure_7"],
      }),
      config: () => dpo(),
    },
    {
      method: methodOf({
        family: "panacea",
        objective: "dpo",
        aggregation: "tche",
        label: "Panacea Tche (DPO)",
        figures,
      }),
      config: () => dpo({ aggregation: "tche" }),
    },
    {
      method: methodOf({
        family: "rewarded_soups",
        objective: "dpo",
        label: "Rewarded Soups (DPO)",
        figures,
      }),
      kind: "rewarded_soups",
      config: () => dpo(),
    },
  ];
}
