// Adapters of the built-in model with random parameters, stored as a run stores its own.
import { join } from "node:path";
import { adapters } from "../../core/adapters/mod.ts";
import { adaptedMaps, initParameters } from "../../core/adapters/parameters.ts";
import { float32Tensor } from "../../core/models/safetensors.ts";
import { Random } from "../../core/random.ts";
import { createTokenizer } from "../../core/text/tokenizer.ts";
import { BuiltinModel } from "../../data/builtin/mod.ts";
import { openModel } from "../../data/models.ts";
import { type AdapterConfig, openRun } from "../../data/store/run_folder.ts";

/** The built-in model for longer texts, as a folder of its own; what it says there is no matter. */
export async function copyBuiltinModel(
  folder: string,
  { maxPositions }: { maxPositions: number },
): Promise<void> {
  await Deno.mkdir(folder);
  for await (const { name } of Deno.readDir(BuiltinModel.folder)) {
    await Deno.copyFile(join(BuiltinModel.folder, name), join(folder, name));
  }
  const path = join(folder, "config.json");
  const config = JSON.parse(await Deno.readTextFile(path));
  const changed = { ...config, max_position_embeddings: maxPositions };
  await Deno.writeTextFile(path, JSON.stringify(changed));
}

/**
 * Stores an adapter in a run folder, new or old; another seed is another adapter.
 * `model`: folder of the built-in model or of a copy.
 */
export async function storeBuiltinAdapter(
  folder: string,
  { seed, model, changes = {} }: {
    seed: number;
    model?: string;
    changes?: Partial<AdapterConfig>;
  },
): Promise<void> {
  const { config, text, fingerprint, close } = await openModel(model ?? BuiltinModel.folder);
  close();
  const tokenizer = createTokenizer(text, config);
  const dimensions = changes.dimensions ?? ["helpful", "harmless"];
  const [rank, alpha] = [4, 24];
  const adapter = adapters.svd_lora({
    rank,
    objectives: dimensions.length,
    alpha,
    init: "orthonormal",
  });
  const random = new Random(seed);
  const maps = adaptedMaps(config, "layers.");
  const stored = initParameters(adapter, maps, { config, random });
  for (const [name, { values }] of stored) {
    if (!/\.(sigma|s)$/.test(name)) continue;
    for (let i = 0; i < values.length; i++) values[i] = 0.5 * random.normal();
  }
  await using run = await openRun(folder, { create: true });
  await run.saveAdapter({
    tensors: Object.fromEntries(
      [...stored].map(([name, { shape, values }]) => [name, float32Tensor(shape, values)]),
    ),
    config: {
      format: "panacea-svd-lora",
      version: 1,
      base_model: model ?? BuiltinModel.name,
      base_fingerprint: fingerprint,
      template_fingerprint: tokenizer.fingerprint,
      chat_template_hash: tokenizer.templateHash ?? undefined,
      dimensions,
      adapter: "svd_lora",
      lora_r: rank,
      lora_alpha: alpha,
      target_modules: "layers.",
      modules: maps.flatMap((names, layer) => names.map((map) => `model.layers.${layer}.${map}`)),
      steps: seed,
      objective: "dpo",
      aggregation: "ls",
      beta: 0.1,
      dataset_fingerprint: "d".repeat(64),
      ...changes,
    },
    card: `adapter ${seed}`,
  });
}
