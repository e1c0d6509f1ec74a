// Reward models: pairs as tokens, a scalar head that scores every response in all dimensions at once,
// on a frozen trunk (whose outputs are then computed once and kept) or on one with an adapter, trained
// by core/train.ts; test accuracy, calibration and the spread of the rewards in reports/rewards. What
// it stores is a source of rewards for PPO and for fronts: workers/rewards/stored.ts.
import * as tf from "@tensorflow/tfjs-core";
import {
  adaptedMaps,
  type BlockParameters,
  disposeParameters,
  loadParameters,
} from "../../core/adapters/parameters.ts";
import { adapterOptions, adapters } from "../../core/adapters/mod.ts";
import { aggregations } from "../../core/aggregation/mod.ts";
import type { BatchPass } from "../../core/batch_pass.ts";
import type { RunConfig } from "../../core/config.ts";
import { InputError } from "../../core/errors.ts";
import { createScalarHead, SCORE_WEIGHT } from "../../core/models/scalar_head.ts";
import { pairObjectives } from "../../core/objectives/mod.ts";
import { Random } from "../../core/random.ts";
import { centringBias, SCORE_BIAS } from "../../core/rewards/centre.ts";
import type { RewardReport } from "../../core/rewards/report.ts";
import {
  featurePass,
  rewardFeatures,
  type RewardParts,
  rewardPass,
  scoreResponses,
} from "../../core/reward_pass.ts";
import type { TokenizedPair } from "../../core/text/example.ts";
import { rowLengthFor, type Sequence } from "../../core/text/pack.ts";
import { examplesInUse, train, type TrainParts } from "../../core/train.ts";
import { createTrunk } from "../../core/trunk.ts";
import type { AdapterConfig, Checkpoint } from "../../data/store/run_folder.ts";
import { type LocalHost, openLocalHost } from "../policy_host.ts";
import type { SessionOptions } from "../protocol.ts";
import { rewardCard } from "../reward_card.ts";
import { loadRewardRows, type RewardRows } from "../reward_data.ts";
import { rewardEvaluation } from "../reward_report.ts";
import { tokenizeTraining } from "../run_data.ts";
import { fromTensors, toTensors } from "../stored_adapter.ts";
import { adapterConfigOf, readTensors, resumeFrom, startingParameters } from "./adapter_run.ts";
import {
  type LoadedRun,
  type Recipe,
  refuseShards,
  requireTuning,
  type StartedRun,
  type StartingPlace,
} from "./recipe.ts";

export const rewardRecipe: Recipe = {
  async open(config) {
    requireTuning(config, ["adapter", "head"]);
    refuseShards(config);
    if (config.fixed_preference !== undefined) {
      throw new InputError(
        "Cannot train reward: expected no fixed_preference, on which no reward depends, got " +
          config.fixed_preference,
      );
    }
    const rows = await loadRewardRows(config);
    return {
      dimensions: rows.train.dimensions,
      fingerprint: rows.train.fingerprint,
      load: (session) => load(rows, session),
    };
  },
};

interface Session {
  config: RunConfig;
  options: SessionOptions;
}

interface Loaded extends Session {
  rows: RewardRows;
  host: LocalHost;
  pairs: TokenizedPair[];
}

async function load(rows: RewardRows, session: Session): Promise<LoadedRun> {
  const host = await openLocalHost(session.config, session.options);
  try {
    const pairs = tokenizeTraining(rows, { base: host.base, ...session });
    return {
      base: host.base,
      start: (place) =>
        new Promise((resolve) => resolve(start({ ...session, rows, host, pairs }, place))),
      [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
    };
  } catch (error) {
    await host[Symbol.asyncDispose]();
    throw error;
  }
}

function start(loaded: Loaded, { run, checkpoint }: StartingPlace): StartedRun {
  const { config, options, rows, host, pairs } = loaded;
  const { engine, base } = host;
  const { dimensions, fingerprint } = rows.train;
  const model = createModel(loaded, checkpoint);
  try {
    const objective = pairObjectives.reward(config, dimensions);
    const used = examplesInUse(config, pairs, dimensions.length);
    const sequences = used.flatMap((p) => pairs[p] ?? []).flatMap(objective.sequences);
    const pass = passes[config.tuning]({ ...loaded, model, sequences });
    const parts: TrainParts<TokenizedPair> = {
      engine,
      pass,
      adapter: model.adapter,
      parameters: model.trained,
      objective,
      aggregation: aggregations.ls(),
      dimensions,
      examples: pairs,
      referenceLogProbs: new Float32Array(),
      resume: resumeFrom(checkpoint),
    };
    const adapterConfig = (step: number): AdapterConfig => ({
      ...adapterConfigOf(config, {
        base,
        rows: { dimensions, fingerprint },
        maps: model.maps,
        step,
      }),
      format: "panacea-reward-model",
      adapter: kindOf(config),
      target_modules: model.adapter === null ? "" : config.lora_target_modules,
      aggregation: "ls",
    });
    const tensors = () => readTensors(model.trained);
    const score = scorer(loaded, model);
    const centred = responsesToCentreOn(sequences, config);
    const bias = async () => centringBias(await score(centred), dimensions.length);
    const evaluation = rewardEvaluation({ rows, base, config, options });
    let report: RewardReport | undefined;

    // Everything a reward model is, with zero where the mean of its rewards was.
    const save = async (step: number) => {
      const shift = { shape: [dimensions.length], values: await bias() };
      const stored = adapterConfig(step);
      await run.saveAdapter({
        tensors: { ...await tensors(), ...toTensors(new Map([[SCORE_BIAS, shift]])) },
        config: stored,
        card: await rewardCard(stored, config, report),
      });
    };
    return {
      progress: parts.resume?.state ?? null,
      events: (signal) => train(uniform(config, dimensions), parts, signal),
      adapterConfig,
      tensors,
      async evaluate(name, step) {
        report = await evaluation.measure({ score, bias: await bias() }, { run, name, step });
        return undefined;
      },
      store: save,
      async finish() {
        if (report !== undefined) await save(report.step);
        return { rewards: report };
      },
      [Symbol.asyncDispose]() {
        model.dispose();
        return Promise.resolve();
      },
    };
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** A reward model on the host's base, and what of it is trained. */
interface Model extends RewardParts {
  adapter: TrainParts<never>["adapter"];
  maps: string[][]; // adapted maps by block; none without adapter
  trained: BlockParameters[]; // of the trunk by block, and of the head
  dispose(): void;
}

/** Fresh, or as a checkpoint has it: the head starts at zero, so that every score does. */
function createModel({ config, host, rows }: Loaded, checkpoint: Checkpoint | null): Model {
  const { engine, base, decoder } = host;
  const M = rows.train.dimensions.length;
  const adapter = config.tuning === "head"
    ? null
    : adapters[kindOf(config)](adapterOptions(config, M));
  const maps = adapter === null ? [] : adaptedMaps(base.config, config.lora_target_modules);
  const parameters = adapter === null ? [] : loadParameters(
    adapter,
    maps,
    startingParameters(adapter, maps, { config, base, checkpoint }),
  );
  const stored = checkpoint && fromTensors(checkpoint.adapter).get(SCORE_WEIGHT);
  const shape: [number, number] = [M, base.config.width];
  const weight = stored ? tf.tensor2d(stored.values, shape) : tf.zeros<tf.Rank.R2>(shape);
  const score: BlockParameters = { maps: [], names: [SCORE_WEIGHT], tensors: [weight] };
  const trained = [...parameters, score];
  return {
    trunk: createTrunk(engine, decoder, adapter && { adapter, objectives: 1, parameters }),
    head: createScalarHead(engine, decoder),
    score,
    adapter,
    maps,
    trained,
    dispose: () => disposeParameters(trained),
  };
}

/** No reward depends on a preference, so neither does the adapter of its trunk. */
const withoutPreference: Record<RunConfig["adapter"], RunConfig["adapter"]> = {
  svd_lora: "plain_svd_lora",
  plain_svd_lora: "plain_svd_lora",
  lora: "lora",
};

function kindOf({ adapter }: RunConfig): RunConfig["adapter"] {
  return withoutPreference[adapter];
}

/** Scores (S·M) of the model as it is. */
function scorer({ config, options, host }: Loaded, model: Model) {
  return (sequences: Sequence[]): Promise<Float32Array> =>
    scoreResponses(host.engine, model, {
      sequences,
      rowLength: rowLengthFor(sequences, config.max_tokens_per_pass),
      maxTokens: config.max_tokens_per_pass,
      signal: options.signal,
    });
}

type OpenPass = (session: Loaded & { model: Model; sequences: Sequence[] }) => BatchPass;

/** The way through the model, by what is trained; `sequences` are all that a run sees. */
const passes: Record<RunConfig["tuning"], OpenPass> = {
  adapter: ({ config, host, model, sequences }) =>
    rewardPass(host.engine, model, {
      rowLength: rowLengthFor(sequences, config.max_tokens_per_pass),
      maxTokens: config.max_tokens_per_pass,
    }),
  head: ({ config, options, host, model, sequences }) =>
    featurePass(
      model,
      () =>
        rewardFeatures(host.engine, { trunk: model.trunk, width: host.base.config.width }, {
          sequences,
          rowLength: rowLengthFor(sequences, config.max_tokens_per_pass),
          maxTokens: config.max_tokens_per_pass,
          signal: options.signal,
          onProgress: (done, total) =>
            options.onEvent({
              type: "progress",
              what: "Base model on training pairs",
              done,
              total,
            }),
        }),
    ),
  full: ({ config }) => {
    requireTuning(config, ["adapter", "head"]);
    throw new TypeError("Cannot train reward: expected an adapter or a head");
  },
};

/** Every dimension weighs the same, in one group: the loss is the mean of theirs. */
function uniform(config: RunConfig, dimensions: string[]): RunConfig {
  const fixed_preference = dimensions.map(() => 1 / dimensions.length).join(",");
  return { ...config, fixed_preference, preferences_per_step: 1 };
}

/** Enough that the mean is off by a few hundredths of the rewards' spread. */
const CENTRED_ON = 256;

/** Responses whose mean reward becomes zero, drawn by the seed. */
function responsesToCentreOn(sequences: Sequence[], { seed }: RunConfig): Sequence[] {
  const drawn = new Random(seed).fork("centre").shuffle(sequences.length).slice(0, CENTRED_ON);
  return [...drawn].flatMap((s) => sequences[s] ?? []);
}
