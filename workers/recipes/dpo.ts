// Direct preference optimisation: pairs as tokens, log-probabilities of the reference on them, one
// adapter on the frozen base trained by core/train.ts, and its front. On one thread or on shards.
import { adapterOptions, adapters } from "../../core/adapters/mod.ts";
import { adaptedMaps, disposeParameters, loadParameters } from "../../core/adapters/parameters.ts";
import { aggregationOf } from "../../core/aggregation/mod.ts";
import type { RunConfig } from "../../core/config.ts";
import { pairObjectives } from "../../core/objectives/mod.ts";
import type { Objective } from "../../core/objectives/objective.ts";
import { pairwiseLoss } from "../../core/objectives/pairwise_losses.ts";
import { preferenceDraw } from "../../core/preference.ts";
import type { TokenizedPair } from "../../core/text/example.ts";
import { rowLengthFor, type Sequence } from "../../core/text/pack.ts";
import { examplesInUse, train, type TrainParts } from "../../core/train.ts";
import type { AdapterConfig } from "../../data/store/run_folder.ts";
import { modelCard } from "../model_card.ts";
import type { PolicyHost } from "../policy_host.ts";
import type { SessionOptions } from "../protocol.ts";
import { loadRows, type RunRows, tokenizeTraining } from "../run_data.ts";
import { referenceScores } from "../scores.ts";
import {
  adapterConfigOf,
  openHost,
  readTensors,
  resumeFrom,
  startingParameters,
} from "./adapter_run.ts";
import {
  type LoadedRun,
  type Recipe,
  requireTuning,
  type StartedRun,
  type StartingPlace,
} from "./recipe.ts";
import { showFront } from "./run_front.ts";

export const dpoRecipe: Recipe = {
  async open(config) {
    requireTuning(config, ["adapter"]);
    pairwiseLoss(config); // settings that do not fit the loss are told now
    const rows = await loadRows(config);
    preferenceDraw(config, rows.train.dimensions); // a wrong fixed_preference is told now
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

/** A session with everything that starting needs. */
interface Loaded extends Session {
  rows: RunRows;
  host: PolicyHost;
  pairs: TokenizedPair[];
  maps: string[][]; // adapted ones, by block
}

async function load(rows: RunRows, session: Session): Promise<LoadedRun> {
  const host = await openHost(session.config, session.options);
  try {
    const { base } = host;
    const pairs = tokenizeTraining(rows, { base, ...session });
    const maps = adaptedMaps(base.config, session.config.lora_target_modules);
    return {
      base,
      start: (place) => start({ ...session, rows, host, pairs, maps }, place),
      [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
    };
  } catch (error) {
    await host[Symbol.asyncDispose]();
    throw error;
  }
}

async function start(
  { config, options, rows, host, pairs, maps }: Loaded,
  { run, checkpoint }: StartingPlace,
): Promise<StartedRun> {
  const { engine, base } = host;
  const { dimensions, fingerprint } = rows.train;
  const kind = adapterOptions(config, dimensions.length);
  const adapter = adapters[config.adapter](kind);
  const initial = startingParameters(adapter, maps, { config, base, checkpoint });
  const parameters = loadParameters(adapter, maps, initial);
  try {
    const objective = pairObjectives.dpo(config, dimensions);
    const sequences = pairs.map(objective.sequences);
    const { pass, scorer: policy } = await host.adapt({
      kind: config.adapter,
      options: kind,
      adapter,
      parameters,
      rowLength: rowLengthFor(sequences.flat(), config.max_tokens_per_pass),
      maxTokens: config.max_tokens_per_pass,
    });
    const evaluation = rows.evaluate({
      engine,
      base,
      reference: host.reference,
      dimensions,
      config,
      limit: config.eval_limit,
      options,
    });
    const parts: TrainParts<TokenizedPair> = {
      engine,
      pass,
      adapter,
      parameters,
      objective,
      aggregation: aggregationOf(config),
      dimensions,
      examples: pairs,
      referenceLogProbs: await reference({ config, options, host, pairs, objective }, sequences),
      resume: resumeFrom(checkpoint),
    };
    const adapterConfig = (step: number): AdapterConfig => ({
      ...adapterConfigOf(config, { base, rows: { dimensions, fingerprint }, maps, step }),
      ...config.loss_type !== "sigmoid" && { loss_type: config.loss_type },
    });
    const tensors = () => readTensors(parameters);
    return {
      progress: parts.resume?.state ?? null,
      events: (signal) => train(config, parts, signal),
      adapterConfig,
      tensors,
      async evaluate(name, step) {
        const front = {
          config,
          options,
          run,
          engine,
          data: rows.evaluationData,
          evaluation,
          policy,
        };
        const measured = { name, adapterConfig: adapterConfig(step), tensors: await tensors() };
        return await showFront(front, measured);
      },
      async store(step, front) {
        const stored = adapterConfig(step);
        const card = await modelCard(stored, config, front);
        await run.saveAdapter({ tensors: await tensors(), config: stored, card });
      },
      finish: async () => ({ samples: await evaluation.samples(policy) }),
      [Symbol.asyncDispose]() {
        disposeParameters(parameters);
        return Promise.resolve();
      },
    };
  } catch (error) {
    disposeParameters(parameters);
    throw error;
  }
}

/** log π_ref of the sequences of all pairs, in order; 0 where the run does not need it. */
async function reference(
  { config, options, host, pairs, objective }: Session & {
    host: PolicyHost;
    pairs: TokenizedPair[];
    objective: Objective<TokenizedPair>;
  },
  sequences: Sequence[][],
): Promise<Float32Array> {
  const all = new Float32Array(sequences.flat().length);
  if (!objective.needs.reference) return all;
  const used = examplesInUse(config, pairs, pairs[0]?.better.length ?? 0);
  const scores = await referenceScores(host, {
    sequences: used.flatMap((p) => sequences[p] ?? []),
    maxTokens: config.max_tokens_per_pass,
    what: "Reference on training pairs",
    options,
  });
  const each = all.length / pairs.length;
  used.forEach((p, i) => all.set(scores.subarray(i * each, (i + 1) * each), p * each));
  return all;
}
