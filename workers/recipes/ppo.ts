// RLHF by PPO: prompts as tokens, one frozen base on the engine for policy, reference, critic and
// stored reward models, the same base on ONNX Runtime for the answers, and core/rlhf/rlhf.ts over them.
// On one thread.
import { adapterOptions, adapters } from "../../core/adapters/mod.ts";
import {
  adaptedMaps,
  type BlockParameters,
  disposeParameters,
  loadParameters,
  readParameters,
} from "../../core/adapters/parameters.ts";
import { aggregationOf } from "../../core/aggregation/mod.ts";
import type { RunConfig } from "../../core/config.ts";
import { createCritic, initCritic, loadCritic } from "../../core/critic.ts";
import { InputError } from "../../core/errors.ts";
import type { Decoder } from "../../core/generate/decoder.ts";
import { parseIdealPoint } from "../../core/rlhf/ideal_point.ts";
import { createPolicy, policyOn } from "../../core/policy.ts";
import { preferenceDraw } from "../../core/preference.ts";
import { Random } from "../../core/random.ts";
import { rememberedTrunk } from "../../core/remembered_trunk.ts";
import type { RewardSource } from "../../core/rewards/reward_source.ts";
import { changeableAfter, rlhf, RlhfState } from "../../core/rlhf/rlhf.ts";
import { tokenizeInstructions } from "../../core/text/instructions.ts";
import type { Sequence } from "../../core/text/pack.ts";
import { type TokenizedPrompt, tokenizePrompts } from "../../core/text/prompts.ts";
import { policyTokens, tokenPass } from "../../core/token_pass.ts";
import { createTrunk, type Trunk } from "../../core/trunk.ts";
import { loadInstructions } from "../../data/datasets/instructions/mod.ts";
import { graphFolder, openDecoder } from "../decoders.ts";
import { modelCard } from "../model_card.ts";
import { type LocalHost, openLocalHost } from "../policy_host.ts";
import type { SessionOptions } from "../protocol.ts";
import { openRewards } from "../rewards/mod.ts";
import { parseScale, sourcesByDimension } from "../rewards/spec.ts";
import { loadRows, type RunRows } from "../run_data.ts";
import { fromTensors } from "../stored_adapter.ts";
import { adapterConfigOf, readTensors, startingParameters } from "./adapter_run.ts";
import { ppoFront } from "./ppo_front.ts";
import {
  type LoadedRun,
  type Recipe,
  refuseShards,
  requireTuning,
  type StartedRun,
  type StartingPlace,
} from "./recipe.ts";
import { runLengths } from "../run_lengths.ts";

/** The file of a checkpoint that holds the critic. */
const CRITIC = "critic";

export const ppoRecipe: Recipe = {
  async open(config) {
    requireTuning(config, ["adapter"]);
    refuseShards(config);
    const rows = await loadRows(config);
    const { dimensions, fingerprint } = rows.train;
    const settings = readSettings(config, dimensions);
    const instructions = config.ptx_coef === 0 || config.ptx_dataset === undefined
      ? null
      : await loadInstructions(config.ptx_dataset);
    return {
      dimensions,
      fingerprint,
      load: (session) => load({ ...session, rows, settings, instructions }),
    };
  },
  changeableAfter,
};

/** Settings that are texts, read; throws InputError for wrong ones before anything is loaded. */
interface Settings {
  rewards: string;
  scale: number[]; // (M)
  idealPoint: number[] | undefined; // (M)
}

function readSettings(config: RunConfig, dimensions: string[]): Settings {
  preferenceDraw(config, dimensions);
  const { reward_model: rewards, ptx_coef, ptx_dataset } = config;
  if (rewards === undefined) {
    throw new InputError(
      "Cannot train ppo: expected reward_model, which says where rewards come from, got none",
    );
  }
  sourcesByDimension(rewards, dimensions);
  if (ptx_coef > 0 && ptx_dataset === undefined) {
    throw new InputError(
      `Cannot train ppo: expected ptx_dataset for the SFT loss of ptx_coef ${ptx_coef}, got none`,
    );
  }
  const { needs } = aggregationOf(config);
  const fixed = needs.idealPoint ? config.ideal_point : undefined;
  return {
    rewards,
    scale: parseScale(config.reward_scale, dimensions),
    idealPoint: fixed === undefined ? undefined : parseIdealPoint(fixed, dimensions),
  };
}

/** What is known before a model is loaded. */
interface Opened {
  config: RunConfig;
  options: SessionOptions;
  rows: RunRows;
  settings: Settings;
  instructions: Awaited<ReturnType<typeof loadInstructions>> | null;
}

/** What a run starts from. */
interface Loaded extends Opened {
  host: LocalHost;
  trunk: Trunk; // the base's own: of the reference, and of reward models without an adapter
  rewards: RewardSource; // not scaled
  decoder: Decoder;
  maps: string[][]; // adapted ones, by block
  prompts: TokenizedPrompt[];
  ptx: Sequence[];
}

async function load(opened: Opened): Promise<LoadedRun> {
  const { config, options, rows: { train: { dimensions } }, settings } = opened;
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await openLocalHost(config, options));
  const { engine, base, decoder: held } = host;
  const maps = adaptedMaps(base.config, config.lora_target_modules);
  const tokens = tokenize(opened, host);
  const trunk = rememberedTrunk(createTrunk(engine, held, null));
  const shared = { engine, decoder: held, trunk, ...base };
  const rewards = stack.use(
    await openRewards(settings.rewards, {
      dimensions,
      shared: () => Promise.resolve(shared),
      options,
      rowLength: rowLengthOf(tokens.prompts, tokens.ptx),
      maxTokens: config.max_tokens_per_pass,
      threads: config.threads,
    }),
  );
  const { decoder } = await openDecoder({
    model: config.model_name_or_path,
    revision: config.revision,
    format: config.rollout_format,
    threads: config.threads,
    cacheFolder: graphFolder(options),
    env: options.env,
    onEvent: options.onEvent,
  });
  stack.defer(() => decoder.dispose());
  const owned = stack.move();
  return {
    base,
    start: (place) => start({ ...opened, host, trunk, rewards, decoder, maps, ...tokens }, place),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Prompts of the data, each once, and the sequences of the PTX data. */
function tokenize(
  { config, options, rows, instructions }: Opened,
  { base }: LocalHost,
): { prompts: TokenizedPrompt[]; ptx: Sequence[] } {
  const { tokenizer } = base;
  const lengths = runLengths(config, base);
  const tell = (dropped: number, kept: number, what: string) => {
    if (dropped === 0) return;
    const message = `Left out ${dropped} of ${dropped + kept} ${what}: too long for max_length ` +
      `${lengths.maxLength}, or refused by the chat template`;
    options.onEvent({ type: "notice", message });
  };
  const dialogues = rows.train.examples.map(({ prompt }) => prompt);
  const maxNewTokens = config.max_new_tokens;
  const { prompts, dropped } = tokenizePrompts(tokenizer, dialogues, { ...lengths, maxNewTokens });
  tell(dropped, prompts.length, "prompts");
  if (instructions === null) return { prompts, ptx: [] };
  const { sequences, dropped: left } = tokenizeInstructions(tokenizer, instructions, lengths);
  tell(left, sequences.length, "PTX examples");
  return { prompts, ptx: sequences };
}

async function start(loaded: Loaded, { run, checkpoint }: StartingPlace): Promise<StartedRun> {
  const { config, options, rows, settings, host, rewards, decoder, maps, prompts, ptx } = loaded;
  const { engine, base } = host;
  const { dimensions, fingerprint } = rows.train;
  const objectives = dimensions.length;
  const adapter = adapters[config.adapter](adapterOptions(config, objectives));
  const initial = startingParameters(adapter, maps, { config, base, checkpoint });
  const shape = { adapter, maps, objectives, config: base.config };
  const initialCritic = checkpoint === null
    ? initCritic(shape, new Random(config.seed).fork("critic"))
    : fromTensors(checkpoint.companions?.[CRITIC] ?? {});
  const trained: BlockParameters[][] = [];
  const dispose = () => trained.forEach(disposeParameters);
  try {
    const parameters = loadParameters(adapter, maps, initial);
    trained.push(parameters);
    const critic = loadCritic(shape, initialCritic);
    trained.push(critic);
    const policy = createPolicy(engine, host.decoder, { adapter, objectives, parameters });
    const value = createCritic(engine, host.decoder, { adapter, objectives, parameters: critic });
    const reference = policyOn(engine, host.decoder, loaded.trunk);
    const sizes = { rowLength: rowLengthOf(prompts, ptx), maxTokens: config.max_tokens_per_pass };
    const resume = checkpoint === null ? undefined : {
      state: RlhfState.parse(checkpoint.state),
      moments: fromTensors(checkpoint.optimizer),
    };
    const fronts = await ppoFront({
      ...{ config, options, rows, run, engine, base, reference, policy, decoder, rewards },
    });
    const adapterConfig = (step: number) => ({
      ...adapterConfigOf(config, { base, rows: { dimensions, fingerprint }, maps, step }),
      beta: config.kl_coef, // of RLHF, the same pull by another name
    });
    const tensors = () => readTensors(parameters);
    return {
      progress: resume?.state ?? null,
      events: (signal) =>
        rlhf(config, {
          engine,
          policy: { adapter, parameters, pass: tokenPass(policyTokens(policy), sizes) },
          critic: { parameters: critic, pass: tokenPass(value, sizes) },
          reference: tokenPass(policyTokens(reference), sizes),
          decoder,
          tokenizer: base.tokenizer,
          rewards: scaled(rewards, settings.scale),
          aggregation: aggregationOf(config),
          idealPoint: settings.idealPoint,
          ...{ dimensions, prompts, ptx, resume },
        }, signal),
      adapterConfig,
      tensors,
      companions: async () => ({ [CRITIC]: await readTensors(critic) }),
      async evaluate(name, step) {
        const id = `policy of step ${step}`;
        const source = { id, adapter, objectives, parameters: await readParameters(parameters) };
        const present = { name, adapterConfig: adapterConfig(step), tensors: await tensors() };
        return await fronts.show({ ...present, source });
      },
      async store(step, front) {
        const stored = adapterConfig(step);
        const card = await modelCard(stored, config, front);
        await run.saveAdapter({ tensors: await tensors(), config: stored, card });
      },
      finish: async () => ({ samples: await fronts.samples() }),
      [Symbol.asyncDispose]() {
        dispose();
        return Promise.resolve();
      },
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** Rewards as training sees them: what the sources say, times reward_scale. */
function scaled(source: RewardSource, scale: number[]): Pick<RewardSource, "score"> {
  return {
    async score(responses) {
      const rewards = await source.score(responses);
      return rewards.map((row) => row.map((reward, i) => reward * (scale[i] ?? 1)));
    },
  };
}

/** Room for the longest prompt with its answer, and for the longest PTX sequence, in steps of 32. */
function rowLengthOf(prompts: TokenizedPrompt[], ptx: Sequence[]): number {
  let longest = 0;
  for (const { ids, limit } of prompts) longest = Math.max(longest, ids.length + limit);
  for (const { prompt, response } of ptx) {
    longest = Math.max(longest, prompt.length + response.length);
  }
  return Math.ceil(longest / 32) * 32;
}
