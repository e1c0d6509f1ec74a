// READ AFTER train.ts. Algorithm 1 of Panacea with RLHF: draw prompts and preference vectors, let
// π_{θ,λ} answer, reward the answers along every dimension, aggregate under λ (eq. 12 and 13), and
// take PPO's steps with policy and critic. Yields the events of train.ts and never sees a disk.
// Source: Zhong et al. 2024, Algorithm 1, section 2.2, appendices B and D; PPO as in its code base
// Safe-RLHF (Dai et al. 2023): KL-shaped token rewards, GAE, clipped losses, PTX.
import { z } from "zod";
import { readParameters, type StoredParameters } from "../adapters/parameters.ts";
import type { Aggregation } from "../aggregation/aggregation.ts";
import type { RunConfig } from "../config.ts";
import { DivergedError } from "../errors.ts";
import { countTokens, drawAnswers, estimate, type Experience } from "./experience.ts";
import { experienceMetrics, vitalsOf } from "./experience_metrics.ts";
import type { AdapterSource, Decoder } from "../generate/decoder.ts";
import { idealPoint, RewardRange, widenRange } from "./ideal_point.ts";
import { preferenceDraw } from "../preference.ts";
import { Random } from "../random.ts";
import {
  checkRewards,
  refuseConstantRewards,
  type RewardSource,
} from "../rewards/reward_source.ts";
import { checkHealth, Health, isWell, newHealth, REMEDIES, slower } from "./health.ts";
import {
  createUpdater,
  minibatches,
  type Update,
  type UpdateParts,
  updatesPerIteration,
} from "./update.ts";
import { openPasses, type UpdatePasses } from "./passes.ts";
import type { Sequence } from "../text/pack.ts";
import type { TokenizedPrompt } from "../text/prompts.ts";
import { ExampleSampler, SamplerState } from "../text/sampler.ts";
import type { ChatTokenizer } from "../text/tokenizer.ts";
import type { TokenPass } from "../token_pass.ts";
import type { StepFigures, TrainEvent } from "../train.ts";

/** Everything an iteration needs, made by the caller, who also disposes it. */
export interface RlhfParts extends UpdateParts {
  reference: Pick<TokenPass, "values">; // log π_ref
  decoder: Decoder; // of the same base model: gives the answers
  tokenizer: Pick<ChatTokenizer, "decode" | "specialTokenIds" | "endTokenIds">;
  rewards: Pick<RewardSource, "score">;
  aggregation: Aggregation;
  /** z of eq. 13 (M) where it is known; it is tracked otherwise. */
  idealPoint?: number[];
  dimensions: string[]; // (M)
  prompts: TokenizedPrompt[];
  /** Sequences whose likelihood is to stay (PTX); none where ptx_coef is 0. */
  ptx: Sequence[];
  resume?: { state: RlhfState; moments: StoredParameters };
}

/** An end that a run came to because it went astray. */
const Stop = z.strictObject({
  step: z.number().int().nonnegative(), // that the run went back to
  reason: z.string(),
  settings: z.record(z.string(), z.unknown()), // those of REMEDIES until then
});

/** What a checkpoint holds besides tensors. Whatever is random follows from the seed and `step`. */
export const RlhfState = z.strictObject({
  step: z.number().int().nonnegative(), // iterations done
  steps: z.number().int().positive(),
  updates: z.number().int().nonnegative(), // of the policy, and of the critic
  sampler: SamplerState,
  ptxSampler: SamplerState.nullable(),
  range: RewardRange.nullable(),
  health: Health,
  stops: z.array(Stop).default([]),
  tokens: z.number().int().nonnegative(),
  seconds: z.number().nonnegative(),
});
export type RlhfState = z.infer<typeof RlhfState>;

/**
 * Trains `policy` and `critic` for the configured iterations. Checkpoint events come as from train();
 * an aborted signal gives up the iteration at hand unless its updates have begun. Throws
 * DivergedError, saying what is wrong, for a number that is not finite and for a sign of
 * health.ts; InputError for rewards that nothing can be learnt from, and for an ideal point
 * that is none. Before an error there is a checkpoint event of the last step that is worth going on
 * from: the last that showed no sign, where it is a DivergedError.
 */
export async function* rlhf(
  config: RunConfig,
  parts: RlhfParts,
  signal: AbortSignal,
): AsyncGenerator<TrainEvent> {
  const samplers = createSamplers(config, parts);
  const steps = totalIterations(config, samplers.prompts);
  const draw = preferenceDraw(config, parts.dimensions);
  let state: RlhfState = parts.resume?.state ??
    { step: 0, steps, updates: 0, ...samplers.state(), ...FRESH };
  const updater = createUpdater(config, parts, {
    total: steps * updatesPerIteration(config),
    resume: parts.resume && { updates: state.updates, moments: parts.resume.moments },
  });
  let saved = state.step;
  let updating = false;
  let passes: UpdatePasses | null = null; // of the next update

  function checkpoint(): TrainEvent {
    saved = state.step;
    return { type: "checkpoint", state, moments: updater.moments };
  }

  // The last step whose answers showed no sign; at first the one that the run starts from.
  let well = state;
  updater.remember();
  function goBack(): void {
    updater.restore();
    state = well;
  }

  try {
    while (state.step < steps && !signal.aborted) {
      const start = performance.now();
      const step = state.step + 1;
      const random = new Random(config.seed).fork(`iteration ${step}`);

      // Lines 5 and 6: prompts, and preference vectors for their groups.
      samplers.restore(state);
      const size = config.rollout_batch_size;
      const G = ExampleSampler.groupCount(size, config.preferences_per_step);
      const { indices, groups } = samplers.prompts.next(size, G);
      const prompts = indices.map((p) => parts.prompts[p] as TokenizedPrompt);
      const drawn = draw(random.fork("preferences"), G);
      const preferences = groups.map((g) => drawn[g] ?? []); // (S, M)
      const batches = minibatches(config, random);

      let experience: Experience;
      let range: RewardRange;
      try {
        const { range: before } = state;
        const [first = []] = batches;
        const asked = { prompts, preferences, first, range: before, step, random, signal };
        ({ experience, range, passes } = await gather(config, parts, asked));
        await turn();
        signal.throwIfAborted();
      } catch (error) {
        if (signal.aborted) break;
        throw error;
      }
      const health = checkHealth(state.health, vitalsOf(experience, parts.decoder), {
        step,
        config,
      });
      if (isWell(health)) {
        well = { ...state, health: { ...state.health, signs: {} } };
        updater.remember();
      }

      // Lines 7 and 8: the clipped objectives of π_{θ,λ} and critic, some answers at a time.
      updating = true;
      const updates: Update[] = [];
      for (const members of batches) {
        passes ??= await openPasses(passesOf(parts), experience, members);
        const drawn = samplers.ptx?.next(members.length, 1).indices ?? [];
        const ptx = drawn.map((p) => parts.ptx[p] as Sequence);
        updates.push(await updater.update(experience, { members, passes, ptx, step }));
        passes = null;
        await turn();
      }
      await updater.checkFinite(step); // an update can overflow where loss and gradient did not

      const tokens = countTokens(experience.sequences);
      const seconds = (performance.now() - start) / 1000;
      state = {
        ...{ step, steps, updates: updater.count, range, health, stops: state.stops },
        ...samplers.state(),
        ...{ tokens: state.tokens + tokens, seconds: state.seconds + seconds },
      };
      updating = false;
      const figures = summarize(config, parts, { experience, updates, range });
      yield { type: "step", figures: { ...figures, step, steps, tokens, seconds } };

      const last = step === steps;
      if (!last && config.eval_steps > 0 && step % config.eval_steps === 0) {
        yield { type: "evaluate", step };
      }
      if (last || (step % config.save_steps === 0 && isWell(health))) yield checkpoint();
    }
    if (state.step < steps && !isWell(state.health)) goBack(); // what is saved should be well
    if (state.step !== saved) yield checkpoint();
  } catch (error) {
    const astray = error instanceof DivergedError;
    if (astray || updating || !isWell(state.health)) goBack();
    if (!astray) {
      if (state.step !== saved) yield checkpoint();
      throw error;
    }
    const stop = { step: state.step, reason: error.message, settings: settingsOf(config) };
    state = { ...state, stops: [...state.stops, stop] };
    if (state.step > 0 || saved > 0) yield checkpoint();
    const remedy = updating ? slower(config) : error.remedy;
    throw new DivergedError(error.message, { remedy, step: state.step, cause: error });
  } finally {
    passes?.dispose();
    updater.dispose();
  }
}

/** Answers of the policy as it is now, what they earn, and what the models say of their tokens. */
async function gather(
  config: RunConfig,
  parts: RlhfParts,
  { prompts, preferences, first, range: before, step, random, signal }: {
    prompts: TokenizedPrompt[];
    preferences: number[][]; // (S, M)
    first: number[]; // the answers of the first update
    range: RewardRange | null; // of the rewards so far
    step: number;
    random: Random;
    signal: AbortSignal;
  },
): Promise<{ experience: Experience; range: RewardRange; passes: UpdatePasses }> {
  const { dimensions, decoder, tokenizer, aggregation } = parts;

  // y ~ π_{θ,λ}(· | x), with θ as it is now.
  const adapter = decoder.loadAdapter(await decodeSource(parts, step));
  const rows = { prompts, preferences, random: random.fork("answers"), signal };
  const answers = await drawAnswers(config, { decoder, adapter, tokenizer }, rows);

  // r_i(x, y), and of them one number under λ: eq. 12 or 13, without its KL term.
  const source = config.reward_model ?? "the reward model"; // what messages call it
  const given = await parts.rewards.score(answers.responses);
  const rewards = checkRewards(given, { count: prompts.length, dimensions, source }); // (S, M)
  if (step === 1) refuseConstantRewards(rewards, { dimensions, source });
  const range = widenRange(before, rewards);
  const z = idealPoint(range, { given: parts.idealPoint, dimensions });
  const scores = rewards.map((row, s) =>
    aggregation.reward(row, preferences[s] ?? [], { idealPoint: z })
  );

  // The KL term goes into the tokens' rewards; they become advantages and returns.
  const models = { ...passesOf(parts), reference: parts.reference };
  const asked = { ...answers, preferences, scores, first };
  const { estimates, passes } = await estimate(config, models, asked);
  return { experience: { ...answers, preferences, rewards, scores, ...estimates }, range, passes };
}

/** The models that are trained, as passes. */
function passesOf({ policy, critic }: UpdateParts): Record<"policy" | "critic", TokenPass> {
  return { policy: policy.pass, critic: critic.pass };
}

/** Iterations of a run: max_steps, or as many as its epochs over the prompts take. */
function totalIterations(config: RunConfig, prompts: ExampleSampler): number {
  if (config.max_steps > 0) return config.max_steps;
  return Math.ceil(config.num_train_epochs * prompts.stepsPerEpoch(config.rollout_batch_size));
}

/** Where a run begins that none goes before. */
const FRESH = { range: null, health: newHealth, stops: [], tokens: 0, seconds: 0 };

/** The settings that may be others when a run goes on from `state`, a checkpoint's. */
export function changeableAfter(state: unknown): readonly (keyof RunConfig)[] {
  const { data } = RlhfState.safeParse(state);
  return data !== undefined && data.stops.at(-1)?.step === data.step ? REMEDIES : [];
}

function settingsOf(config: RunConfig): Record<string, unknown> {
  return Object.fromEntries(REMEDIES.map((name) => [name, config[name]]));
}

/** Who draws prompts, and sequences of the PTX data where there are any. */
function createSamplers(config: RunConfig, { prompts, ptx }: RlhfParts) {
  const random = new Random(config.seed);
  const samplers = {
    prompts: new ExampleSampler(prompts, 1, random.fork("prompts")),
    ptx: ptx.length === 0
      ? null
      : new ExampleSampler(ptx.map(() => ({ better: [0] })), 1, random.fork("ptx")),
  };
  return {
    ...samplers,
    state: () => ({
      sampler: samplers.prompts.state(),
      ptxSampler: samplers.ptx?.state() ?? null,
    }),
    /** To where they stood, also after an iteration that was given up. */
    restore({ sampler, ptxSampler }: Pick<RlhfState, "sampler" | "ptxSampler">) {
      samplers.prompts.restore(sampler);
      if (ptxSampler !== null) samplers.ptx?.restore(ptxSampler);
    },
  };
}

/** The policy as the decoder takes it. */
async function decodeSource(
  { policy: { adapter, parameters }, dimensions }: RlhfParts,
  step: number,
): Promise<AdapterSource> {
  const id = `policy of step ${step}`;
  const stored = await readParameters(parameters);
  return { id, adapter, objectives: dimensions.length, parameters: stored };
}

/** The figures of an iteration, but for those that count steps, tokens and time. */
function summarize(
  { rollout_batch_size: size, num_ppo_epochs: epochs }: RunConfig,
  { dimensions, aggregation, idealPoint: given }: RlhfParts,
  { experience, updates, range }: {
    experience: Experience;
    updates: Update[];
    range: RewardRange;
  },
): Pick<StepFigures, "loss" | "losses" | "accuracies" | "learningRate" | "gradNorm" | "metrics"> {
  const mean = (pick: (update: Update) => number | undefined) =>
    updates.reduce((sum, update) => sum + (pick(update) ?? NaN), 0) / updates.length;
  const clipped = new Float32Array(size); // each answer is seen once an epoch
  for (const { members, clipped: own } of updates) {
    members.forEach((s, i) => clipped[s] = (clipped[s] ?? 0) + (own[i] ?? 0) / epochs);
  }
  const z = aggregation.needs.idealPoint ? idealPoint(range, { given, dimensions }) : [];
  return {
    loss: mean(({ loss }) => loss),
    losses: [], // PPO has one loss for all dimensions: rewards are aggregated, not losses
    accuracies: [],
    learningRate: updates.at(-1)?.learningRate ?? 0,
    gradNorm: mean(({ gradNorm }) => gradNorm),
    metrics: {
      ...experienceMetrics(experience, { clipped, dimensions }),
      value_loss: mean(({ valueLoss }) => valueLoss),
      ptx_loss: mean(({ ptxLoss }) => ptxLoss), // NaN, and left out, where there is none
      critic_grad_norm: mean(({ criticGradNorm }) => criticGradNorm),
      ...Object.fromEntries(z.map((bound, i) => [`ideal_point/${dimensions[i]}`, bound])),
    },
  };
}

/** Lets signals and messages in. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
