// What our step needs to be timed: a decoder, a fresh adapter, pairs, and the trainer that users run.
// Weights and pairs are random where no file is asked for. Shared by the scripts beside it.
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
import type { WeightSource } from "../../../core/models/weights.ts";
import { createPolicy, type Policy } from "../../../core/policy.ts";
import { pairObjectives } from "../../../core/objectives/mod.ts";
import { Random } from "../../../core/random.ts";
import type { TokenizedPair } from "../../../core/text/example.ts";
import { train, type TrainParts } from "../../../core/train.ts";
import { startEngine } from "../../../workers/machine.ts";
import { standardError } from "../../../commands/output.ts";
import { adapterShape, batch, smollm2 } from "../shape.ts";
import { randomWeights } from "./random_weights.ts";

const TOKENS_PER_PASS = batch.rows * batch.length;

/** A trainer's parts on pairs, the reference pass that belongs to them, and how to end. */
export interface MeasuredStep {
  parts: TrainParts<TokenizedPair>;
  policy: Policy; // that the parts train
  /** Scores every sequence of the pairs with the reference policy, into parts.referenceLogProbs. */
  scoreReference(): Promise<void>;
  dispose(): void;
}

/**
 * Opens the native engine with random weights and `pairs` random pairs of two sequences of `length`
 * tokens, the labels of every other dimension the other way.
 */
export async function openRandomStep(
  { pairs: count, length, objectives = 2, layers = smollm2.layers }: {
    pairs: number;
    length: number;
    objectives?: number;
    layers?: number;
  },
): Promise<MeasuredStep> {
  const random = new Random(1);
  const dimensions = Array.from({ length: objectives }, (_, i) => `dimension ${i}`);
  return await openStep({
    weights: randomWeights(random.fork("weights"), { ...smollm2, layers }),
    pairs: randomPairs(random.fork("pairs"), { count, length, objectives }),
    dimensions,
    rowLength: Math.max(length, batch.length),
    config: stepConfig({ pairs: count, preferences: 0 }),
  });
}

/** Opens the native engine with a model and pairs, in rows of `rowLength`. */
export async function openStep({ weights, pairs, dimensions, config, rowLength = batch.length }: {
  weights: WeightSource;
  pairs: TokenizedPair[];
  dimensions: string[];
  config: RunConfig;
  rowLength?: number;
}): Promise<MeasuredStep> {
  const engine = await startEngine(config, {
    env: Deno.env.get,
    signal: new AbortController().signal,
    onEvent: (event) => event.type === "notice" && standardError.write(`${event.message}\n`),
  });
  const decoder = await holdDecoder(engine, weights);
  const objectives = dimensions.length; // M
  const adapter = svdLora({ ...adapterShape, objectives, init: "gaussian" });
  const maps = adaptedMaps(weights.config, config.lora_target_modules);
  const random = new Random(2);
  const stored = initParameters(adapter, maps, { config: weights.config, random });
  const parameters = loadParameters(adapter, maps, stored);
  const objective = pairObjectives.dpo(config, dimensions);
  const sequences = pairs.flatMap(objective.sequences);
  const reference = createPolicy(engine, decoder, null);
  const policy = createPolicy(engine, decoder, { adapter, objectives, parameters });
  const parts: TrainParts<TokenizedPair> = {
    ...{ engine, adapter, parameters, objective, dimensions },
    pass: stepPass(policy, rowLength),
    aggregation: aggregations.ls(),
    examples: pairs,
    referenceLogProbs: new Float32Array(sequences.length),
  };
  return {
    parts,
    policy,
    async scoreReference() {
      const options = { rowLength, maxTokens: TOKENS_PER_PASS };
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

/** A step's batch through `policy`, in packs of the measured batch's tokens. */
export function stepPass(policy: Policy, rowLength: number = batch.length): BatchPass {
  return batchPass(policy, { rowLength, maxTokens: TOKENS_PER_PASS });
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
export function randomPairs(
  random: Random,
  { count, length, objectives }: { count: number; length: number; objectives: number },
): TokenizedPair[] {
  const tokens = (n: number) =>
    Int32Array.from({ length: n }, () => random.integer(smollm2.vocabSize));
  return Array.from({ length: count }, () => ({
    prompt: tokens(1),
    responses: [tokens(length - 1), tokens(length - 1)],
    better: Array.from({ length: objectives }, (_, i) => i % 2),
  }));
}
