// An adapter at rest: adapter_config.json, what it needs to be used again, beside its tensors in
// adapter_model.safetensors. The same two files lie in a run folder and in each checkpoint.
import { z } from "zod";
import { describeIssues, encodeJson } from "./json.ts";
import { sha256 } from "./manifest.ts";
import { encodeTensors, type Tensors } from "./tensors.ts";

export const ADAPTER_MODEL = "adapter_model.safetensors";
export const ADAPTER_CONFIG = "adapter_config.json";

const name = () => z.string().min(1);

/** What the parameters are, by the format that a file of them names. */
export const adapterFormats = {
  "panacea-svd-lora": "a policy's adapter",
  "panacea-reward-model": "a reward model",
  "panacea-full-model": "all weights of a model",
} as const;
export type AdapterFormat = keyof typeof adapterFormats;

/** The one schema of adapter_config.json. Unknown keys are refused. */
export const AdapterConfig = z.strictObject({
  format: z.enum(Object.keys(adapterFormats) as [AdapterFormat, ...AdapterFormat[]]),
  version: z.literal(1),
  base_model: name().describe("model folder, hub id or file that was adapted"),
  base_fingerprint: name().describe("hash of the base model's weights and configuration"),
  template_fingerprint: name().describe("hash of the tokenizer and chat template"),
  chat_template_hash: name().optional().describe(
    "hash of the chat template alone; absent without one, and in adapters of versions before it",
  ),
  dimensions: z.array(name()).min(1).describe("names of the M entries of the preference vector"),
  adapter: name().describe("kind of adapter"),
  members: z.array(z.array(z.number().min(0).max(1)).min(1)).min(1).optional().describe(
    "preferences that the members of a composite adapter were trained for; absent otherwise",
  ),
  lora_r: z.number().int().positive().describe("rank shared by all preferences"),
  lora_alpha: z.number().positive().describe(
    "scale of the adapter, divided by the width of its factors",
  ),
  lora_scaling_factor: z.number().positive().optional().describe(
    "fixed factor before λ; absent where it is learned",
  ),
  target_modules: z.string().describe("regular expression that chose the adapted maps"),
  modules: z.array(name()).describe("names of the adapted maps"),
  steps: z.number().int().nonnegative().describe("optimiser steps taken"),
  objective: name().describe("what was optimised"),
  loss_type: name().optional().describe(
    "loss of a pair, which decides what reward the policy implies; absent for DPO's own",
  ),
  aggregation: name().describe("how the losses of the dimensions became one"),
  beta: z.number().nonnegative().describe("strength of the pull towards the reference policy"),
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
