// The tables of adapters: those that are trained, by their name in RunConfig, and those made of them.
import type { RunConfig } from "../config.ts";
import type { Adapter, AdapterOptions } from "./adapter.ts";
import type { CompositeOptions } from "./composite.ts";
import { discretePolicies } from "./discrete_policies.ts";
import { lora } from "./lora.ts";
import { plainSvdLora } from "./plain_svd_lora.ts";
import { rewardedSoups } from "./rewarded_soups.ts";
import { svdLora } from "./svd_lora.ts";

export const adapters: Record<RunConfig["adapter"], (options: AdapterOptions) => Adapter> = {
  svd_lora: svdLora,
  plain_svd_lora: plainSvdLora,
  lora,
};

/** Adapters put together of trained members, by their name in a stored adapter. */
export const compositeAdapters = {
  rewarded_soups: rewardedSoups,
  discrete_policies: discretePolicies,
} satisfies Record<string, (options: CompositeOptions) => Adapter>;
/** The name of an entry of `compositeAdapters`. */
export type CompositeKind = keyof typeof compositeAdapters;

/** Every kind of adapter that can be stored. Trained ones have no members. */
export const storedAdapters: Record<string, (options: CompositeOptions) => Adapter> = {
  ...adapters,
  ...compositeAdapters,
};

/** The options of a run's adapter. */
export function adapterOptions(config: RunConfig, objectives: number): AdapterOptions {
  return {
    rank: config.lora_r,
    objectives,
    alpha: config.lora_alpha,
    init: config.lora_init,
    scalingFactor: config.lora_scaling_factor,
  };
}
