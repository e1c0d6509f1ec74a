// Adapters with random parameters on small models, stored as a run stores its own, for exports; and
// what they answer here.
import assert from "node:assert/strict";
import { storedAdapters } from "../../core/adapters/mod.ts";
import type { AdapterSource, WeightFormat } from "../../core/generate/decoder.ts";
import { float32Tensor } from "../../core/models/safetensors.ts";
import { adaptedMaps } from "../../core/adapters/parameters.ts";
import { createTokenizer } from "../../core/text/tokenizer.ts";
import { openModel } from "../../data/models.ts";
import { type AdapterConfig, openRun } from "../../data/store/run_folder.ts";
import type { SessionOptions } from "../../workers/protocol.ts";
import { modelPath, randomParameters, withDecoder } from "../core/generate/decoders.ts";

export const dimensions = ["helpful", "harmless"];

/** λ over two dimensions, from (0, 1) to (1, 0). */
export const elevenPreferences = Array.from({ length: 11 }, (_, i) => [i / 10, 1 - i / 10]);

/** A session without anybody to tell. */
export const silent: SessionOptions = {
  env: Deno.env.get,
  signal: new AbortController().signal,
  onEvent: () => {},
};

interface RandomAdapter {
  /** Folder of tests/golden, `builtin`, or a path. */
  model: string;
  kind?: string;
  members?: number[][];
  changes?: Partial<AdapterConfig>;
  /** Which maps are adapted. */
  pattern?: string;
  seed?: number;
  /** Of σ and s. */
  size?: number;
}

/** Stores an adapter in a run folder; what it is, for decoders. */
export async function storeRandomAdapter(
  folder: string,
  { model, kind = "svd_lora", members, pattern = "layers.", seed = 1, size = 0.5, changes = {} }:
    RandomAdapter,
): Promise<AdapterSource> {
  const { config, fingerprint, text, close } = await openModel(modelPath(model));
  close();
  const hasTokenizer = text.kind === "gguf" || text.tokenizer !== null;
  const [rank, alpha] = [3, 5];
  const create = storedAdapters[kind];
  assert(create);
  const adapter = create({
    ...{ rank, alpha, objectives: dimensions.length, init: "orthonormal" },
    members: members ?? [],
  });
  const parameters = randomParameters(adapter, config, { seed, pattern, size });
  const maps = adaptedMaps(config, pattern);
  const stored: AdapterConfig = {
    format: "panacea-svd-lora",
    version: 1,
    base_model: modelPath(model),
    base_fingerprint: fingerprint,
    template_fingerprint: hasTokenizer ? createTokenizer(text, config).fingerprint : "t".repeat(64),
    dimensions,
    adapter: kind,
    ...members && { members },
    lora_r: rank,
    lora_alpha: alpha,
    target_modules: pattern,
    modules: maps.flatMap((names, layer) => names.map((map) => `model.layers.${layer}.${map}`)),
    steps: 7,
    objective: "dpo",
    aggregation: "ls",
    beta: 0.1,
    dataset_fingerprint: "d".repeat(64),
    ...changes,
  };
  await using run = await openRun(folder, { create: true });
  await run.saveAdapter({
    tensors: Object.fromEntries(
      [...parameters].map(([name, { shape, values }]) => [name, float32Tensor(shape, values)]),
    ),
    config: stored,
    card: "",
  });
  return { id: folder, adapter, objectives: dimensions.length, parameters };
}

/** Our logits after each of `ids` at every preference (N, T, V); `source` null: the base alone. */
export async function ownLogits(
  model: string,
  source: AdapterSource | null,
  { ids, preferences, format }: { ids: number[]; preferences: number[][]; format?: WeightFormat },
): Promise<Float32Array[][]> {
  const all: Float32Array[][] = [];
  await withDecoder(model, { format }, async (decoder) => {
    const adapter = source && decoder.loadAdapter(source);
    for (const preference of preferences) {
      const sequence = decoder.start({ adapter, preference: source ? preference : [] });
      const rows: Float32Array[] = [];
      for (const id of ids) rows.push((await decoder.prefill(sequence, [id])).slice());
      sequence.dispose();
      all.push(rows);
    }
  });
  return all;
}

/** Shows a measured number among the lines of the tests. */
export function tell(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`\n      ${line}\n`));
}
