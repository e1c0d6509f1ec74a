// What a whole run takes: memory by what holds it, and operations by where they are computed. Made of
// the formulas of model.ts and operations.ts, and of the constants below, which were fitted to measured
// runs (tests/core/footprint); devices.ts turns operations into time. Used by `deno task reproduce` to
// say beforehand what a plan needs.
import type { RunConfig } from "../config.ts";
import { RESIDUAL_BYTES } from "../engine/byte_budget.ts";
import { weightFile } from "../generate/weight_file.ts";
import type { DecoderConfig } from "../models/config.ts";
import { blockMaps, mapShape, mapsReadAgain } from "../models/linear_maps.ts";
import { keepsWeights, scoresComputed } from "../text/query_chunks.ts";
import { pairwiseLosses } from "../objectives/pairwise_losses.ts";
import { adapterParameters, cacheBytesPerToken, heldBytes } from "./model.ts";
import {
  addOperations,
  forwardOperations,
  generationOperations,
  type Operations,
  type PassShape,
  trainingOperations,
} from "./operations.ts";

/** The data of a run, in means. */
export interface Volume {
  pairs: number; // of training
  pairedLabels: boolean; // whether a pair has a label in every dimension
  prompts: number; // of training, each once
  testPairs: number;
  testPrompts: number;
  promptTokens: number;
  responseTokens: number;
}

/** What a run is, beside its settings. */
export interface RunShape {
  config: RunConfig;
  decoder: DecoderConfig;
  volume: Volume;
  objectives: number; // M
  /** Runs with these settings: members of a baseline. */
  members: number;
  /** Further models of the same size that score answers, each with weights of its own. */
  rewardModels: number;
}

/** What a run takes. Bytes by what holds them. */
export interface Footprint {
  /** Where the engine computes: a GPU's memory, or this machine's. */
  engineBytes: { weights: number; adapters: number; activations: number; work: number };
  /** In this machine's memory wherever the engine computes. */
  hostBytes: { runtime: number; generation: number; cache: number };
  /** Operations of the engine, over the whole run. */
  engine: Operations;
  /** Of the decoder that generates, on this machine's processor: operations and bytes read. */
  generation: Operations & { bytesRead: number };
}

/** Deno, the native library and what lies around in them. */
const RUNTIME_BYTES = 515e6;
/** ONNX Runtime beside its weights. */
const GENERATION_BYTES = 300e6;
/** Parameters of an adapter are held four times: they, two moments, a gradient. */
const COPIES = 4;
/** PPO remembers parameters and moments of its last healthy step. */
const REMEMBERED = 3;
/** Numbers per token that a block's backward pass keeps, by size: fitted to what was measured. */
const BLOCK_NUMBERS = { width: 13, mlp: 8, scores: 3 };
/** Copies of a chunk of logits: they, their exponentials, what the product of both reads. */
const LOGIT_COPIES = 3;
const CHUNK_LOGITS = 2 ** 24; // core/models/head.ts

/** Memory and operations of a run with all its members, one after another. */
export function runFootprint(shape: RunShape): Footprint {
  const { config, members } = shape;
  const { engine, generation } = operationsOf[config.objective](shape);
  return {
    engineBytes: engineBytesOf(shape),
    hostBytes: hostBytesOf(shape),
    engine: addOperations([[members, engine]]),
    generation: {
      ...addOperations([[members, generation]]),
      bytesRead: members * generation.bytesRead,
    },
  };
}

/** The sum of what holds memory. */
export function totalBytes(bytes: Record<string, number>): number {
  return Object.values(bytes).reduce((sum, value) => sum + value, 0);
}

/** Optimiser steps of a run, or iterations of PPO. */
export function stepsOf({ config, volume, objectives }: RunShape): number {
  const { max_steps, num_train_epochs, objective } = config;
  if (max_steps > 0) return max_steps;
  const each = objective === "ppo"
    ? volume.prompts / config.rollout_batch_size
    : volume.pairs / pairsPerStep({ config, volume, objectives });
  return Math.max(1, Math.ceil(num_train_epochs * each));
}

function engineBytesOf(shape: RunShape): Footprint["engineBytes"] {
  const { config, decoder, rewardModels, objectives } = shape;
  const frozen = heldBytes(decoder, config.dtype === "bfloat16" ? 2 : 4);
  const adapter = adapterParameters(decoder, { rank: config.lora_r, objectives });
  const isPpo = config.objective === "ppo"; // with a critic beside the policy
  const length = rowLength(shape);
  const tokens = Math.min(config.max_tokens_per_pass, tokensPerMicroStep(shape));
  const rows = Math.max(1, Math.ceil(tokens / length));
  const traces = tracesOf(config);
  const { width, mlpWidth, heads, layers, vocabSize } = decoder;
  const numbers = BLOCK_NUMBERS.width * width + BLOCK_NUMBERS.mlp * mlpWidth +
    BLOCK_NUMBERS.scores * heads * length;
  const chunk = 64 * Math.max(1, Math.min(16, Math.floor(CHUNK_LOGITS / vocabSize / 64)));
  const scored = Math.min(chunk, 64 * Math.ceil(tokens / 64));
  return {
    weights: frozen * (1 + rewardModels),
    adapters: 4 * adapter * (isPpo ? 2 * (COPIES + REMEMBERED) : COPIES),
    activations: traces * 4 * rows * length * width * (layers + 1) +
      Math.min(RESIDUAL_BYTES, residualBytes(shape, { rows, length })),
    work: 4 * Math.max(numbers * rows * length, LOGIT_COPIES * scored * vocabSize),
  };
}

/** Forward passes that are open at a time: PPO's policy and critic. */
function tracesOf({ objective }: RunConfig): number {
  return objective === "ppo" ? 2 : 1;
}

/** Bytes of all residuals of `rows` rows (core/trunk.ts, core/full_policy.ts). */
function residualBytes(
  { config, decoder, objectives }: RunShape,
  { rows, length }: { rows: number; length: number },
): number {
  const isFull = config.tuning === "full";
  const narrow = config.dtype === "bfloat16" && !isFull;
  const widths = mapsReadAgain(decoder).map((name) => mapShape(name, decoder).out);
  const products = (narrow ? 2 : 4) * widths.reduce((sum, width) => sum + width, 0);
  const adapters = isFull ? 0 : 4 * blockMaps.length * (config.lora_r + objectives);
  const scores = keepsWeights(length) ? scoresComputed(length) : 0;
  const weights = 4 * decoder.heads * scores; // of attention, of a row
  return tracesOf(config) * decoder.layers * rows * (length * (products + adapters) + weights);
}

/** The share of them that the budget has room for. */
function keptShare(shape: RunShape): number {
  const length = rowLength(shape);
  const tokens = Math.min(shape.config.max_tokens_per_pass, tokensPerMicroStep(shape));
  return Math.min(1, RESIDUAL_BYTES / residualBytes(shape, { rows: tokens / length, length }));
}

function hostBytesOf({ config, decoder, volume }: RunShape): Footprint["hostBytes"] {
  if (config.objective !== "ppo") return { runtime: RUNTIME_BYTES, generation: 0, cache: 0 };
  const tokens = config.rollout_batch_size * (volume.promptTokens + config.max_new_tokens);
  return {
    runtime: RUNTIME_BYTES,
    generation: GENERATION_BYTES + weightFile(decoder, config.rollout_format).bytes,
    cache: tokens * cacheBytesPerToken(decoder),
  };
}

interface RunOperations {
  engine: Operations;
  generation: Operations & { bytesRead: number };
}

const NOTHING: RunOperations["generation"] = { held: 0, float32: 0, bytesRead: 0 };

const operationsOf: Record<RunConfig["objective"], (shape: RunShape) => RunOperations> = {
  dpo: pairOperations,
  reward: pairOperations,
  sft: (shape) => {
    const { decoder, volume } = shape;
    const sequences = stepsOf(shape) * shape.config.per_device_train_batch_size;
    const pass = passOf(shape, { sequences, scored: volume.responseTokens });
    return { engine: trainingOperations(decoder, pass, keptShare(shape)), generation: NOTHING };
  },
  ppo: ppoOperations,
};

/** Steps on pairs, the reference's pass over them, and the front over the grid at the end. */
function pairOperations(shape: RunShape): RunOperations {
  const { config, decoder, volume, objectives } = shape;
  const pairs = stepsOf(shape) * pairsPerStep(shape);
  const scored = config.objective === "reward" ? 0 : volume.responseTokens;
  const training = passOf(shape, { sequences: 2 * pairs, scored });
  const seen = { sequences: 2 * Math.min(pairs, volume.pairs), scored };
  const test = { sequences: 2 * testPairs(shape), scored };
  const grid = config.objective === "dpo" ? points(config.grid, objectives) : 1;
  const needsReference = config.objective === "dpo" &&
    pairwiseLosses[config.loss_type].needs.reference;
  const reference = needsReference ? 1 : 0;
  return {
    engine: addOperations([
      [1, trainingOperations(decoder, training, keptShare(shape))],
      [reference, forwardOperations(decoder, { ...passOf(shape, seen), rank: 0 })],
      [reference, forwardOperations(decoder, { ...passOf(shape, test), rank: 0 })],
      [grid, forwardOperations(decoder, passOf(shape, test))],
    ]),
    generation: NOTHING,
  };
}

/** Iterations of rollout, scoring and updates, and the front over the grid at the end. */
function ppoOperations(shape: RunShape): RunOperations {
  const { config, decoder, volume, rewardModels, objectives } = shape;
  const iterations = stepsOf(shape);
  const answers = iterations * config.rollout_batch_size;
  const grid = points(config.grid, objectives);
  const tested = Math.min(volume.testPrompts, config.eval_limit ?? Infinity) * (grid + 1);
  const scored = volume.responseTokens;
  const pass = passOf(shape, { sequences: answers, scored });
  const valued = { ...pass, scored: 0 };
  const scoring = Math.max(1, rewardModels);
  const ptx = config.ptx_coef > 0 ? config.num_ppo_epochs : 0;
  const kept = keptShare(shape);
  // The first update of an iteration takes back the passes that the estimates are made with.
  const estimated = 1 - 1 / updatesPerEpoch(config);
  return {
    engine: addOperations([
      [estimated, forwardOperations(decoder, pass)], // log π
      [1, forwardOperations(decoder, { ...pass, rank: 0 })], // log π_ref
      [estimated, forwardOperations(decoder, valued)], // V
      [scoring, forwardOperations(decoder, { ...valued, rank: 0 })],
      [config.num_ppo_epochs, trainingOperations(decoder, pass, kept)],
      [config.num_ppo_epochs, trainingOperations(decoder, valued, kept)],
      [ptx, trainingOperations(decoder, pass, kept)],
      [
        scoring,
        forwardOperations(decoder, {
          ...passOf(shape, { sequences: tested, scored: 0 }),
          rank: 0,
        }),
      ],
    ]),
    generation: generationOf(shape, answers + tested),
  };
}

function updatesPerEpoch(config: RunConfig): number {
  const most = config.per_device_train_batch_size * config.gradient_accumulation_steps;
  return Math.ceil(config.rollout_batch_size / most);
}

function generationOf(shape: RunShape, answers: number): RunOperations["generation"] {
  const { config, decoder, volume, objectives } = shape;
  const rank = config.lora_r + objectives;
  const { promptTokens, responseTokens } = volume;
  const prompts = forwardOperations(decoder, {
    tokens: answers * promptTokens,
    scores: answers * promptTokens ** 2,
    scored: answers,
    rank,
  });
  const length = promptTokens + responseTokens / 2;
  const steps = generationOperations(decoder, {
    rows: answers,
    steps: responseTokens,
    length,
    rank,
  });
  // Every step of a batch reads all weights once, and the keys and values of its rows.
  const batches = Math.ceil(answers / config.rollout_batch_size);
  const weights = weightFile(decoder, config.rollout_format).bytes;
  const cache = answers * responseTokens * length * cacheBytesPerToken(decoder);
  return {
    ...addOperations([[1, prompts], [1, steps]]),
    bytesRead: batches * responseTokens * weights + cache,
  };
}

function passOf(
  { config, volume, objectives }: RunShape,
  { sequences, scored }: { sequences: number; scored: number },
): PassShape {
  const { promptTokens, responseTokens } = volume;
  const length = Math.min(config.max_length, promptTokens + responseTokens);
  return {
    tokens: sequences * length,
    scores: sequences * scoresComputed(Math.ceil(length)),
    scored: sequences * scored,
    rank: config.tuning === "head" ? 0 : config.lora_r + objectives,
  };
}

/** Pairs of a step: of files with one dimension each there are as many of every dimension. */
function pairsPerStep(
  { config, volume, objectives }: Pick<RunShape, "config" | "volume" | "objectives">,
): number {
  return config.per_device_train_batch_size * config.gradient_accumulation_steps *
    (volume.pairedLabels ? 1 : objectives);
}

function tokensPerMicroStep(shape: RunShape): number {
  const { config, volume, objectives } = shape;
  const sequences = config.objective === "ppo" || config.objective === "sft"
    ? config.per_device_train_batch_size
    : 2 * config.per_device_train_batch_size * (volume.pairedLabels ? 1 : objectives);
  return sequences * rowLength(shape);
}

function rowLength({ config, volume }: RunShape): number {
  return Math.min(config.max_length, Math.ceil(volume.promptTokens + volume.responseTokens));
}

function testPairs({ config, volume, objectives }: RunShape): number {
  const most = config.eval_limit === undefined
    ? Infinity
    : config.eval_limit * (volume.pairedLabels ? 1 : objectives);
  return Math.min(volume.testPairs, most);
}

/** Points of a simplex lattice with `grid` points per edge. */
function points(grid: number, m: number): number {
  let count = 1;
  for (let i = 1; i < m; i++) count = count * (grid - 1 + i) / i;
  return Math.round(count);
}
