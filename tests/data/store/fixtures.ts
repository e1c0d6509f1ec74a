// What the store's tests save: small tensors filled with one number, so that a mixture shows.
import { float32Tensor, toFloat32 } from "../../../core/models/safetensors.ts";
import type { AdapterConfig, Checkpoint, CheckpointParts } from "../../../data/store/run_folder.ts";

export function adapterConfig(steps: number): AdapterConfig {
  return {
    format: "panacea-svd-lora",
    version: 1,
    base_model: "tiny",
    base_fingerprint: "b".repeat(64),
    template_fingerprint: "t".repeat(64),
    dimensions: ["helpful", "harmless"],
    adapter: "svd_lora",
    lora_r: 2,
    lora_alpha: 16,
    target_modules: "layers.",
    modules: ["model.layers.0.self_attn.q_proj"],
    steps,
    objective: "dpo",
    aggregation: "ls",
    beta: 0.1,
    dataset_fingerprint: "d".repeat(64),
  };
}

export function tensorsOf(value: number, size = 64) {
  const name = "model.layers.0.self_attn.q_proj";
  return {
    [`${name}.V`]: float32Tensor([4, size], new Float32Array(4 * size).fill(value)),
    [`${name}.sigma`]: float32Tensor([4], new Float32Array(4).fill(value)),
  };
}

/** A checkpoint all of whose parts hold `value`. */
export function checkpointOf(value: number, size = 64): CheckpointParts {
  return {
    adapter: tensorsOf(value, size),
    adapterConfig: adapterConfig(value),
    optimizer: tensorsOf(value, 2 * size),
    state: { value, random: [1, 2 ** 32 - 1], cursor: -0 },
  };
}

/** The one value that all parts hold; throws where they differ. */
export function valueOf(checkpoint: CheckpointParts | Checkpoint): number {
  const values = new Set<unknown>([checkpoint.adapterConfig.steps, checkpoint.state.value]);
  for (const tensors of [checkpoint.adapter, checkpoint.optimizer]) {
    for (const tensor of Object.values(tensors)) {
      for (const value of toFloat32(tensor)) values.add(value);
    }
  }
  const [value, ...others] = values;
  if (typeof value !== "number" || others.length > 0) {
    throw new Error(`Cannot read checkpoint: expected one value, got ${[...values].join(", ")}`);
  }
  return value;
}

/** A fresh folder, removed when the block ends. */
export async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "panacea-store-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
