// The formulas beside numbers that were measured (measured.json, and the reports of real runs), and
// beside the benchmark's own count of operations.
import assert from "node:assert/strict";
import { presets, RunConfig } from "../../../core/config.ts";
import { families, familyOf } from "../../../core/models/families.ts";
import { adaptedMaps, initParameters } from "../../../core/adapters/parameters.ts";
import { adapterOptions, adapters } from "../../../core/adapters/mod.ts";
import {
  adapterParameters,
  cacheBytesPerToken,
  countParameters,
  decoderSize,
} from "../../../core/footprint/model.ts";
import { devices, fitOn, SHARE_OF_PRODUCT } from "../../../core/footprint/devices.ts";
import {
  forwardOperations,
  generationOperations,
  trainingOperations,
} from "../../../core/footprint/operations.ts";
import {
  runFootprint,
  type RunShape,
  stepsOf,
  totalBytes,
  type Volume,
} from "../../../core/footprint/run.ts";
import { Random } from "../../../core/random.ts";
import { adapterShape, batch, smollm2, stepOperations } from "../../bench/shape.ts";
import bench from "../../reports/bench.json" with { type: "json" };
import hh from "../../reports/hh/report.json" with { type: "json" };
import measured from "./measured.json" with { type: "json" };
import { shapes } from "./shapes.ts";

const volume: Volume = {
  ...{ pairs: 1000, pairedLabels: true, prompts: 1000, testPairs: 0, testPrompts: 0 },
  ...{ promptTokens: 1, responseTokens: 255 },
};

/** A run on SmolLM2's shape, or another. */
function shapeOf(
  settings: Partial<RunConfig>,
  { decoder = smollm2, ...changes }: Partial<Volume> & { decoder?: RunShape["decoder"] } = {},
): RunShape {
  return {
    config: RunConfig.parse(settings),
    decoder,
    volume: { ...volume, ...changes },
    ...{ objectives: 2, members: 1, rewardModels: 0 },
  };
}

function assertWithin(
  found: number,
  wanted: number,
  { share, what }: { share: number; what: string },
) {
  const off = Math.abs(found / wanted - 1);
  assert.ok(off <= share, `${what}: ${found} is ${(100 * off).toFixed(1)} % off ${wanted}`);
}

Deno.test("parameters are counted as the tensors of every family have them", () => {
  for (const family of families) {
    const sizes = { vocab_size: 64, hidden_size: 16, intermediate_size: 24, head_dim: 8 };
    const counts = { num_hidden_layers: 3, num_attention_heads: 4, num_key_value_heads: 2 };
    const config = family.fromConfigJson({ ...sizes, ...counts }, "config.json");
    const shapes = [...family.weightShapes(config).values()];
    const all = shapes.map((shape) => shape.reduce((product, size) => product * size, 1));
    assert.equal(countParameters(config), all.reduce((sum, size) => sum + size, 0), family.name);
  }
});

Deno.test("parameters are counted as the model's and the adapter's tensors have them", () => {
  for (const [name, config] of Object.entries(shapes)) {
    const sizes = [...familyOf(config).weightShapes(config).values()];
    const all = sizes.map((shape) => shape.reduce((product, size) => product * size, 1));
    assert.equal(countParameters(config), all.reduce((sum, size) => sum + size, 0), name);
  }
  assert.equal(countParameters(smollm2), 134_515_008); // as the model's card says: 135M
  const run = RunConfig.parse({});
  const stored = initParameters(
    adapters.svd_lora(adapterOptions(run, 2)),
    adaptedMaps(smollm2, run.lora_target_modules),
    { config: smollm2, random: new Random(1) },
  );
  const held = [...stored.values()].reduce((sum, { values }) => sum + values.length, 0);
  assert.equal(adapterParameters(smollm2, { rank: run.lora_r, objectives: 2 }), held);
  // 2 (keys and values) · 4 bytes · 30 layers · 3 heads · 64
  assert.equal(cacheBytesPerToken(smollm2), 46_080);
});

Deno.test("operations of a step are the benchmark's, counted there in another way", () => {
  const { rows, length } = batch;
  const rank = adapterShape.rank + adapterShape.objectives;
  const pass = {
    tokens: rows * length,
    scores: rows * 5 / 8 * length ** 2, // four chunks
    scored: rows * (length - 1),
    rank,
  };
  const ours = trainingOperations(smollm2, pass, 1);
  const theirs = stepOperations(smollm2, {
    ...{ rows, length, rank, reference: false, recomputed: 0 },
  });
  assert.deepEqual(ours, theirs);
  const reference = forwardOperations(smollm2, { ...pass, rank: 0 });
  const both = stepOperations(smollm2, {
    ...{ rows, length, rank, reference: true, recomputed: 0 },
  });
  assert.equal(ours.held + reference.held, both.held);
  assert.equal(ours.float32 + reference.float32, both.float32);
});

Deno.test("a token without cache or adapter takes two operations for every weight of maps and head", () => {
  const { maps, embedding } = decoderSize(smollm2);
  const { held, float32 } = generationOperations(smollm2, {
    rows: 3,
    steps: 5,
    length: 0,
    rank: 0,
  });
  assert.equal(held, 2 * 15 * (maps + embedding)); // the head is the embedding
  assert.equal(float32, 0);
});

Deno.test("memory of a DPO step is within 12 % of what processes were measured to hold", () => {
  for (const { shape, rows, length, dtype, peakBytes } of measured.steps) {
    const run = shapeOf({
      dtype: RunConfig.shape.dtype.parse(dtype),
      per_device_train_batch_size: rows / 2,
      max_length: length,
      max_tokens_per_pass: rows * length,
      max_steps: 1,
    }, { decoder: shapes[shape], promptTokens: 1, responseTokens: length - 1 });
    const { engineBytes, hostBytes } = runFootprint(run);
    assertWithin(totalBytes(engineBytes) + totalBytes(hostBytes), peakBytes, {
      share: 0.12,
      what: `${shape}, ${rows} × ${length}, ${dtype}`,
    });
  }
});

Deno.test("memory of a PPO iteration is within 15 % of what processes were measured to hold", () => {
  for (const { format, batch, prompt, tokens, peakBytes } of measured.ppo) {
    const { engineBytes, hostBytes } = runFootprint(shapeOf({
      objective: "ppo",
      rollout_format: RunConfig.shape.rollout_format.parse(format),
      rollout_batch_size: batch,
      per_device_train_batch_size: batch,
      max_new_tokens: tokens,
      max_steps: 1,
    }, { promptTokens: prompt, responseTokens: tokens }));
    assertWithin(totalBytes(engineBytes) + totalBytes(hostBytes), peakBytes, {
      share: 0.15,
      what: `${format}, ${batch} × (${prompt} + ${tokens})`,
    });
  }
});

Deno.test("time of the measured DPO step is within 15 % at its share of a plain product's speed", () => {
  const row = bench.rows.find(({ name }) => name === "dpo_step");
  const { gflops = NaN, gflopsFloat32 = NaN } = row?.limit ?? {};
  const run = shapeOf({
    per_device_train_batch_size: batch.pairs,
    max_steps: 1,
  }, { testPairs: 0, promptTokens: 1, responseTokens: batch.length - 1 });
  const here = deviceHere({ half: gflops * 1e9, single: gflopsFloat32 * 1e9 });
  const { seconds } = fitOn(runFootprint(run), here);
  assertWithin(seconds, row?.ours ?? NaN, { share: 0.15, what: "seconds" });
});

Deno.test("time of a whole run beside other work is within a factor of 2", () => {
  // HH, 500 steps: its report says how many tokens went through, and how long a step took.
  const { settings, training } = hh;
  const pairs = 2 * settings.per_device_train_batch_size; // two files, one dimension each
  const each = training.tokens / training.steps / (2 * pairs); // tokens of a sequence
  const run = shapeOf({
    per_device_train_batch_size: settings.per_device_train_batch_size,
    max_length: settings.max_length,
    max_steps: training.steps,
    grid: 2,
  }, {
    ...{ pairedLabels: false, pairs: 4000, testPairs: 0 },
    ...{ promptTokens: each / 2, responseTokens: each / 2 },
  });
  const row = bench.rows.find(({ name }) => name === "dpo_step");
  const { gflops = NaN, gflopsFloat32 = NaN } = row?.limit ?? {};
  const here = deviceHere({ half: gflops * 1e9, single: gflopsFloat32 * 1e9 });
  const { seconds } = fitOn(runFootprint(run), here);
  const ratio = seconds / (training.secondsPerStep * training.steps);
  assert.ok(ratio > 0.5 && ratio < 2, `${ratio} of the measured time`);
});

Deno.test("members multiply operations and leave memory alone; epochs follow from the data", () => {
  const one = shapeOf({ max_steps: 10 });
  const three = runFootprint({ ...one, members: 3 });
  const single = runFootprint(one);
  assert.equal(three.engine.held, 3 * single.engine.held);
  assert.deepEqual(three.engineBytes, single.engineBytes);
  const paper = { ...presets.paper?.values };
  // 1000 pairs with both labels, 16 a step; with one label each as many of both dimensions
  assert.equal(stepsOf(shapeOf(paper)), 63);
  assert.equal(stepsOf(shapeOf(paper, { pairedLabels: false })), 32);
  const rlhf = { ...presets.paper_rlhf?.values };
  assert.equal(stepsOf(shapeOf(rlhf)), Math.ceil(2 * 1000 / 32));
});

Deno.test("what does not fit is said not to fit", () => {
  const llama7b = {
    ...smollm2,
    ...{ vocabSize: 32001, width: 4096, layers: 32, heads: 32, kvHeads: 32, headDim: 128 },
    ...{ mlpWidth: 11008, tiedHead: false },
  };
  assert.equal(countParameters(llama7b), 6_738_423_808); // LLaMA-7B with one more token
  const footprint = runFootprint(shapeOf({ max_steps: 1, dtype: "float32" }, { decoder: llama7b }));
  const fits = Object.values(devices).map((device) => fitOn(footprint, device).fits);
  assert.deepEqual(fits, [true, true, false]);
  const small = runFootprint(shapeOf({ max_steps: 1 }, { decoder: llama7b }));
  assert.ok(totalBytes(small.engineBytes) < totalBytes(footprint.engineBytes));
});

function deviceHere({ half, single }: { half: number; single: number }) {
  return {
    ...{ name: "here", bytes: 0, half, single, share: SHARE_OF_PRODUCT, isHost: true },
    host: { bytes: 2 ** 40, single, bandwidth: 20e9 },
  };
}

Deno.test("a loss without reference saves the reference's passes and nothing else", () => {
  const of = (settings: Partial<RunConfig>) =>
    runFootprint(shapeOf({ max_steps: 5, ...settings }, { testPairs: 100 }));
  const [dpo, simpo] = [of({}), of({ loss_type: "simpo" })];
  assert.ok(simpo.engine.held < dpo.engine.held && simpo.engine.float32 < dpo.engine.float32);
  assert.deepEqual(of({ loss_type: "hinge" }), dpo);
  assert.deepEqual([simpo.engineBytes, simpo.hostBytes], [dpo.engineBytes, dpo.hostBytes]);
});
