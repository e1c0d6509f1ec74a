// Supervised training of all weights of a small decoder (core/full_policy.ts): how the base model
// of the built-in world comes to be, before any preference is learnt. One step: a batch that fills
// one pack, the SFT loss and its gradient, clipping, AdamW under a schedule.
// Never sees a disk; workers/builtin.ts drives it and writes the model.
import * as tf from "@tensorflow/tfjs-core";
import type { BlockParameters } from "./adapters/parameters.ts";
import type { Engine } from "./engine/engine.ts";
import { DivergedError } from "./errors.ts";
import { sft } from "./objectives/sft.ts";
import { adamW, globalNorm, learningRateAt, type Moments } from "./optim.ts";
import type { Policy } from "./policy.ts";
import { Random } from "./random.ts";
import { learnedTokens, type Pack, packSequences, type Sequence } from "./text/pack.ts";

/** What is trained, on what; made by the caller, who also disposes the parameters. */
export interface PretrainParts {
  engine: Engine;
  policy: Policy; // that `parameters` make
  parameters: BlockParameters[]; // updated in place
  sequences: Sequence[];
}

export interface PretrainOptions {
  seed: number;
  steps: number;
  learningRate: number; // peak; cosine after a linear warm-up
  warmupRatio: number;
  weightDecay: number;
  maxGradNorm: number;
  rowLength: number; // tokens of a packed row
  maxTokens: number; // of one step, padding included
}

export interface PretrainStep {
  step: number; // from 1
  steps: number;
  loss: number; // mean negative log-probability of the batch's response tokens
  learningRate: number;
  gradNorm: number;
  tokens: number; // of this step, prompts and responses, padding not counted
}

/**
 * Trains `parts.parameters` for `options.steps` steps, passing over the sequences in a new order each
 * time. Throws DivergedError before anything non-finite reaches the parameters, RangeError for no
 * sequences or one longer than a row.
 */
export async function* pretrain(
  parts: PretrainParts,
  options: PretrainOptions,
): AsyncGenerator<PretrainStep> {
  const { engine, policy, parameters } = parts;
  const { seed, steps, learningRate: peak, warmupRatio, weightDecay, maxGradNorm } = options;
  const batches = fillPacks(parts.sequences, { ...options, random: new Random(seed) });
  const optimiser = adamW(engine, { beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay });
  let moments = parameters.map(({ tensors }) => optimiser.init(tensors));
  try {
    for (let step = 1; step <= steps; step++) {
      const { pack, sequences } = batches.next().value;
      const slopes = lossSlopes(sequences);
      const weights = Float32Array.from(pack.owners, (s) => slopes[s] ?? 0);
      const trace = await policy.logProbsWithGradient(pack, []);
      const loss = trace.values.reduce((sum, value, n) => sum + value * (weights[n] ?? 0), 0);
      const gradients = trace.backward(weights);
      const gradNorm = await globalNorm(engine, gradients);
      if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) {
        disposeAll(gradients);
        throw new DivergedError(
          `Cannot go on training: expected a finite loss and gradient at step ${step}, ` +
            `got ${loss} and ${gradNorm}`,
        );
      }
      const learningRate = learningRateAt(step - 1, { steps, peak, warmupRatio, type: "cosine" });
      const scale = Math.min(1, maxGradNorm / gradNorm);
      moments = parameters.map((block, i) => {
        const state = { moments: moments[i] as Moments, step, learningRate, scale };
        const updated = optimiser.update(block.tensors, gradients[i] ?? [], state);
        block.tensors = updated.parameters;
        return updated.moments;
      });
      disposeAll(gradients);
      yield { step, steps, loss, learningRate, gradNorm, tokens: tokensIn(sequences) };
    }
  } finally {
    disposeAll(moments.flatMap(({ first, second }) => [first, second]));
  }
}

/** Mean negative log-probability of the learned tokens of `sequences`, from their summed ones. */
export function tokenLoss(sequences: Sequence[], logProbs: Float32Array): number {
  const tokens = sequences.reduce((sum, sequence) => sum + learnedTokens(sequence), 0);
  return -logProbs.reduce((sum, value) => sum + value, 0) / tokens;
}

/** d SFT loss / d log π of every sequence (S). The loss is linear, so one slope serves any value. */
function lossSlopes(sequences: Sequence[]): Float32Array {
  const groups = sequences.map(() => 0);
  const slopes = tf.tidy(() => {
    const zeros = tf.zeros<tf.Rank.R1>([sequences.length]);
    return tf.grad((logProbs) =>
      sft().losses(logProbs as tf.Tensor1D, zeros, {
        examples: sequences,
        groups,
        preferences: [[1]],
      })
    )(zeros);
  });
  const values = slopes.dataSync() as Float32Array;
  slopes.dispose();
  return values;
}

/** Share of a pack's tokens that is taken at once; the rest is found one sequence at a time. */
const FIRST_SHARE = 0.9;

/**
 * Batches without end: as many sequences of a shuffled pass as fit one pack. Packs filled to the
 * brim use all their rows, so that they have one shape and one graph serves every step.
 */
function* fillPacks(
  sequences: Sequence[],
  { random, rowLength, maxTokens }: { random: Random; rowLength: number; maxTokens: number },
): Generator<{ pack: Pack; sequences: Sequence[] }, never> {
  if (sequences.length === 0) {
    throw new RangeError("Cannot train: expected at least one sequence, got none");
  }
  const order: Sequence[] = []; // what the passes so far have left
  const packsOf = (count: number) => packSequences(order.slice(0, count), { rowLength, maxTokens });
  while (true) {
    while (tokensIn(order) <= maxTokens) {
      for (const index of random.shuffle(sequences.length)) {
        order.push(sequences[index] as Sequence);
      }
    }
    let count = 0;
    for (let tokens = 0; tokens < FIRST_SHARE * maxTokens; count++) {
      tokens += lengthOf(order[count]);
    }
    while (packsOf(count).length > 1) count--;
    while (packsOf(count + 1).length === 1) count++;
    yield { pack: packsOf(count)[0] as Pack, sequences: order.splice(0, count) };
  }
}

function tokensIn(sequences: Sequence[]): number {
  return sequences.reduce((sum, sequence) => sum + lengthOf(sequence), 0);
}

function lengthOf(sequence: Sequence | undefined): number {
  return (sequence?.prompt.length ?? 0) + (sequence?.response.length ?? 0);
}

function disposeAll(blocks: tf.Tensor[][]): void {
  blocks.flat().forEach((tensor) => tensor.dispose());
}
