// The table of aggregations, by their name in RunConfig. READ aggregation.ts for what one is.
// Source: Panacea (arXiv 2402.02030), eq. 6 and 7 in general, 14 and 16 for DPO losses, 12 and 13
// for rewards; those it does not have say theirs.
import type { RunConfig } from "../config.ts";
import type { Aggregation, AggregationSettings } from "./aggregation.ts";
import { augmentedTchebycheff } from "./augmented_tchebycheff.ts";
import { boundaryIntersection } from "./boundary_intersection.ts";
import { towardsIdeal } from "./ideal.ts";
import { linear } from "./linear.ts";
import { smoothTchebycheff } from "./smooth_tchebycheff.ts";
import { tchebycheff } from "./tchebycheff.ts";

export const aggregations = {
  ls: linear,
  tche: () =>
    towardsIdeal(
      "Tchebycheff: max_i λ_i L_i (eq. 16), the worst weighted dimension alone",
      tchebycheff,
    ),
  smooth_tche: ({ smooth_tche_mu }) =>
    towardsIdeal(
      "smooth Tchebycheff: μ·log Σ exp(λ_i L_i/μ), a soft maximum",
      smoothTchebycheff(smooth_tche_mu),
    ),
  augmented_tche: ({ augmented_tche_rho }) =>
    towardsIdeal(
      "augmented Tchebycheff: max_i λ_i L_i + ρ·Σ λ_i L_i",
      augmentedTchebycheff(augmented_tche_rho),
    ),
  pbi: ({ pbi_theta }) =>
    towardsIdeal(
      "penalty boundary intersection: d₁ + θ·d₂, along the ray of equal λ_i L_i and off it",
      boundaryIntersection(pbi_theta),
    ),
} satisfies Record<RunConfig["aggregation"], (settings: AggregationSettings) => Aggregation>;

/** The aggregation of a run. */
export function aggregationOf(config: Pick<RunConfig, "aggregation"> & AggregationSettings) {
  return aggregations[config.aggregation](config);
}
