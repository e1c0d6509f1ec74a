// Measures what DPO steps of a given shape take, for the formulas of core/footprint to be held
// against: a process of its own, one JSON line.
//   deno run -A tests/core/footprint/measure_step.ts '{"width":576,…}' ROWS LENGTH [DTYPE] [STEPS]
import { adapterOptions, adapters } from "../../../core/adapters/mod.ts";
import { adaptedMaps, initParameters, loadParameters } from "../../../core/adapters/parameters.ts";
import { aggregations } from "../../../core/aggregation/mod.ts";
import { batchPass } from "../../../core/batch_pass.ts";
import { RunConfig } from "../../../core/config.ts";
import type { DecoderConfig } from "../../../core/models/config.ts";
import { familyOf } from "../../../core/models/families.ts";
import { holdDecoder } from "../../../core/models/held.ts";
import { pairObjectives } from "../../../core/objectives/mod.ts";
import { createPolicy } from "../../../core/policy.ts";
import { Random } from "../../../core/random.ts";
import { train } from "../../../core/train.ts";
import { startEngine } from "../../../workers/machine.ts";
import { printResult } from "../../../commands/output.ts";
import { shapes } from "./shapes.ts";

const [name = "smollm2_135m", rowsText = "8", lengthText = "256", dtype = "bfloat16", many = "2"] =
  Deno.args;
const [rows, length] = [Number(rowsText), Number(lengthText)];
const shape = shapes[name] as DecoderConfig;
const run = RunConfig.parse({
  engine: "tensorflow",
  dtype,
  per_device_train_batch_size: rows / 2,
  max_tokens_per_pass: rows * length,
  max_steps: 1000,
  save_steps: 1000,
});
const status = () => {
  const text = Deno.readTextFileSync("/proc/self/status");
  const [, peak] = /^VmHWM:\s+(\d+) kB$/m.exec(text) ?? [];
  const [, now] = /^VmRSS:\s+(\d+) kB$/m.exec(text) ?? [];
  return { peak: Number(peak) * 1024, now: Number(now) * 1024 };
};
const engine = await startEngine(run, {
  env: Deno.env.get,
  signal: new AbortController().signal,
  onEvent: () => {},
});
const started = status();
const sizes = familyOf(shape).weightShapes(shape);
const decoder = await holdDecoder(engine, {
  config: shape,
  names: [...sizes.keys()],
  shape: (weight) => sizes.get(weight) ?? [],
  read(weight) {
    const count = (sizes.get(weight) ?? []).reduce((product, size) => product * size, 1);
    // A cheap pattern of the right size: what it computes does not matter here.
    const values = new Float32Array(count);
    for (let i = 0; i < count; i++) values[i] = 0.02 * (((i * 7919) % 101) / 50 - 1);
    return Promise.resolve(values);
  },
});
const held = status();
const adapter = adapters.svd_lora(adapterOptions(run, 2));
const maps = adaptedMaps(shape, run.lora_target_modules);
const random = new Random(1);
const stored = initParameters(adapter, maps, { config: shape, random });
const parameters = loadParameters(adapter, maps, stored);
const policy = createPolicy(engine, decoder, { adapter, objectives: 2, parameters });
const tokens = (n: number) => Int32Array.from({ length: n }, () => random.integer(shape.vocabSize));
const examples = Array.from({ length: rows / 2 }, () => ({
  prompt: tokens(1),
  responses: [tokens(length - 1), tokens(length - 1)] as [Int32Array, Int32Array],
  better: [0, 1],
}));
const events = train(run, {
  engine,
  pass: batchPass(policy, { rowLength: length, maxTokens: rows * length }),
  adapter,
  parameters,
  objective: pairObjectives.dpo(run, ["a", "b"]),
  aggregation: aggregations.ls(),
  dimensions: ["a", "b"],
  examples,
  referenceLogProbs: new Float32Array(rows),
}, new AbortController().signal);
const seconds: number[] = [];
for (let i = 0; i < Number(many); i++) {
  const start = performance.now();
  await events.next();
  seconds.push((performance.now() - start) / 1000);
}
printResult({
  ...{ shape: name, rows, length, dtype, seconds },
  bytes: { started: started.peak, held: held.now, peak: status().peak },
});
Deno.exit(0);
