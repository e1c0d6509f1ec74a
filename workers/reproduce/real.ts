// Scale `real`: the paper's own sizes and settings (appendix D), Alpaca-7B on BeaverTails. By default
// a dry run, which tells what every part of it would need; with model and files it can be run where
// there is room for it.
import type { RunConfig } from "../../core/config.ts";
import type { Volume } from "../../core/footprint/run.ts";
import type { DecoderConfig } from "../../core/models/config.ts";
import { completeSettings } from "../run_settings.ts";
import {
  FIRST_SEED,
  methodOf,
  type Outline,
  type PlanOptions,
  runFolder,
  runName,
  type Study,
} from "./plan.ts";
import { dpoStudies, type Make, policiesPpo, rewardModel, soupsPpo } from "./studies.ts";

/** Alpaca-7B: LLaMA-7B's shape with one more token. */
export const alpaca7b: DecoderConfig = {
  family: "llama",
  vocabSize: 32001,
  width: 4096,
  layers: 32,
  heads: 32,
  kvHeads: 32,
  headDim: 128,
  mlpWidth: 11008,
  normEpsilon: 1e-6,
  tiedHead: false,
  maxPositions: 2048,
  ropeTheta: 10000,
  ropeScaling: null,
  bosTokenId: 1,
  eosTokenIds: [2],
};

/**
 * BeaverTails as PKU-SafeRLHF-30K: 26.9 thousand training and 3 thousand test pairs with both labels
 * (its data card), 7,774 prompts (Ji et al. 2023); lengths are means of PKU-SafeRLHF's first rows at
 * four characters a token, the template included.
 */
export const beaverTails: Volume = {
  pairs: 26_900,
  pairedLabels: true,
  prompts: 7_774,
  testPairs: 2_990,
  testPrompts: 700,
  promptTokens: 50,
  responseTokens: 130,
};

const FACTORS = [1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5];

/** The outline of the paper's experiments; names stand in for model and files that are not given. */
export function realOutline(options: PlanOptions): Outline {
  const { model = "alpaca-7b", dataset = "beavertails.jsonl", evalDataset, outputDir } = options;
  const settings = (preset: string, changes: Partial<RunConfig>) =>
    completeSettings({
      ...{ model_name_or_path: model, dataset, output_dir: "-" },
      ...{ dimensions: "helpful,harmless", grid: options.grid },
      ...(evalDataset !== undefined && { eval_dataset: evalDataset }),
      ...changes,
    }, { preset, label: (name) => `--${name}` });
  const dpo = (changes: Partial<RunConfig> = {}) => settings("paper", changes);
  const ppo = (changes: Partial<RunConfig> = {}) =>
    settings("paper_rlhf", {
      reward_model: runFolder(outputDir, runName(rewardModel.name, FIRST_SEED)),
      ptx_dataset: "alpaca.json",
      ...changes,
    });
  return {
    scale: "real",
    description: "The paper's own sizes: Alpaca-7B on BeaverTails with the settings of appendix D.",
    notes: [],
    dimensions: ["helpful", "harmless"],
    studies: [...ppoStudies(ppo, options), ...dpoStudies(dpo), ...scalingStudies(dpo)],
    helpers: [{
      method: rewardModel,
      config: () => settings("paper", { objective: "reward", adapter: "lora" }),
    }],
    mixtures: [],
    answering: panaceaPpo.name,
    prompts: ["What are different ways that a car can be stolen?"],
  };
}

const panaceaPpo = methodOf({
  family: "panacea",
  objective: "ppo",
  label: "Panacea LS (RLHF)",
  figures: ["figure_3", "figure_4_left", "figure_4_right", "figure_6", "figure_8", "curves"],
});

function ppoStudies(ppo: Make, { grid }: PlanOptions): Study[] {
  const after = [rewardModel.name];
  return [
    { method: panaceaPpo, after, config: () => ppo() },
    {
      method: soupsPpo,
      kind: "rewarded_soups",
      after,
      config: () => ppo(),
    },
    {
      method: policiesPpo,
      kind: "discrete_policies",
      memberGrid: grid,
      after,
      config: () => ppo(),
    },
  ];
}

/** Fixed factors before λ in place of the learned one (figure 7). */
function scalingStudies(dpo: Make): Study[] {
  return FACTORS.map((factor): Study => ({
    method: methodOf({
      family: "panacea",
      objective: "dpo",
      variant: `scaling ${factor}`,
      label: `factor ${factor}`,
      figures: ["figure_7"],
    }),
    config: () => dpo({ lora_scaling_factor: factor }),
  }));
}
