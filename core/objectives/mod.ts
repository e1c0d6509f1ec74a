// The table of objectives on preference pairs, by their name in RunConfig.
import type { RunConfig } from "../config.ts";
import type { TokenizedPair } from "../text/example.ts";
import { dpo } from "./dpo.ts";
import type { Objective } from "./objective.ts";

export const objectives: Record<
  RunConfig["objective"],
  (config: RunConfig, dimensions: string[]) => Objective<TokenizedPair>
> = {
  dpo: ({ beta, rpo_alpha }, dimensions) =>
    dpo({ beta, rpoAlpha: rpo_alpha, objectives: dimensions.length }),
};
