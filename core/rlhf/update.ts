// PPO's updates: a step of AdamW for policy and critic each, down the losses of some of the answers of
// an iteration. Lines 7 and 8 of Algorithm 1 as core/rlhf/rlhf.ts runs it.
import type { Adapter } from "../adapters/adapter.ts";
import { orthogonalityGradients } from "../adapters/orthogonality.ts";
import type { BlockParameters, StoredParameters } from "../adapters/parameters.ts";
import type { RunConfig } from "../config.ts";
import type { Engine } from "../engine/engine.ts";
import type { Experience } from "./experience.ts";
import { addGradients } from "../gradients.ts";
import { createLearner } from "../learner.ts";
import { likelihoodLoss, policyLoss, type TokenLoss, valueLoss } from "../objectives/ppo.ts";
import { learningRateAt } from "../optim.ts";
import type { Random } from "../random.ts";
import type { Sequence } from "../text/pack.ts";
import type { TokenBatch, TokenPass } from "../token_pass.ts";
import { diverged } from "../train.ts";
import type { BlockGradients } from "../block_stack.ts";
import type { UpdatePasses } from "./passes.ts";

/** A trained model with a number for every token of an answer. */
export interface Trained {
  parameters: BlockParameters[]; // updated in place
  pass: TokenPass; // of the model that `parameters` make
}

/** What is updated. */
export interface UpdateParts {
  engine: Engine;
  policy: Trained & { adapter: Adapter }; // log π
  critic: Trained; // V
}

/** What an update did. */
export interface Update {
  members: number[]; // the answers it saw
  clipped: Float32Array; // of each of them
  loss: number; // the policy's
  valueLoss: number;
  ptxLoss?: number;
  gradNorm: number; // of the policy, before clipping
  criticGradNorm: number;
  learningRate: number;
}

export interface Updater {
  /** Updates done, from the start of the run. */
  readonly count: number;
  /**
   * One update by the answers `members`, whose `passes` it takes back, and by sequences whose
   * likelihood is to stay. Passes that it did not come to, as it broke, stay open.
   */
  update(
    experience: Experience,
    { members, passes, ptx, step }: {
      members: number[];
      passes: UpdatePasses;
      ptx: Sequence[];
      step: number;
    },
  ): Promise<Update>;
  /** Throws DivergedError unless every parameter is a finite number. */
  checkFinite(step: number): Promise<void>;
  /** The moments of both optimisers. */
  moments(): Promise<StoredParameters>;
  /** Remembers policy, critic and their moments as they are, in place of what it remembered before. */
  remember(): void;
  /** Back to what it remembers, bit for bit. */
  restore(): void;
  /** Frees the moments and what it remembers; the parameters stay the caller's. */
  dispose(): void;
}

/** What stored names of the critic's moments begin with. */
const CRITIC = "critic.";

/**
 * AdamW for policy and critic, whose learning rate is constant and which has no weight decay
 * (appendix D). `total`: updates of the whole run.
 */
export function createUpdater(
  config: RunConfig,
  { engine, policy, critic }: UpdateParts,
  { total, resume }: { total: number; resume?: { updates: number; moments: StoredParameters } },
): Updater {
  const shared = {
    beta1: config.adam_beta1,
    beta2: config.adam_beta2,
    epsilon: config.adam_epsilon,
    maxGradNorm: config.max_grad_norm,
  };
  const learners = {
    policy: createLearner(engine, policy.parameters, {
      ...shared,
      weightDecay: config.weight_decay,
      resume,
    }),
    critic: createLearner(engine, critic.parameters, {
      ...shared,
      weightDecay: 0,
      resume: resume && { ...resume, moments: withPrefix(resume.moments, CRITIC) },
    }),
  };
  const penalise = orthogonalityGradients(engine, policy.adapter, config.orthogonality);

  function rateAt(update: number, peak: number, type: RunConfig["lr_scheduler_type"]): number {
    return learningRateAt(update, { steps: total, peak, warmupRatio: config.warmup_ratio, type });
  }

  return {
    get count() {
      return learners.policy.updates;
    },

    async update(experience, { members, passes, ptx, step }) {
      const pick = <T>(list: T[]) => members.map((s) => list[s] as T);
      const preferences = pick(experience.preferences);

      // The policy goes up its clipped advantage, and stays likely to say what the PTX data says.
      const own = await takeBack(
        passes.policy,
        policyLoss(passes.policy.values, {
          oldLogProbs: pick(experience.logProbs),
          advantages: pick(experience.advantages),
          cliprange: config.cliprange,
        }),
        { what: "policy loss", preferences, step },
      );
      let { gradients } = own;
      let ptxLoss: number | undefined;
      if (ptx.length > 0) {
        const batch = await policy.pass.forward(ptx, preferences);
        const loss = likelihoodLoss(batch.values, config.ptx_coef);
        const more = await takeBack(batch, loss, { what: "PTX loss", preferences, step });
        gradients = addGradients(gradients, more.gradients);
        ptxLoss = more.loss.loss;
      }
      const update = learners.policy.updates;
      const learningRate = rateAt(update, config.learning_rate, config.lr_scheduler_type);
      const gradNorm = await learners.policy.update(
        penalise(policy.parameters, gradients, 1),
        { learningRate },
      );

      // The critic goes towards the returns.
      const value = await takeBack(
        passes.critic,
        valueLoss(passes.critic.values, {
          oldValues: pick(experience.values),
          returns: pick(experience.returns),
          cliprangeValue: config.cliprange_value,
        }),
        { what: "value loss", preferences, step },
      );
      const criticGradNorm = await learners.critic.update(
        value.gradients,
        { learningRate: rateAt(update, config.critic_learning_rate, "constant") },
      );

      for (const [what, norm] of Object.entries({ policy: gradNorm, critic: criticGradNorm })) {
        if (!Number.isFinite(norm)) {
          throw diverged(`gradient of the ${what}`, { preferences, step });
        }
      }
      return {
        members,
        clipped: own.loss.clipped,
        loss: own.loss.loss,
        valueLoss: value.loss.loss,
        ...{ ptxLoss, gradNorm, criticGradNorm, learningRate },
      };
    },

    async checkFinite(step) {
      for (const [name, learner] of Object.entries(learners)) {
        if (await learner.isFinite()) continue;
        throw diverged(`parameter of the ${name} after the update`, {
          step,
          preferences: undefined,
        });
      }
    },

    async moments() {
      const moments = await learners.policy.moments();
      for (const [name, value] of await learners.critic.moments()) {
        moments.set(`${CRITIC}${name}`, value);
      }
      return moments;
    },

    remember() {
      learners.policy.remember();
      learners.critic.remember();
    },

    restore() {
      learners.policy.restore();
      learners.critic.restore();
    },

    dispose() {
      learners.policy.dispose();
      learners.critic.dispose();
    },
  };
}

/** Updates of an iteration. */
export function updatesPerIteration(config: RunConfig): number {
  return config.num_ppo_epochs * partsOf(config);
}

/** The answers of each update: all of them once an epoch, in random order, in equal parts. */
export function minibatches(config: RunConfig, random: Random): number[][] {
  const size = config.rollout_batch_size;
  const parts = partsOf(config);
  return Array.from({ length: config.num_ppo_epochs }, (_, epoch) => {
    const order = [...random.fork(`epoch ${epoch}`).shuffle(size)];
    const start = (part: number) => Math.ceil(part * size / parts);
    return Array.from({ length: parts }, (_, part) => order.slice(start(part), start(part + 1)));
  }).flat();
}

function partsOf(config: RunConfig): number {
  const most = config.per_device_train_batch_size * config.gradient_accumulation_steps;
  return Math.ceil(config.rollout_batch_size / most);
}

/** The gradient of a loss by the parameters of an open pass, which is then closed. */
async function takeBack(
  batch: TokenBatch,
  loss: TokenLoss,
  { what, preferences, step }: { what: string; preferences: number[][]; step: number },
): Promise<{ loss: TokenLoss; gradients: BlockGradients[] }> {
  if (!Number.isFinite(loss.loss)) {
    batch.dispose();
    throw diverged(what, { step, preferences });
  }
  return { loss, gradients: await batch.backward(loss.slopes) };
}

function withPrefix(stored: StoredParameters, prefix: string): StoredParameters {
  const entries = [...stored].filter(([name]) => name.startsWith(prefix));
  return new Map(entries.map(([name, value]) => [name.slice(prefix.length), value]));
}
