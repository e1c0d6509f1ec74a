// The table of adapters, by their name in RunConfig.
import type { RunConfig } from "../config.ts";
import type { Adapter, AdapterOptions } from "./adapter.ts";
import { svdLora } from "./svd_lora.ts";

export const adapters: Record<RunConfig["adapter"], (options: AdapterOptions) => Adapter> = {
  svd_lora: svdLora,
};
