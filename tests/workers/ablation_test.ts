// The switches of the paper's ablations (figures 5 and 7, appendix): each is one setting of a run,
// trains on the same batches as the others, changes what is learned, and is restored with the adapter.
import assert from "node:assert/strict";
import { join } from "node:path";
import { presets, RunConfig } from "../../core/config.ts";
import { loadMetrics, openAdapter } from "../../data/store/run_folder.ts";
import type { SessionOptions } from "../../workers/protocol.ts";
import { runFront, runTraining } from "../../workers/session.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";
import { whyMissing } from "../engines.ts";

const engine = whyMissing("tensorflow") === null ? "tensorflow" : "wasm";
const options: SessionOptions = {
  onEvent: () => {},
  signal: new AbortController().signal,
  env: (name) => Deno.env.get(name),
};

const variants: Record<string, Partial<RunConfig>> = {
  panacea: {},
  "fixed scaling 1": { lora_scaling_factor: 1 },
  "fixed scaling 1e-5": { lora_scaling_factor: 1e-5 },
  tche: { aggregation: "tche" },
  "one λ per batch": { preferences_per_step: 1 },
  "orthogonality on": { orthogonality: 0.1 },
  "one policy for one λ": { adapter: "plain_svd_lora", fixed_preference: "0.5,0.5" },
  "plain LoRA": { adapter: "lora", fixed_preference: "0.5,0.5" },
  "scalar labels of mixed labellers": { dataset: "builtin@0.7:1,0+0.3:0,1" },
};

Deno.test("every switch of the ablations decides what is learned, and is restored", async (t) => {
  await using folder = await temporaryFolder();
  const hashes = new Map<string, string>();
  const tokens = new Map<string, number>();
  for (const [name, changes] of Object.entries(variants)) {
    await t.step(name, async () => {
      const output_dir = join(folder.path, name.replaceAll(/\W/g, "_"));
      const config = RunConfig.parse({
        ...{ ...presets.builtin?.values, engine, output_dir, per_device_train_batch_size: 4 },
        ...{ max_steps: 3, grid: 2, bootstrap: 0, ...changes },
      });
      const { front } = await runTraining(config, options);
      const { parametersHash, config: stored } = await openAdapter(output_dir);
      const twin = [...hashes].find(([, hash]) => hash === parametersHash);
      assert.equal(twin, undefined, `${name} learns what ${twin?.[0]} does`);
      hashes.set(name, parametersHash);
      tokens.set(name, Number((await loadMetrics(output_dir)).at(-1)?.tokens));
      assert.deepEqual(stored.dimensions, ["helpful", "harmless"]);
      const { report } = await runFront({
        ...{ adapter: output_dir, grid: 2, bootstrap: 0, seed: 42, engine, threads: 0 },
        ...{ device: "auto", maxTokensPerPass: 4096 },
      }, options);
      assert.deepEqual(report.points, front?.points);
      assert.equal(report.metric, "expected_reward");
    });
  }
  // The settings of the adapter and of λ leave the batches alone.
  const { "scalar labels of mixed labellers": _, ...same } = Object.fromEntries(tokens);
  assert.equal(new Set(Object.values(same)).size, 1, JSON.stringify(same));
});
