// An iteration of PPO of ours by phases, one JSON line of seconds per iteration: the work of
// ../peers/ppo.py, of the same names, through the algorithm that users run; every answer under its
// own λ, rewards of a reward model with two heads on the same frozen base. A process of its own; the
// first iteration compiles and is for the reader to leave out.
import { parseArgs } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { svdLora } from "../../../core/adapters/svd_lora.ts";
import {
  adaptedMaps,
  disposeParameters,
  initParameters,
  loadParameters,
} from "../../../core/adapters/parameters.ts";
import { aggregations } from "../../../core/aggregation/mod.ts";
import { RunConfig } from "../../../core/config.ts";
import { createCritic, initCritic, loadCritic } from "../../../core/critic.ts";
import type { Engine } from "../../../core/engine/mod.ts";
import { holdDecoder } from "../../../core/models/held.ts";
import { createScalarHead, SCORE_WEIGHT } from "../../../core/models/scalar_head.ts";
import { createPolicy, policyOn } from "../../../core/policy.ts";
import { Random } from "../../../core/random.ts";
import { rememberedTrunk } from "../../../core/remembered_trunk.ts";
import { type RewardParts, scoreResponses } from "../../../core/reward_pass.ts";
import { rlhf, type RlhfParts } from "../../../core/rlhf/rlhf.ts";
import { policyTokens, type TokenPass, tokenPass } from "../../../core/token_pass.ts";
import { createTrunk } from "../../../core/trunk.ts";
import { printResult, standardError } from "../../../commands/output.ts";
import { graphCache, loadDecoder } from "../../../workers/decoders.ts";
import { startEngine } from "../../../workers/machine.ts";
import { adapterShape, smollm2 } from "../shape.ts";
import { formatOf } from "./decoding.ts";
import { randomWeights } from "./random_weights.ts";

const DIMENSIONS = ["first", "second"];

const { values: flags } = parseArgs({
  options: {
    format: { type: "string" }, // of the weights that answers are drawn with
    batch: { type: "string" },
    prompt: { type: "string" },
    tokens: { type: "string" },
    iterations: { type: "string" },
    threads: { type: "string" },
  },
});
const [batch, prompt, tokens] = [flags.batch, flags.prompt, flags.tokens].map(Number) as [
  number,
  number,
  number,
];
const length = prompt + tokens;
const sizes = { rowLength: length, maxTokens: batch * length };
const random = new Random(1);
const config = RunConfig.parse({
  objective: "ppo",
  engine: "tensorflow",
  rollout_batch_size: batch,
  per_device_train_batch_size: batch,
  max_new_tokens: tokens,
  max_tokens_per_pass: sizes.maxTokens,
  rollout_format: flags.format,
  threads: Number(flags.threads),
  learning_rate: 1e-4,
  critic_learning_rate: 1e-4,
  lr_scheduler_type: "constant",
  warmup_ratio: 0,
  max_steps: 2 ** 20, // never reached: nobody asks for so many
  save_steps: 2 ** 20,
});

/** When the phases of the running iteration ended. */
const ends = { rollout: 0, scoring: 0 };

const engine = await startEngine(config, {
  env: Deno.env.get,
  signal: new AbortController().signal,
  onEvent: (event) => event.type === "notice" && standardError.write(`${event.message}\n`),
});
const weights = randomWeights(random.fork("weights"));
const decoder = await holdDecoder(engine, weights);
const answering = await loadDecoder({
  name: "random",
  config: smollm2,
  weights,
  fingerprint: "random",
}, {
  format: formatOf(flags.format),
  threads: config.threads,
  cacheFolder: graphCache(Deno.env.get),
});
const { objectives } = adapterShape;
const adapter = svdLora({ ...adapterShape, init: "gaussian" });
const maps = adaptedMaps(smollm2, config.lora_target_modules);
const shape = { adapter, maps, objectives, config: smollm2 };
const stored = initParameters(adapter, maps, { config: smollm2, random: random.fork("policy") });
const parameters = loadParameters(adapter, maps, stored);
const critic = loadCritic(shape, initCritic(shape, random.fork("critic")));
const policy = createPolicy(engine, decoder, { adapter, objectives, parameters });
const value = createCritic(engine, decoder, { adapter, objectives, parameters: critic });
const trunk = rememberedTrunk(createTrunk(engine, decoder, null)); // of reference and reward model
const reward = rewardModel(engine);

const parts: RlhfParts = {
  engine,
  policy: { adapter, parameters, pass: withClock(tokenPass(policyTokens(policy), sizes)) },
  critic: { parameters: critic, pass: tokenPass(value, sizes) },
  reference: tokenPass(policyTokens(policyOn(engine, decoder, trunk)), sizes),
  decoder: answering,
  tokenizer: {
    decode: (ids) => Array.from(ids).join(" "), // random weights write no text
    specialTokenIds: new Set(),
    endTokenIds: new Set(), // every answer has its full length, as the peer's
  },
  rewards: {
    async score(responses) {
      ends.rollout = performance.now();
      const sequences = responses.map(({ sequence }) => sequence);
      const scores = await scoreResponses(engine, reward, { sequences, ...sizes });
      return sequences.map((_, s) => [...scores.subarray(s * objectives, (s + 1) * objectives)]);
    },
  },
  aggregation: aggregations.ls(),
  dimensions: DIMENSIONS,
  prompts: Array.from({ length: batch }, () => ({
    messages: [],
    ids: Int32Array.from({ length: prompt }, () => random.integer(smollm2.vocabSize)),
    limit: tokens,
    better: [0],
  })),
  ptx: [],
};
const events = rlhf(config, parts, new AbortController().signal);
for (let i = 0; i < Number(flags.iterations); i++) {
  const start = performance.now();
  const { value: event } = await events.next();
  const end = performance.now();
  if (event?.type !== "step" || event.figures.tokens !== sizes.maxTokens) {
    throw new Error(`Cannot measure an iteration: expected ${sizes.maxTokens} tokens in a step`);
  }
  const milliseconds = {
    total: end - start,
    rollout: ends.rollout - start,
    scoring: ends.scoring - ends.rollout,
    update: end - ends.scoring,
  };
  const seconds = Object.entries(milliseconds).map(([name, ms]) => [name, ms / 1000]);
  printResult({ ...Object.fromEntries(seconds), tokens: batch * tokens });
}
await events.return(undefined);
[parameters, critic, [reward.score]].forEach(disposeParameters);
await answering.dispose();
decoder.dispose();
engine.dispose();

/** Random heads, one a dimension, on the frozen base. */
function rewardModel(engine: Engine): RewardParts {
  const stream = random.fork("reward");
  const weight = Float32Array.from({ length: objectives * smollm2.width }, () => stream.normal());
  const tensors = [tf.tensor2d(weight, [objectives, smollm2.width])];
  return {
    trunk,
    head: createScalarHead(engine, decoder),
    score: { maps: [], names: [SCORE_WEIGHT], tensors },
  };
}

/**
 * The policy's pass, which tells where the update begins: where it is taken back, as the forward pass
 * of the only update is that of the estimates.
 */
function withClock(pass: TokenPass): TokenPass {
  return {
    ...pass,
    async forward(sequences, preferences) {
      const batch = await pass.forward(sequences, preferences);
      return {
        ...batch,
        backward(slopes) {
          ends.scoring = performance.now();
          return batch.backward(slopes);
        },
      };
    },
  };
}
