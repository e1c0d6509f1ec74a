// What the recipes that train an adapter share: where its policies are computed, its parameters at
// the start, fresh or stored, and how they are described and kept.
import type { Adapter } from "../../core/adapters/adapter.ts";
import {
  type BlockParameters,
  initParameters,
  readParameters,
  type StoredParameters,
} from "../../core/adapters/parameters.ts";
import type { RunConfig } from "../../core/config.ts";
import { Random } from "../../core/random.ts";
import { TrainerState, type TrainParts } from "../../core/train.ts";
import type { AdapterConfig, Checkpoint } from "../../data/store/run_folder.ts";
import type { Tensors } from "../../data/store/tensors.ts";
import type { Base } from "../machine.ts";
import { openLocalHost, type PolicyHost } from "../policy_host.ts";
import type { SessionOptions } from "../protocol.ts";
import { openShards } from "../shards.ts";
import { fromTensors, toTensors } from "../stored_adapter.ts";

/** Engine and base model of a run: on this thread, or on as many shards as it asks for. */
export function openHost(config: RunConfig, options: SessionOptions): Promise<PolicyHost> {
  return (config.shards > 1 ? openShards : openLocalHost)(config, options);
}

/** The parameters of a run's adapter: those of its checkpoint, or fresh ones by its seed. */
export function startingParameters(
  adapter: Adapter,
  maps: string[][],
  { config, base, checkpoint }: { config: RunConfig; base: Base; checkpoint: Checkpoint | null },
): StoredParameters {
  if (checkpoint !== null) return fromTensors(checkpoint.adapter);
  const random = new Random(config.seed).fork("adapter");
  return initParameters(adapter, maps, { config: base.config, random });
}

/** Where core/train.ts goes on; undefined for a fresh run. */
export function resumeFrom(checkpoint: Checkpoint | null): TrainParts<never>["resume"] {
  if (checkpoint === null) return undefined;
  return {
    state: TrainerState.parse(checkpoint.state),
    moments: fromTensors(checkpoint.optimizer),
  };
}

/** The trained tensors as files hold them. */
export async function readTensors(parameters: BlockParameters[]): Promise<Tensors> {
  return toTensors(await readParameters(parameters));
}

/** adapter_config.json of a run's adapter on `maps` (by block) after `step` steps. */
export function adapterConfigOf(
  config: RunConfig,
  { base, rows, maps, step }: {
    base: Base;
    rows: { dimensions: string[]; fingerprint: string };
    maps: string[][];
    step: number;
  },
): AdapterConfig {
  return {
    format: "panacea-svd-lora",
    version: 1,
    base_model: config.model_name_or_path,
    base_fingerprint: base.fingerprint,
    template_fingerprint: base.tokenizer.fingerprint,
    ...base.tokenizer.templateHash !== null && {
      chat_template_hash: base.tokenizer.templateHash,
    },
    dimensions: rows.dimensions,
    adapter: config.adapter,
    lora_r: config.lora_r,
    lora_alpha: config.lora_alpha,
    ...config.lora_scaling_factor > 0 && { lora_scaling_factor: config.lora_scaling_factor },
    target_modules: config.lora_target_modules,
    modules: maps.flatMap((names, layer) => names.map((map) => `model.layers.${layer}.${map}`)),
    steps: step,
    objective: config.objective,
    aggregation: config.aggregation,
    beta: config.beta,
    dataset_fingerprint: rows.fingerprint,
  };
}
