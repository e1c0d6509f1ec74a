// The bar of every objective: 20 steps, a kill and 20 more are 40 steps, bit for bit.
import assert from "node:assert/strict";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { builtinPresets, presets, RunConfig } from "../../../core/config.ts";
import { latestCheckpoint } from "../../../data/store/checkpoints.ts";
import type { SessionOptions } from "../../../workers/protocol.ts";
import { recipes } from "../../../workers/recipes/mod.ts";
import { runTraining } from "../../../workers/training.ts";
import { whyMissing } from "../../engines.ts";

type Objective = RunConfig["objective"];

const small: Partial<RunConfig> = {
  engine: whyMissing("tensorflow") === null ? "tensorflow" : "wasm",
  threads: 1,
  max_steps: 40,
  save_steps: 20,
  per_device_train_batch_size: 4,
  grid: 2,
  bootstrap: 0,
};

/** Runs of each objective; what they change of its preset for the built-in world. */
const cases: Record<Objective, Record<string, Partial<RunConfig>>> = {
  dpo: {
    "linear scalarisation": {},
    "Tchebycheff, accumulation, fixed λ, plain adapter": {
      aggregation: "tche",
      gradient_accumulation_steps: 2,
      fixed_preference: "0.3,0.7",
      adapter: "plain_svd_lora",
      orthogonality: 0.01,
    },
    "SimPO, smooth Tchebycheff, LoRA": {
      loss_type: "simpo",
      beta: 2,
      aggregation: "smooth_tche",
      adapter: "lora",
    },
  },
  sft: {
    adapter: { tuning: "adapter", eval_limit: 24 },
    "all weights": { tuning: "full", eval_steps: 15, eval_limit: 24 },
  },
  reward: {
    adapter: {},
    "head alone": { tuning: "head" },
  },
  ppo: {
    "linear scalarisation": { rollout_batch_size: 8, learning_rate: 5e-4 },
    "Tchebycheff, two epochs, PTX": {
      aggregation: "tche",
      num_ppo_epochs: 2,
      rollout_batch_size: 8,
      learning_rate: 5e-4,
      ptx_coef: 0.1,
      ptx_dataset: "builtin",
    },
  },
};

function configOf(objective: Objective, changes: Partial<RunConfig>): RunConfig {
  const preset = presets[builtinPresets[objective]]?.values;
  return RunConfig.parse({ ...preset, ...small, ...changes });
}

/** Trains in this process to the end. */
async function trainHere(config: RunConfig): Promise<number[]> {
  const steps: number[] = [];
  const options: SessionOptions = {
    env: Deno.env.get,
    signal: new AbortController().signal,
    onEvent: (event) => event.type === "step" && steps.push(event.step),
  };
  const report = await runTraining(config, options);
  assert.deepEqual([report.stopped, report.steps], [false, config.max_steps]);
  return steps;
}

/** Trains in a process of its own that is killed when it has told of step `last`. */
async function trainAndKill(config: RunConfig, last: number): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "-A",
      new URL("./train_child.ts", import.meta.url).href,
      JSON.stringify(config),
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const errors = new Response(child.stderr).text();
  let told = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    told += text;
    if (told.split("\n").includes(`${last}`)) {
      child.kill("SIGKILL");
      break;
    }
  }
  const { signal } = await child.status;
  assert.equal(signal, "SIGKILL", `it ended by itself after ${told}\n${await errors}`);
  await errors;
}

/** What a run has come to: everything that must not depend on how often it was started. */
async function resultOf(folder: string) {
  const checkpoint = await latestCheckpoint(folder);
  assert(checkpoint);
  const rows = (await Deno.readTextFile(join(folder, "metrics.jsonl"))).trim().split("\n");
  return {
    ...checkpoint,
    state: { ...checkpoint.state, seconds: null },
    metrics: rows.map((row) => ({ ...JSON.parse(row), seconds: null })),
  };
}

for (const [objective, variants] of Object.entries(cases) as [Objective, typeof cases.dpo][]) {
  for (const [variant, changes] of Object.entries(variants)) {
    Deno.test({
      name: `${objective} (${variant}): 20 steps, a kill and 20 more are 40 steps, bit for bit`,
      sanitizeResources: false, // an open library stays with its process
      async fn() {
        const parent = await Deno.makeTempDir();
        try {
          const [whole, killed] = ["whole", "killed"].map((name) => join(parent, name));
          const config = configOf(objective, changes);
          assert(whole && killed);
          assert.equal((await trainHere({ ...config, output_dir: whole })).length, 40);
          const live = tf.engine().state.numTensors;
          await trainAndKill({ ...config, output_dir: killed }, 23);
          assert.equal((await latestCheckpoint(killed))?.step, 20);
          const steps = await trainHere({ ...config, output_dir: killed });
          assert.deepEqual([steps[0], steps.at(-1)], [21, 40]);
          assert.deepEqual(await resultOf(killed), await resultOf(whole));
          assert.equal(tf.engine().state.numTensors, live, "tensors are left");
          assert.deepEqual(await trainHere({ ...config, output_dir: killed }), [], "nothing to do");
        } finally {
          await Deno.remove(parent, { recursive: true });
        }
      },
    });
  }
}

Deno.test("every recipe of the table has a run here", () => {
  assert.deepEqual(Object.keys(cases).sort(), Object.keys(recipes).sort());
});
