// A training session from configuration to stored adapter and front: opens everything, drives
// core/train.ts, and stores what it yields. The same call again resumes, or finds nothing to do.
import type { Adapter } from "../core/adapters/adapter.ts";
import { adapters } from "../core/adapters/mod.ts";
import {
  adaptedMaps,
  type BlockParameters,
  disposeParameters,
  initParameters,
  loadParameters,
  readParameters,
  type StoredParameters,
} from "../core/adapters/parameters.ts";
import { aggregations } from "../core/aggregation.ts";
import type { RunConfig } from "../core/config.ts";
import { InputError, ShardError } from "../core/errors.ts";
import type { FrontReport } from "../core/front/report.ts";
import type { Scorer } from "../core/policy.ts";
import { float32Tensor } from "../core/models/safetensors.ts";
import { objectives } from "../core/objectives/mod.ts";
import { Random } from "../core/random.ts";
import { rowLengthFor } from "../core/text/pack.ts";
import {
  pairsInUse,
  type StepFigures,
  train,
  TrainerState,
  type TrainParts,
} from "../core/train.ts";
import { type AdapterConfig, hashParameters } from "../data/store/adapter_config.ts";
import { openRun, type Run } from "../data/store/run_folder.ts";
import type { Tensors } from "../data/store/tensors.ts";
import type { Evaluation } from "./evaluation.ts";
import { measureFront, writeFront } from "./front_report.ts";
import { composeSettings } from "./front_settings.ts";
import type { Base } from "./machine.ts";
import { modelCard } from "./model_card.ts";
import { openLocalHost } from "./policy_host.ts";
import type { SessionOptions, TrainReport } from "./protocol.ts";
import { loadRows, type RunRows, tokenizeTraining } from "./run_data.ts";
import { referenceScores } from "./scores.ts";
import { openShards } from "./shards.ts";
import { fromTensors } from "./stored_adapter.ts";

/** Name of the front that the last step's adapter is shown with. */
export const FINAL_FRONT = "final";

/** Settings that may change when a run goes on: they do not touch what is learned. */
const CHANGEABLE: readonly (keyof RunConfig)[] = [
  "output_dir",
  "eval_dataset",
  "eval_limit",
  "grid",
  "bootstrap",
  "save_total_limit",
  "threads",
  "device",
  "shards",
  "shard_timeout",
];

/** Trains, or goes on training, the run in `config.output_dir`. */
export async function runTraining(
  config: RunConfig,
  options: SessionOptions,
): Promise<TrainReport> {
  // Wrong input is found before anything is written, a held or different run before anything slow.
  await using existing = await openExisting(config);
  const rows = await loadRows(config);
  await using host = await (config.shards > 1 ? openShards : openLocalHost)(config, options);
  const { engine, base, reference } = host;
  let parameters: BlockParameters[] = [];
  try {
    const pairs = tokenizeTraining(rows, { base, config, options });
    const maps = adaptedMaps(base.config, config.lora_target_modules);
    await using run = existing ?? await openAgreeing(config);
    const session = { config, options, rows, base, run };
    const { train: { dimensions } } = rows;
    const adapterOptions = {
      rank: config.lora_r,
      objectives: dimensions.length,
      alpha: config.lora_alpha,
      init: config.lora_init,
    };
    const adapter = adapters[config.adapter](adapterOptions);
    const start = await startingPoint(session, adapter, maps);
    parameters = loadParameters(adapter, maps, start.parameters);
    const objective = objectives[config.objective](config, dimensions);
    const sequences = pairs.map(objective.sequences);
    const { pass, scorer: policy } = await host.adapt({
      kind: config.adapter,
      options: adapterOptions,
      adapter,
      parameters,
      rowLength: rowLengthFor(sequences.flat()),
      maxTokens: config.max_tokens_per_pass,
    });
    const referenceLogProbs = new Float32Array(sequences.flat().length);
    if (objective.needs.reference) {
      const used = pairsInUse(config, pairs, dimensions.length);
      const scores = await referenceScores(host, {
        sequences: used.flatMap((p) => sequences[p] ?? []),
        maxTokens: config.max_tokens_per_pass,
        what: "Reference on training pairs",
        options,
      });
      const each = referenceLogProbs.length / pairs.length;
      used.forEach((p, i) =>
        referenceLogProbs.set(scores.subarray(i * each, (i + 1) * each), p * each)
      );
    }
    const evaluation = rows.evaluate({
      engine,
      base,
      reference,
      dimensions,
      config,
      limit: config.eval_limit,
      options,
    });
    const parts: TrainParts = {
      engine,
      pass,
      adapter,
      parameters,
      objective,
      aggregation: aggregations[config.aggregation],
      dimensions,
      pairs,
      referenceLogProbs,
      resume: start.resume,
    };
    return await driveAndFinish(session, { parts, evaluation, policy });
  } finally {
    disposeParameters(parameters);
  }
}

interface Session {
  config: RunConfig;
  options: SessionOptions;
  rows: RunRows;
  base: Base;
  run: Run;
}

interface Driven {
  parts: TrainParts;
  evaluation: Evaluation;
  policy: Scorer;
}

/** Runs the steps that are left, then stores adapter, front and card. */
async function driveAndFinish(session: Session, driven: Driven): Promise<TrainReport> {
  const { config, options, run } = session;
  const { parts } = driven;
  const progress = parts.resume?.state ?? { step: 0, tokens: 0, seconds: 0 };
  let { step, tokens, seconds } = progress;
  let steps = parts.resume?.state.steps ?? Infinity;
  let losses: Record<string, number> = await lastLosses(run, parts.dimensions);
  for await (const event of train(config, parts, options.signal)) {
    if (event.type === "step") {
      const { figures } = event;
      step = figures.step;
      steps = figures.steps;
      tokens += figures.tokens;
      seconds += figures.seconds;
      losses = named(parts.dimensions, figures.losses);
      if (step % config.logging_steps === 0 || step === steps) {
        await report(session, parts.dimensions, { figures, tokens, seconds });
      }
    } else if (event.type === "evaluate") {
      await showFront(session, driven, { name: `step-${event.step}`, step: event.step })
        .catch((error) => {
          // Stopped, or a shard lost, while measuring: train() saves the steps done so far next.
          if (!options.signal.aborted && !(error instanceof ShardError)) throw error;
        });
    } else {
      const adapter = toTensors(await readParameters(parts.parameters));
      await run.saveCheckpoint(event.state.step, {
        adapter,
        adapterConfig: adapterConfig(session, driven, event.state.step),
        optimizer: toTensors(await event.moments()),
        state: event.state,
      }, { limit: config.save_total_limit });
      options.onEvent({
        type: "checkpoint",
        step: event.state.step,
        path: `${run.path}/checkpoint-${event.state.step}`,
      });
    }
    await new Promise((resolve) => setTimeout(resolve)); // signals get a turn between steps
  }
  const tokensPerSecond = seconds > 0 ? tokens / seconds : 0;
  const summary = { adapter: run.path, steps: step, seconds, tokensPerSecond, losses };
  if (step < steps) return { ...summary, stopped: true };

  const stored = {
    tensors: toTensors(await readParameters(parts.parameters)),
    config: adapterConfig(session, driven, step),
  };
  await run.saveAdapter({ ...stored, card: modelCard(stored.config, config, undefined) });
  const front = await showFront(session, driven, { name: FINAL_FRONT, step });
  await run.saveAdapter({ ...stored, card: modelCard(stored.config, config, front) });
  const samples = await driven.evaluation.samples(driven.policy);
  return { ...summary, stopped: false, front, samples };
}

/** One row of metrics.jsonl and one event; a dimension without labels in the step has no accuracy. */
async function report(
  { run, options }: Session,
  dimensions: string[],
  { figures, tokens, seconds }: { figures: StepFigures; tokens: number; seconds: number },
): Promise<void> {
  const { step, steps, loss, learningRate, gradNorm } = figures;
  const losses = named(dimensions, figures.losses);
  const accuracies = named(dimensions, figures.accuracies);
  await run.appendMetrics([{
    step,
    loss,
    ...prefixed("loss", losses),
    ...prefixed("accuracy", accuracies),
    learning_rate: learningRate,
    grad_norm: gradNorm,
    tokens,
    seconds: figures.seconds,
  }]);
  options.onEvent({
    type: "step",
    step,
    steps,
    loss,
    losses,
    accuracies,
    learningRate,
    gradNorm,
    tokens,
    seconds,
    tokensPerSecond: tokens / seconds,
    etaSeconds: (steps - step) * seconds / step,
  });
}

async function showFront(
  session: Session,
  driven: Driven,
  { name, step }: { name: string; step: number },
): Promise<FrontReport> {
  const { config, options, rows, run } = session;
  const { evaluation, policy, parts } = driven;
  const front = await measureFront(evaluation, policy, {
    adapter: run.path,
    settings: composeSettings({ ...config, limit: config.eval_limit }, {
      config: adapterConfig(session, driven, step),
      parametersHash: hashParameters(toTensors(await readParameters(parts.parameters))),
      run: config,
      data: rows.evaluationData,
    }),
    remarks: {
      step,
      dataset: rows.evaluationData.dataset,
      trainingRows: rows.train.fingerprint,
      engine: parts.engine.name,
      engineDtype: parts.engine.dtype,
    },
  });
  const files = await writeFront(run.path, name, front);
  options.onEvent({ type: "front", report: front, files });
  return front;
}

/** The run in output_dir if there is one. */
async function openExisting(config: RunConfig): Promise<Run | null> {
  const found = await Deno.stat(config.output_dir).catch(() => null);
  return found === null ? null : await openAgreeing(config);
}

/** Opens or makes the run in output_dir, whose saved steps must have been made with `config`. */
async function openAgreeing(config: RunConfig): Promise<Run> {
  const run = await openRun(config.output_dir, { create: true });
  try {
    await refuseOtherSettings(run, config);
    return run;
  } catch (error) {
    await run.close();
    throw error;
  }
}

/** Throws InputError where the run has saved steps and was started with other settings. */
async function refuseOtherSettings(run: Run, config: RunConfig): Promise<void> {
  const stored = await run.loadConfig();
  if (stored === null) return;
  const keys = Object.keys(config) as (keyof RunConfig)[];
  const changed = keys.filter((key) => !CHANGEABLE.includes(key) && config[key] !== stored[key]);
  if (changed.length === 0 || await run.latestCheckpoint() === null) return;
  const list = changed.map((key) => `${key} ${stored[key]} (now ${config[key]})`).join(", ");
  throw new InputError(
    `Cannot go on with the run in ${run.path}: expected its settings ${list}; ` +
      "give the same settings, or another output_dir for a new run",
  );
}

/** Where training starts: a fresh adapter, or the newest checkpoint. */
async function startingPoint(
  { config, base, rows, run }: Session,
  adapter: Adapter,
  maps: string[][],
): Promise<{ parameters: StoredParameters; resume?: TrainParts["resume"] }> {
  const checkpoint = await run.latestCheckpoint();
  if (checkpoint === null) {
    await run.saveConfig(config);
    await run.truncateMetrics(0);
    const random = new Random(config.seed).fork("adapter");
    return { parameters: initParameters(adapter, maps, { config: base.config, random }) };
  }
  const expected = { base: base.fingerprint, rows: rows.train.fingerprint };
  const { adapterConfig } = checkpoint;
  const found = { base: adapterConfig.base_fingerprint, rows: adapterConfig.dataset_fingerprint };
  for (const [what, hash] of Object.entries(found)) {
    if (hash !== expected[what as keyof typeof expected]) {
      throw new InputError(
        `Cannot go on with the run in ${run.path}: expected the ${what} it was started with, ` +
          `got ${what} that changed since`,
      );
    }
  }
  const state = TrainerState.parse(checkpoint.state);
  await run.truncateMetrics(state.step);
  return {
    parameters: fromTensors(checkpoint.adapter),
    resume: { state, moments: fromTensors(checkpoint.optimizer) },
  };
}

function adapterConfig(
  { config, base, rows }: Session,
  { parts }: Driven,
  steps: number,
): AdapterConfig {
  return {
    format: "panacea-svd-lora",
    version: 1,
    base_model: config.model_name_or_path,
    base_fingerprint: base.fingerprint,
    template_fingerprint: base.tokenizer.fingerprint,
    dimensions: parts.dimensions,
    adapter: config.adapter,
    lora_r: config.lora_r,
    lora_alpha: config.lora_alpha,
    target_modules: config.lora_target_modules,
    modules: parts.parameters.flatMap(({ maps }, layer) =>
      maps.map((map) => `model.layers.${layer}.${map}`)
    ),
    steps,
    objective: config.objective,
    aggregation: config.aggregation,
    beta: config.beta,
    dataset_fingerprint: rows.train.fingerprint,
  };
}

/** Losses of the last logged row, for a run that has nothing left to do. */
async function lastLosses(run: Run, dimensions: string[]): Promise<Record<string, number>> {
  const last = (await run.readMetrics()).at(-1);
  const values = dimensions.map((name) => Number(last?.[`loss/${name}`] ?? NaN));
  return named(dimensions, values);
}

/** By dimension, without those that have no value. */
function named(dimensions: string[], values: number[]): Record<string, number> {
  const entries = dimensions.map((name, i): [string, number] => [name, values[i] ?? NaN]);
  return Object.fromEntries(entries.filter(([, value]) => !Number.isNaN(value)));
}

function prefixed(prefix: string, values: Record<string, number>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`${prefix}/${name}`, value]),
  );
}

function toTensors(parameters: StoredParameters): Tensors {
  return Object.fromEntries(
    [...parameters].map(([name, { shape, values }]) => [name, float32Tensor(shape, values)]),
  );
}
