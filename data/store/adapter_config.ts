// An adapter at rest: adapter_config.json, what it needs to be used again, beside its tensors in
// adapter_model.safetensors. The same two files lie in a run folder and in each checkpoint.
import { z } from "zod";
import { describeIssues, encodeJson } from "./json.ts";
import { sha256 } from "./manifest.ts";
import { encodeTensors, type Tensors } from "./tensors.ts";

export const ADAPTER_MODEL = "adapter_model.safetensors";
export const ADAPTER_CONFIG = "adapter_config.json";

const name = () => z.string().min(1);

/** The one schema of adapter_config.json. Unknown keys are refused. */
export const AdapterConfig = z.strictObject({
  format: z.literal("panacea-svd-lora"),
  version: z.literal(1),
  base_model: name().describe("model folder, hub id or file that was adapted"),
  base_fingerprint: name().describe("hash of the base model's weights and configuration"),
  template_fingerprint: name().describe("hash of the tokenizer and chat template"),
  dimensions: z.array(name()).min(1).describe("names of the M entries of the preference vector"),
  adapter: name().describe("kind of adapter"),
  lora_r: z.number().int().positive().describe("rank shared by all preferences"),
  lora_alpha: z.number().positive().describe("scale of the adapter, divided by rank + M"),
  target_modules: z.string().describe("regular expression that chose the adapted maps"),
  modules: z.array(name()).describe("names of the adapted maps"),
  steps: z.number().int().nonnegative().describe("optimiser steps taken"),
  objective: name().describe("what was optimised"),
  aggregation: name().describe("how the losses of the dimensions became one"),
  beta: z.number().positive().describe("strength of the pull towards the reference policy"),
  dataset_fingerprint: name().describe("hash of the training rows"),
});
export type AdapterConfig = z.infer<typeof AdapterConfig>;

/** sha256 (hex) of the parameters file that these tensors make, as the manifest will tell it. */
export function hashParameters(tensors: Tensors): string {
  return sha256(encodeTensors(tensors, { name: "adapter" }));
}

/** Bytes of the model and config files; throws `DivergedError` or `TypeError` before any write. */
export function encodeAdapter(
  tensors: Tensors,
  config: AdapterConfig,
): Record<string, Uint8Array | string> {
  const checked = AdapterConfig.safeParse(config);
  if (!checked.success) {
    throw new TypeError(
      `Cannot save ${ADAPTER_CONFIG}: expected its schema, got ${describeIssues(checked.error)}`,
    );
  }
  return {
    [ADAPTER_MODEL]: encodeTensors(tensors, { name: "adapter" }),
    [ADAPTER_CONFIG]: encodeJson(checked.data, { name: ADAPTER_CONFIG }) + "\n",
  };
}
