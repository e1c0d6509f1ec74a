// READ FIRST. Algorithm 1 of Panacea: sample preference vectors, take a batch, one loss per
// dimension, aggregate under λ, update the one adapter. Yields events and never sees a disk.
// Source: Zhong et al. 2024, Algorithm 1; eq. 5 (adapter), 14 and 16 (losses).
import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import type { Adapter } from "./adapters/adapter.ts";
import { orthogonalityGradients } from "./adapters/orthogonality.ts";
import type { BlockParameters, StoredParameters } from "./adapters/parameters.ts";
import type { Aggregation } from "./aggregation/aggregation.ts";
import type { BatchPass } from "./batch_pass.ts";
import type { RunConfig } from "./config.ts";
import type { Engine } from "./engine/engine.ts";
import { DivergedError } from "./errors.ts";
import { addGradients } from "./gradients.ts";
import { createLearner } from "./learner.ts";
import type { GroupedBatch, Objective } from "./objectives/objective.ts";
import { learningRateAt } from "./optim.ts";
import { type DrawPreferences, preferenceDraw } from "./preference.ts";
import { Random, RandomState } from "./random.ts";
import type { Labelled } from "./text/example.ts";
import { ExampleSampler, SamplerState } from "./text/sampler.ts";
import type { BlockGradients } from "./block_stack.ts";

/** Everything a step needs, made by the caller, who also disposes it. */
export interface TrainParts<Example extends Labelled> {
  engine: Engine;
  pass: BatchPass; // of the model that `parameters` make
  adapter: Adapter | null; // of the blocks of `parameters` that adapt maps; null: none does
  parameters: BlockParameters[]; // updated in place
  objective: Objective<Example>;
  aggregation: Aggregation;
  dimensions: string[]; // (M)
  examples: Example[];
  referenceLogProbs: Float32Array; // of the sequences of all examples, in order; 0 where not in use
  resume?: { state: TrainerState; moments: StoredParameters };
}

/** The state of this trainer. */
export const TrainerState = z.strictObject({
  step: z.number().int().nonnegative(), // optimiser steps done
  steps: z.number().int().positive(),
  preferences: RandomState,
  sampler: SamplerState,
  tokens: z.number().int().nonnegative(),
  seconds: z.number().nonnegative(),
});
export type TrainerState = z.infer<typeof TrainerState>;

export interface StepFigures {
  step: number; // from 1
  steps: number;
  loss: number;
  losses: number[]; // (M)
  accuracies: number[]; // (M), NaN where the step had no label
  learningRate: number;
  gradNorm: number;
  tokens: number; // of this step, prompts and responses, padding not counted
  seconds: number; // of this step
  /** What else the objective has to tell, under the names of the metric rows' columns. */
  metrics?: Record<string, number>;
}

/** What a checkpoint holds besides tensors, as JSON; what is in it is the trainer's own affair. */
export type StoredState = { step: number } & Record<string, unknown>;

export type TrainEvent =
  | { type: "step"; figures: StepFigures }
  | { type: "evaluate"; step: number }
  | { type: "checkpoint"; state: StoredState; moments(): Promise<StoredParameters> };

/**
 * Trains `parts.parameters` for the configured steps. A checkpoint event comes every save_steps,
 * after the last step, when `signal` aborts (the generator then ends), and with the last whole step
 * before the error of a pass that broke goes on. Throws DivergedError, naming step, dimension and λ:
 * no checkpoint holds a number that is not finite.
 */
export async function* train<Example extends Labelled>(
  config: RunConfig,
  parts: TrainParts<Example>,
  signal: AbortSignal,
): AsyncGenerator<TrainEvent> {
  const { engine, parameters, dimensions } = parts;
  const random = new Random(config.seed);
  const sampler = new ExampleSampler(parts.examples, dimensions.length, exampleStream(config));
  const draw = preferenceDraw(config, dimensions);
  const preferences = parts.resume === undefined
    ? random.fork("preferences")
    : new Random(parts.resume.state.preferences);
  if (parts.resume !== undefined) sampler.restore(parts.resume.state.sampler);
  const learner = createLearner(engine, parameters, {
    beta1: config.adam_beta1,
    beta2: config.adam_beta2,
    epsilon: config.adam_epsilon,
    weightDecay: config.weight_decay,
    maxGradNorm: config.max_grad_norm,
    resume: parts.resume && { updates: parts.resume.state.step, moments: parts.resume.moments },
  });
  const penalise = orthogonalityGradients(engine, parts.adapter, config.orthogonality);
  const steps = totalSteps(config, sampler);
  let { step, tokens, seconds } = parts.resume?.state ?? { step: 0, tokens: 0, seconds: 0 };
  let saved = step;

  /** The run as it stands after `state.step` steps. */
  async function checkpoint(state: TrainerState, shown?: number[][]): Promise<TrainEvent> {
    // An update can overflow where loss and gradient did not; the next loss would come too late.
    if (!await learner.isFinite()) {
      throw diverged("parameter after the update", { step: state.step, preferences: shown });
    }
    saved = state.step;
    return { type: "checkpoint", state, moments: learner.moments };
  }

  function stateNow(): TrainerState {
    const states = { preferences: preferences.state(), sampler: sampler.state() };
    return { step, steps, ...states, tokens, seconds };
  }

  try {
    while (step < steps && !signal.aborted) {
      const start = performance.now();
      const before = stateNow();

      // Lines 5 and 6: a batch, and preference vectors for its groups.
      const batches: GroupedBatch<Indexed<Example>>[] = [];
      for (let i = 0; i < config.gradient_accumulation_steps; i++) {
        batches.push(nextBatch(config, parts, { sampler, draw, random: preferences }));
      }

      // Line 7: the aggregated objective of π_{θ,λ} and its gradient.
      let gradients: BlockGradients[] | null = null;
      const results: BatchResult[] = [];
      try {
        for (const batch of batches) {
          const result = await aggregatedGradient(batch, { parts, step: step + 1 });
          gradients = addGradients(gradients, result.gradients);
          results.push(result);
        }
      } catch (error) {
        disposeAll(gradients ?? []);
        // What computes broke down: θ is still that of the last step, which must not be lost.
        if (!(error instanceof DivergedError) && step > saved) yield await checkpoint(before);
        throw error;
      }
      const share = 1 / batches.length;
      gradients = penalise(parameters, gradients ?? [], 1 / share);

      // Line 8: θ ← θ − step along the gradient.
      const learningRate = learningRateAt(step, {
        steps,
        peak: config.learning_rate,
        warmupRatio: config.warmup_ratio,
        type: config.lr_scheduler_type,
      });
      const gradNorm = await learner.update(gradients, { learningRate, share });
      if (!Number.isFinite(gradNorm)) {
        throw diverged("gradient", { step: step + 1, preferences: batches[0]?.preferences });
      }
      step++;

      const figures = summarize(results, { step, steps, learningRate, gradNorm, start });
      tokens += figures.tokens;
      seconds += figures.seconds;
      yield { type: "step", figures };

      const last = step === steps;
      if (!last && config.eval_steps > 0 && step % config.eval_steps === 0) {
        yield { type: "evaluate", step };
      }
      if (last || signal.aborted || step % config.save_steps === 0) {
        yield await checkpoint(stateNow(), batches[0]?.preferences);
      }
    }
  } finally {
    learner.dispose();
  }
}

/** Indices of the examples that a whole run sees: the only ones whose reference scores it needs. */
export function examplesInUse(
  config: RunConfig,
  examples: Labelled[],
  dimensions: number,
): number[] {
  const random = exampleStream(config);
  const steps = totalSteps(config, new ExampleSampler(examples, dimensions, random));
  return ExampleSampler.used(examples, {
    dimensions,
    random,
    draws: steps * config.gradient_accumulation_steps,
    perDimension: config.per_device_train_batch_size,
  });
}

function exampleStream(config: RunConfig): Random {
  return new Random(config.seed).fork("pairs");
}

/** Optimiser steps of a run: max_steps, or as many as its epochs take. */
export function totalSteps(config: RunConfig, sampler: ExampleSampler): number {
  if (config.max_steps > 0) return config.max_steps;
  const perStep = config.per_device_train_batch_size * config.gradient_accumulation_steps;
  return Math.max(1, Math.ceil(config.num_train_epochs * sampler.stepsPerEpoch(perStep)));
}

/** An example with its place in the data, so that its reference log-probs can be found. */
type Indexed<Example> = Example & { index: number };

interface BatchResult {
  gradients: BlockGradients[];
  loss: number;
  losses: number[];
  accuracies: number[];
  tokens: number;
}

function nextBatch<Example extends Labelled>(
  config: RunConfig,
  parts: TrainParts<Example>,
  { sampler, draw, random }: { sampler: ExampleSampler; draw: DrawPreferences; random: Random },
): GroupedBatch<Indexed<Example>> {
  const size = config.per_device_train_batch_size;
  const G = ExampleSampler.groupCount(size, config.preferences_per_step);
  const { indices, groups } = sampler.next(size, G);
  const examples = indices.map((index) => ({ ...parts.examples[index] as Example, index }));
  return { examples, groups, preferences: draw(random, G) };
}

/** Loss per dimension, aggregated under each group's λ, averaged over groups; with its gradient. */
async function aggregatedGradient<Example extends Labelled>(
  batch: GroupedBatch<Indexed<Example>>,
  { parts, step }: { parts: TrainParts<Example>; step: number },
): Promise<BatchResult> {
  const { pass, objective, dimensions } = parts;
  const sequences = batch.examples.flatMap(objective.sequences);
  const perExample = sequences.length / batch.examples.length;
  const owner = (s: number) => Math.floor(s / perExample);
  const sequencePreferences = sequences.map((_, s) =>
    batch.preferences[batch.groups[owner(s)] ?? 0] ?? []
  );
  const reference = Float32Array.from(
    sequences,
    (_, s) =>
      parts.referenceLogProbs[
        (batch.examples[owner(s)]?.index ?? 0) * perExample + s % perExample
      ] ?? 0,
  );

  const trace = await pass.forward(sequences, sequencePreferences);
  const { values } = trace;

  const { losses, total, slopes } = await lossAndSlopes(values, reference, { batch, parts });
  const mean = dimensions.map((_, i) => columnMean(losses, i, dimensions.length));
  const bad = mean.findIndex((loss) => !Number.isFinite(loss));
  if (bad >= 0 || !Number.isFinite(total)) {
    trace.dispose();
    throw diverged(`loss of dimension ${dimensions[bad] ?? dimensions[0]}`, {
      step,
      preferences: batch.preferences,
    });
  }

  return {
    gradients: await trace.backward(slopes),
    loss: total,
    losses: mean,
    accuracies: objective.accuracies(values, reference, batch),
    tokens: sequences.reduce((sum, s) => sum + s.prompt.length + s.response.length, 0),
  };
}

/** L (G, M), the mean of the aggregated losses, and its slope by every number of the pass (S·K). */
async function lossAndSlopes<Example extends Labelled>(
  values: Float32Array,
  reference: Float32Array,
  { batch, parts }: { batch: GroupedBatch<Indexed<Example>>; parts: TrainParts<Example> },
) {
  const { objective, aggregation } = parts;
  let losses: tf.Tensor2D | undefined;
  const { value, grad } = tf.tidy(() => {
    const referenceTensor = tf.tensor1d(reference);
    const preferences = tf.tensor2d(batch.preferences);
    const { value, grad } = tf.valueAndGrad((x) => {
      const perDimension = objective.losses(x as tf.Tensor1D, referenceTensor, batch); // (G, M)
      losses = tf.keep(tf.clone(perDimension));
      return tf.mean(aggregation.loss(perDimension, preferences));
    })(tf.tensor1d(values));
    return { value, grad };
  });
  const total = (await value.data())[0] ?? NaN;
  const slopes = await grad.data() as Float32Array;
  const table = await losses?.data() as Float32Array;
  [value, grad, losses].forEach((tensor) => tensor?.dispose());
  return { losses: table, total, slopes };
}

function summarize(
  results: BatchResult[],
  { step, steps, learningRate, gradNorm, start }: {
    step: number;
    steps: number;
    learningRate: number;
    gradNorm: number;
    start: number;
  },
): StepFigures {
  const mean = (pick: (result: BatchResult) => number) => {
    const values = results.map(pick).filter((value) => !Number.isNaN(value));
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  const dimensions = results[0]?.losses.map((_, i) => i) ?? [];
  return {
    step,
    steps,
    loss: mean(({ loss }) => loss),
    losses: dimensions.map((i) => mean(({ losses }) => losses[i] ?? NaN)),
    accuracies: dimensions.map((i) => mean(({ accuracies }) => accuracies[i] ?? NaN)),
    learningRate,
    gradNorm,
    tokens: results.reduce((sum, { tokens }) => sum + tokens, 0),
    seconds: (performance.now() - start) / 1000,
  };
}

function columnMean(table: Float32Array, column: number, columns: number): number {
  let sum = 0;
  for (let i = column; i < table.length; i += columns) sum += table[i] ?? NaN;
  return sum * columns / table.length;
}

/** The error of a run whose `what` is not finite at a step, naming the first preferences. */
export function diverged(
  what: string,
  { step, preferences }: { step: number; preferences: number[][] | undefined },
): DivergedError {
  const shown = preferences?.slice(0, 3).map((p) => `[${p.map((w) => w.toFixed(3))}]`);
  return new DivergedError(
    `Cannot go on training: expected a finite ${what} at step ${step}` +
      `${
        shown ? ` with λ ${shown.join(", ")}` : ""
      }, got one that is not; a lower learning_rate is the usual remedy`,
  );
}

function disposeAll(blocks: tf.Tensor[][]): void {
  blocks.flat().forEach((tensor) => tensor.dispose());
}
