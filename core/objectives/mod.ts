// The table of objectives on preference pairs, by their name in RunConfig.
import type { RunConfig } from "../config.ts";
import type { TokenizedPair } from "../text/example.ts";
import { dpo } from "./dpo.ts";
import type { Objective } from "./objective.ts";
import { pairwiseLoss } from "./pairwise_losses.ts";
import { reward } from "./reward.ts";

type PairObjective = (config: RunConfig, dimensions: string[]) => Objective<TokenizedPair>;

export const pairObjectives = {
  dpo: (config, dimensions) =>
    dpo({
      loss: pairwiseLoss(config),
      beta: config.beta,
      labelSmoothing: config.label_smoothing,
      simpoGamma: config.simpo_gamma,
      rpoAlpha: config.rpo_alpha,
      objectives: dimensions.length,
    }),
  reward: (_config, dimensions) => reward({ objectives: dimensions.length }),
} satisfies Partial<Record<RunConfig["objective"], PairObjective>>;
