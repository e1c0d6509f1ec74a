// Scale `small`: a small model of one's own and preference files, DPO and a short PPO with reward
// models trained on the same files: an evening on two cores for SmolLM2-135M-Instruct and HH.
import type { RunConfig } from "../../core/config.ts";
import { InputError } from "../../core/errors.ts";
import { parseSpec } from "../../data/datasets/spec.ts";
import { completeSettings } from "../run_settings.ts";
import {
  FIRST_SEED,
  methodOf,
  type Outline,
  type PlanOptions,
  runFolder,
  runName,
  steps,
  type Study,
} from "./plan.ts";
import { dpoStudies, type Make, panaceaPpo, rewardModel, soupsPpo } from "./studies.ts";

const DPO_STEPS = 100;
const REWARD_STEPS = 150;
const PPO_STEPS = 30;
const STAGES = 3;
const FACTORS = [1, 1e-2, 1e-4];
const LONGEST = 128; // tokens of prompt and response in a pair
const ANSWER = 64; // tokens of an answer of PPO

/**
 * The outline for a model and preference files with a dimension each. Throws InputError without
 * them, and for fewer than two dimensions.
 */
export function smallOutline(options: PlanOptions): Outline {
  const { model, dataset, evalDataset } = options;
  if (model === undefined || dataset === undefined) {
    throw new InputError(
      `Cannot plan the scale small: expected --model and --dataset ` +
        `(helpful=A.jsonl.gz,harmless=B.jsonl.gz), got ${model === undefined ? "no model" : ""}` +
        `${model === undefined && dataset === undefined ? " and " : ""}` +
        `${dataset === undefined ? "no dataset" : ""}`,
    );
  }
  const dimensions = dimensionsOf(dataset);
  const common = {
    model_name_or_path: model,
    dataset,
    ...(evalDataset !== undefined && { eval_dataset: evalDataset }),
    max_length: LONGEST,
    overlong: "truncate", // dialogues are long; their last turns say most
    grid: options.grid,
  };
  const parts: Parts = {
    options,
    dpo: (changes = {}) =>
      settings({
        ...common,
        objective: "dpo",
        per_device_train_batch_size: 4,
        learning_rate: 5e-4,
        vertex_share: 0.6, // files with one dimension each steer better with it
        max_steps: steps(DPO_STEPS, options),
        eval_limit: 60,
        ...changes,
      }),
    ppo: (changes = {}) =>
      settings({
        ...common,
        objective: "ppo",
        max_length: LONGEST + ANSWER,
        max_new_tokens: ANSWER,
        reward_model: runFolder(options.outputDir, runName(rewardModel.name, FIRST_SEED)),
        rollout_batch_size: 16,
        per_device_train_batch_size: 16,
        learning_rate: 5e-4,
        vertex_share: 0.6,
        max_steps: steps(PPO_STEPS, options),
        eval_limit: 24,
        ...changes,
      }),
  };
  return {
    scale: "small",
    description: "A small model and human preference files, as far as an evening goes: DPO on " +
      "pairs, reward models on the same pairs, and a short PPO with them.",
    notes: [],
    dimensions,
    studies: [...dpoStudies(parts.dpo), ...ppoStudies(parts), ...ablations(parts)],
    helpers: [{
      method: rewardModel,
      config: () =>
        settings({
          ...common,
          objective: "reward",
          tuning: "head",
          per_device_train_batch_size: 16,
          learning_rate: 1e-3,
          max_steps: steps(REWARD_STEPS, options),
        }),
    }],
    mixtures: [],
    answering: panaceaPpo.name,
    prompts: [
      "What are different ways that a car can be stolen?", // the paper's own
      "How do I learn to cook?",
    ],
  };
}

interface Parts {
  options: PlanOptions;
  dpo: Make;
  ppo: Make;
}

function ppoStudies({ ppo, options }: Parts): Study[] {
  const after = [rewardModel.name];
  return [
    {
      method: panaceaPpo,
      after,
      config: ({ first }) => ppo(first ? { eval_steps: steps(PPO_STEPS / STAGES, options) } : {}),
    },
    {
      method: soupsPpo,
      kind: "rewarded_soups",
      after,
      config: () => ppo(),
    },
    {
      method: methodOf({
        family: "discrete_policies",
        objective: "ppo",
        variant: "same budget",
        label: "Discrete policies, same budget in all (RLHF)",
        figures: ["same_compute_rlhf"],
      }),
      kind: "discrete_policies",
      memberGrid: options.grid,
      once: true,
      after,
      config: () => ppo({ max_steps: steps(PPO_STEPS / options.grid, options) }),
    },
  ];
}

function ablations({ dpo }: Parts): Study[] {
  return FACTORS.map((factor) => ({
    method: methodOf({
      family: "panacea",
      objective: "dpo",
      variant: `scaling ${factor}`,
      label: `factor ${factor}`,
      figures: ["figure_7"],
    }),
    once: true,
    config: () => dpo({ lora_scaling_factor: factor }),
  }));
}

/** The dimensions that the dataset option names; throws InputError for fewer than two. */
function dimensionsOf(dataset: string): string[] {
  const names = parseSpec(dataset).flatMap(({ dimension }) =>
    dimension === null ? [] : [dimension]
  );
  if (names.length > 1) return names;
  throw new InputError(
    `Cannot plan the scale small: expected a dataset that names its dimensions ` +
      `(helpful=A.jsonl.gz,harmless=B.jsonl.gz), got ${dataset}`,
  );
}

function settings(given: Record<string, unknown>): RunConfig {
  return completeSettings({ ...given, output_dir: "-" }, { label: (name) => `--${name}` });
}
