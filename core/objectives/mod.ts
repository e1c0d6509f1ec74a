// The table of objectives on preference pairs, by their name in RunConfig.
import type { RunConfig } from "../config.ts";
import type { TokenizedPair } from "../text/example.ts";
import { dpo } from "./dpo.ts";
import type { Objective } from "./objective.ts";
import { reward } from "./reward.ts";

type PairObjective = (config: RunConfig, dimensions: string[]) => Objective<TokenizedPair>;

export const pairObjectives = {
  dpo: ({ beta, rpo_alpha }, dimensions) =>
    dpo({ beta, rpoAlpha: rpo_alpha, objectives: dimensions.length }),
  reward: (_config, dimensions) => reward({ objectives: dimensions.length }),
} satisfies Partial<Record<RunConfig["objective"], PairObjective>>;
