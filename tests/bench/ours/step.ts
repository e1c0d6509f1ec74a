// What our step needs to be timed, without any file: a decoder of random weights, a fresh adapter,
// random pairs, and the trainer that users run. Shared by the scripts beside it.
import { svdLora } from "../../../core/adapters/svd_lora.ts";
import {
  adaptedMaps,
  disposeParameters,
  initParameters,
  loadParameters,
} from "../../../core/adapters/parameters.ts";
import { aggregations } from "../../../core/aggregation/mod.ts";
import { type BatchPass, batchPass } from "../../../core/batch_pass.ts";
import { RunConfig } from "../../../core/config.ts";
import { scoreSequences } from "../../../core/front/evaluate.ts";
import { holdDecoder } from "../../../core/models/held.ts";
import { createPolicy, type Policy } from "../../../core/policy.ts";
import { pairObjectives } from "../../../core/objectives/mod.ts";
import { Random } from "../../../core/random.ts";
import type { TokenizedPair } from "../../../core/text/example.ts";
import { train, type TrainParts } from "../../../core/train.ts";
import { startEngine } from "../../../workers/machine.ts";
import { standardError } from "../../../commands/output.ts";
import { adapterShape, batch, smollm2 } from "../shape.ts";
import { randomWeights } from "./random_weights.ts";

const DIMENSIONS = ["first", "second"];
const TOKENS_PER_PASS = batch.rows * batch.length;

/** A trainer's parts on random pairs, the reference pass that belongs to them, and how to end. */
export interface MeasuredStep {
  parts: TrainParts<TokenizedPair>;
  policy: Policy; // that the parts train
  /** Scores every sequence of the pairs with the reference policy, into parts.referenceLogProbs. */
  scoreReference(): Promise<void>;
  dispose(): void;
}

/** Opens the native engine with `pairs` random pairs of two sequences of `length` tokens. */
export async function openStep(
  { pairs: count, length }: { pairs: number; length: number },
): Promise<MeasuredStep> {
  const random = new Random(1);
  const config = stepConfig({ pairs: count, preferences: 0 });
  const engine = await startEngine(config, {
    env: Deno.env.get,
    signal: new AbortController().signal,
    onEvent: (event) => event.type === "notice" && standardError.write(`${event.message}\n`),
  });
  const decoder = await holdDecoder(engine, randomWeights(random.fork("weights")));
  const adapter = svdLora({ ...adapterShape, init: "gaussian" });
  const maps = adaptedMaps(smollm2, config.lora_target_modules);
  const stored = initParameters(adapter, maps, { config: smollm2, random: random.fork("adapter") });
  const parameters = loadParameters(adapter, maps, stored);
  const objective = pairObjectives.dpo(config, DIMENSIONS);
  const pairs = randomPairs(random.fork("pairs"), { count, length });
  const sequences = pairs.flatMap(objective.sequences);
  const reference = createPolicy(engine, decoder, null);
  const { objectives: M } = adapterShape;
  const policy = createPolicy(engine, decoder, { adapter, objectives: M, parameters });
  const parts: TrainParts<TokenizedPair> = {
    engine,
    pass: stepPass(policy),
    adapter,
    parameters,
    objective,
    aggregation: aggregations.ls(),
    dimensions: DIMENSIONS,
    examples: pairs,
    referenceLogProbs: new Float32Array(sequences.length),
  };
  return {
    parts,
    policy,
    async scoreReference() {
      const options = { rowLength: batch.length, maxTokens: TOKENS_PER_PASS };
      const [scores] = await scoreSequences(reference, sequences, [[]], options);
      if (scores !== undefined) parts.referenceLogProbs.set(scores);
    },
    dispose() {
      disposeParameters(parameters);
      decoder.dispose();
      engine.dispose();
    },
  };
}

/** A step's batch through `policy`, in one pack. */
export function stepPass(policy: Policy): BatchPass {
  return batchPass(policy, { rowLength: batch.length, maxTokens: TOKENS_PER_PASS });
}

/** Settings of a run whose every step is alike; `preferences` per step, 0 for one for every pair. */
export function stepConfig(
  { pairs, preferences }: { pairs: number; preferences: number },
): RunConfig {
  return RunConfig.parse({
    engine: "tensorflow",
    per_device_train_batch_size: pairs,
    preferences_per_step: preferences,
    max_tokens_per_pass: TOKENS_PER_PASS,
    learning_rate: 1e-4,
    lr_scheduler_type: "constant",
    warmup_ratio: 0,
    max_steps: 2 ** 20, // never reached: whoever measures stops asking for steps
    save_steps: 2 ** 20,
  });
}

/** Optimiser steps of the trainer, one per call; `end` must be called once. */
export function startSteps(config: RunConfig, parts: TrainParts<TokenizedPair>) {
  const events = train(config, parts, new AbortController().signal);
  return {
    async step(): Promise<void> {
      const { value } = await events.next();
      if (value?.type !== "step") {
        throw new Error(`Cannot measure a step: expected one, got ${value?.type ?? "the end"}`);
      }
    },
    async end(): Promise<void> {
      await events.return(undefined);
    },
  };
}

/** Pairs with a prompt of one token, so that every later token is scored; labels disagree. */
function randomPairs(
  random: Random,
  { count, length }: { count: number; length: number },
): TokenizedPair[] {
  const tokens = (n: number) =>
    Int32Array.from({ length: n }, () => random.integer(smollm2.vocabSize));
  return Array.from({ length: count }, () => ({
    prompt: tokens(1),
    responses: [tokens(length - 1), tokens(length - 1)],
    better: [0, 1],
  }));
}
