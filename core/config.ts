// The one schema of a run: flags, YAML, the stored run_config.json and the documentation derive
// from it. Names are TRL's where TRL has the setting.
import { z } from "zod";

const positive = () => z.number().positive().finite();
const count = () => z.number().int().positive();

/** Everything that determines a training run. Unknown keys are refused. */
export const RunConfig = z.strictObject({
  // what is trained on what
  model_name_or_path: z.string().default("builtin").describe(
    "model folder, hub id, .gguf file, or `builtin` for the built-in world",
  ),
  dataset: z.string().default("builtin").describe(
    "`helpful=A.jsonl.gz,harmless=B.jsonl.gz` (files joined by `+`), one file that labels every dimension, folders (`FOLDER:test` for a split), hub data sets (`owner/name/folder:test@revision`), or `builtin` (`builtin@0.7:1,0+0.3:0,1`: one scalar label a pair, from labellers share:λ); sft: instruction files joined by `+`",
  ),
  eval_dataset: z.string().optional().describe(
    "test files, written like dataset; default: a held-out share of the training rows",
  ),
  columns: z.string().optional().describe(
    "which columns of dataset and eval_dataset are what: `prompt=question,chosen=good,rejected=bad,label:helpful=winner,score:polite=a/b`",
  ),
  dimensions: z.string().optional().describe(
    "comma-separated names of the dimensions to use, in the order of the preference vector",
  ),
  output_dir: z.string().default("runs/builtin").describe("folder of the run"),
  revision: z.string().regex(/^\w[\w./-]*$/).default("main").describe(
    "revision of a model from the hub",
  ),

  // objective and aggregation
  objective: z.enum(["dpo", "sft", "reward", "ppo"]).default("dpo").describe(
    "what is optimised: dpo, ppo (preferences), sft (instructions), reward (a reward model)",
  ),
  loss_type: z.enum(["sigmoid", "hinge", "ipo", "simpo"]).default("sigmoid").describe(
    "dpo: loss of a pair: sigmoid (DPO), hinge (SLiC), ipo (per token) or simpo (per token, without reference)",
  ),
  beta: positive().default(0.1).describe(
    "strength of the pull towards the reference policy (simpo: factor of the margin)",
  ),
  label_smoothing: z.number().min(0).lt(0.5).default(0).describe(
    "dpo, loss_type sigmoid (conservative DPO) or simpo: share of labels taken to be wrong",
  ),
  simpo_gamma: z.number().nonnegative().finite().default(0.5).describe(
    "dpo, loss_type simpo: margin that preferred responses are to win by",
  ),
  rpo_alpha: z.number().nonnegative().finite().default(0).describe(
    "dpo: weight of −log π per token of the preferred response beside the pair's loss: keeps its probability up",
  ),
  aggregation: z.enum(["ls", "tche", "smooth_tche", "augmented_tche", "pbi"]).default("ls")
    .describe(
      "how the losses of the dimensions become one: ls (weighted sum, eq. 14), tche (Tchebycheff, eq. 16), smooth_tche, augmented_tche, or pbi (penalty boundary intersection)",
    ),
  smooth_tche_mu: positive().default(0.1).describe(
    "smooth_tche: μ, how soft the maximum is, in units of the weighted losses or rewards",
  ),
  augmented_tche_rho: z.number().nonnegative().finite().default(0.05).describe(
    "augmented_tche: ρ, weight of the sum beside the maximum",
  ),
  pbi_theta: z.number().nonnegative().finite().default(5).describe(
    "pbi: θ, weight of the distance from the ray of equal weighted losses",
  ),
  preferences_per_step: z.number().int().nonnegative().default(0).describe(
    "preference vectors per step: 1 is the paper's Algorithm 1, 0 gives every pair its own",
  ),
  dirichlet_alpha: positive().default(1).describe(
    "concentration of the Dirichlet distribution that preference vectors are drawn from",
  ),
  vertex_share: z.number().min(0).max(1).default(0).describe(
    "share of preference vectors drawn from the corners of the simplex",
  ),
  fixed_preference: z.string().optional().describe(
    "`0.3,0.7`: every row has this preference vector instead of a drawn one: one policy for one λ",
  ),

  // adapter
  tuning: z.enum(["adapter", "full", "head"]).default("adapter").describe(
    "what is trained: the adapter, all weights (sft only) or the head alone (reward only)",
  ),
  adapter: z.enum(["svd_lora", "plain_svd_lora", "lora"]).default("svd_lora").describe(
    "kind of adapter: svd_lora, or those that no preference moves: plain_svd_lora (of rank k+1), lora (as PEFT's)",
  ),
  lora_r: count().max(512).default(8).describe("rank k shared by all preferences (lora_dim)"),
  lora_alpha: positive().default(512).describe("scale of the adapter, divided by k+m"),
  lora_target_modules: z.string().default("layers.").describe(
    "regular expression: linear maps whose name matches are adapted",
  ),
  lora_init: z.enum(["orthonormal", "gaussian"]).default("gaussian").describe(
    "svd_lora, plain_svd_lora: start of U and V: N(0, 0.02²) or the orthonormal factor of it",
  ),
  orthogonality: z.number().nonnegative().finite().default(0).describe(
    "weight of the penalty ‖UUᵀ−I‖² + ‖VᵀV−I‖² per adapted map",
  ),
  lora_scaling_factor: z.number().nonnegative().finite().default(0).describe(
    "svd_lora: fixed factor before λ in place of the learned s; 0: learned",
  ),

  // PPO
  reward_model: z.string().optional().describe(
    "ppo, metric reward: `helpful=runs/a,harmless=runs/b`, one source for all dimensions, or `builtin`",
  ),
  reward_scale: z.string().optional().describe(
    "`harmless=5`: what the rewards of a dimension are multiplied by",
  ),
  kl_coef: z.number().nonnegative().finite().default(0.02).describe(
    "ppo: weight of the KL penalty against the reference in each token's reward",
  ),
  cliprange: positive().default(0.2).describe("ppo: clipping of the probability ratio"),
  cliprange_value: positive().default(5).describe("ppo: clipping of the critic's change"),
  reward_clip: positive().default(50).describe("ppo: clipping of the rewards, either side of 0"),
  ideal_point: z.string().optional().describe(
    "ppo, aggregations but ls: `helpful=1,harmless=1`, bounds on the rewards; default: tracked",
  ),
  gamma: z.number().min(0).max(1).default(1).describe("ppo: discount of later rewards"),
  lam: z.number().min(0).max(1).default(0.95).describe(
    "ppo: λ of generalised advantage estimation",
  ),
  whiten_advantages: z.boolean().default(true).describe(
    "ppo: advantages of a batch get mean 0 and variance 1",
  ),
  ptx_coef: z.number().nonnegative().finite().default(0).describe(
    "ppo: weight of the SFT loss on ptx_dataset beside PPO's",
  ),
  ptx_dataset: z.string().optional().describe(
    "ppo: instruction data for the SFT loss, written like sft's dataset, or `builtin`",
  ),
  num_ppo_epochs: count().default(1).describe("ppo: passes over the rollouts of an iteration"),
  rollout_batch_size: count().default(64).describe("ppo: prompts of an iteration"),
  max_new_tokens: count().default(64).describe("ppo, metric reward: longest response, in tokens"),
  temperature: positive().default(1).describe("ppo: sampling temperature of the rollouts"),
  top_p: z.number().gt(0).max(1).default(1).describe("ppo: nucleus that rollouts sample from"),
  rollout_format: z.enum(["float32", "int8", "int4"]).default("float32").describe(
    "ppo: how the frozen weights are held where responses are generated",
  ),
  critic_learning_rate: positive().default(1e-3).describe(
    "ppo: constant learning rate of the critic",
  ),

  // lengths and batches
  max_length: count().default(512).describe("longest prompt plus response, in tokens"),
  overlong: z.enum(["drop", "truncate"]).default("drop").describe(
    "what happens to what is longer than max_length: left out, or cut (a prompt's start, a dialogue's last turns)",
  ),
  per_device_train_batch_size: count().default(16).describe(
    "examples of a micro-step: pairs per dimension, or sequences (sft, ppo)",
  ),
  gradient_accumulation_steps: count().default(1).describe("micro-steps per optimiser step"),
  max_tokens_per_pass: count().default(4096).describe(
    "tokens, padding included, that go through the model at once: bounds memory",
  ),

  // optimiser
  learning_rate: positive().default(2e-4).describe("peak learning rate"),
  lr_scheduler_type: z.enum(["cosine", "linear", "constant"]).default("cosine").describe(
    "schedule after the warm-up",
  ),
  warmup_ratio: z.number().min(0).max(1).default(0.03).describe("share of steps spent warming up"),
  weight_decay: z.number().nonnegative().default(0.05).describe("decoupled weight decay"),
  adam_beta1: z.number().min(0).lt(1).default(0.9).describe("AdamW first-moment decay"),
  adam_beta2: z.number().min(0).lt(1).default(0.999).describe("AdamW second-moment decay"),
  adam_epsilon: positive().default(1e-8).describe("AdamW denominator offset"),
  max_grad_norm: z.number().nonnegative().default(1).describe("gradient clipping; 0 switches off"),
  num_train_epochs: positive().default(1).describe("passes over the data when max_steps is 0"),
  max_steps: z.number().int().nonnegative().default(0).describe(
    "optimiser steps (ppo: iterations of rollout and updates); 0: by epochs",
  ),
  seed: z.number().int().min(0).max(2 ** 32 - 1).default(42).describe("seed of everything random"),

  // evaluation and files
  logging_steps: count().default(1).describe("steps between metric rows"),
  eval_steps: z.number().int().nonnegative().default(0).describe(
    "steps between evaluations of the front; 0: only at the end",
  ),
  save_steps: count().default(100).describe("steps between checkpoints"),
  save_total_limit: count().default(2).describe("checkpoints kept"),
  grid: z.number().int().min(2).max(1001).default(11).describe(
    "preference grid of the front: points per edge of the simplex",
  ),
  eval_limit: count().optional().describe("most test pairs per dimension"),
  bootstrap: z.number().int().nonnegative().default(1000).describe("resamples for the intervals"),

  // engine
  engine: z.enum(["auto", "tensorflow", "wasm"]).default("auto").describe("what computes"),
  dtype: z.enum(["bfloat16", "float32"]).default("bfloat16").describe(
    "how frozen weights are held; trained values and activations are always float32",
  ),
  threads: z.number().int().nonnegative().default(0).describe(
    "threads of each engine; 0: all cores, divided among the shards",
  ),
  device: z.string().default("auto").describe(
    "device of the engine: auto, cpu, gpu:0 …; shards take turns in a list: gpu:0,gpu:1",
  ),
  shards: count().max(64).default(1).describe(
    "threads that share every batch, each with an engine and the frozen weights of its own",
  ),
  shard_timeout: positive().max(86400).default(600).describe(
    "seconds without a sign of life after which a shard is given up and the run stops, saved",
  ),
});
export type RunConfig = z.infer<typeof RunConfig>;

/** Settings as somebody gives them, before preset and defaults: any may be missing. */
export const RunSettings = z.strictObject(withoutDefaults(RunConfig.shape));
export type RunSettings = z.infer<typeof RunSettings>;

/** Named starting points; flags and YAML override them. */
export const presets: Record<string, { description: string; values: Partial<RunConfig> }> = {
  builtin: {
    description: "the built-in world in minutes; used when no model is named",
    values: builtin(),
  },
  builtin_sft: {
    description:
      "supervised fine-tuning in the built-in world; used for sft when no model is named",
    values: {
      ...builtin(),
      output_dir: "runs/builtin-sft",
      objective: "sft",
      tuning: "full",
      adapter: "lora", // with --tuning adapter
      lora_alpha: 16,
      per_device_train_batch_size: 32,
      learning_rate: 3e-4,
      max_steps: 100,
    },
  },
  builtin_reward: {
    description: "a reward model of the built-in world; used for reward when no model is named",
    values: {
      ...builtin(),
      output_dir: "runs/builtin-reward",
      objective: "reward",
      adapter: "lora",
      lora_alpha: 16,
      learning_rate: 2e-3,
      max_steps: 200,
    },
  },
  builtin_reward_head: {
    description: "the same with its backbone frozen: seconds, less exact",
    values: {
      ...builtin(),
      output_dir: "runs/builtin-reward-head",
      objective: "reward",
      tuning: "head",
      learning_rate: 5e-2,
      max_steps: 300,
    },
  },
  builtin_rlhf: {
    description: "PPO in the built-in world; used for ppo when no model is named",
    values: {
      ...builtin(),
      output_dir: "runs/builtin-rlhf",
      objective: "ppo",
      reward_model: "builtin",
      kl_coef: 0.05,
      lam: 1,
      max_new_tokens: 32,
      rollout_batch_size: 256, // gradients of fewer answers are mostly noise
      per_device_train_batch_size: 32,
      lr_scheduler_type: "linear",
      critic_learning_rate: 1e-3,
      vertex_share: 0,
      max_steps: 120,
    },
  },
  paper: {
    description: "appendix D, table 2: DPO on a 7B model",
    values: {
      max_length: 512,
      beta: 0.1,
      weight_decay: 0.05,
      per_device_train_batch_size: 16,
      gradient_accumulation_steps: 1,
      lora_r: 8,
      lora_alpha: 512,
      lora_target_modules: "layers.",
      num_train_epochs: 1,
      learning_rate: 2e-4,
      lr_scheduler_type: "cosine",
      warmup_ratio: 0.03,
      seed: 42,
      preferences_per_step: 1,
      dtype: "bfloat16",
    },
  },
  alpaca: {
    description: "Stanford Alpaca's settings: supervised fine-tuning of all weights",
    values: {
      objective: "sft",
      tuning: "full",
      max_length: 512,
      num_train_epochs: 3,
      per_device_train_batch_size: 4,
      gradient_accumulation_steps: 32,
      learning_rate: 2e-5,
      lr_scheduler_type: "cosine",
      warmup_ratio: 0.03,
      weight_decay: 0,
    },
  },
  paper_rlhf: {
    description: "appendix D, table 1: PPO on a 7B model",
    values: {
      objective: "ppo",
      max_length: 512,
      max_new_tokens: 512, // bounded by max_length, as there
      kl_coef: 0.02,
      cliprange: 0.2,
      cliprange_value: 5,
      reward_clip: 50,
      reward_scale: "harmless=5",
      // The table names neither of these, nor any whitening: as in Safe-RLHF, which it follows.
      gamma: 1,
      lam: 0.95,
      whiten_advantages: false,
      ptx_coef: 16,
      num_train_epochs: 2,
      num_ppo_epochs: 1, // update_iters
      rollout_batch_size: 32, // two prompt batches of 16 make one update there
      per_device_train_batch_size: 16,
      gradient_accumulation_steps: 2,
      learning_rate: 2e-3,
      weight_decay: 0.01,
      lr_scheduler_type: "cosine",
      warmup_ratio: 0.03,
      critic_learning_rate: 1e-3,
      lora_r: 8,
      lora_alpha: 512,
      lora_target_modules: "layers.",
      temperature: 1,
      top_p: 1,
      seed: 42,
      preferences_per_step: 1,
      dtype: "bfloat16",
    },
  },
};

/** The preset of a run in the built-in world for which none is named, by objective. */
export const builtinPresets: Record<RunConfig["objective"], string> = {
  dpo: "builtin",
  sft: "builtin_sft",
  reward: "builtin_reward",
  ppo: "builtin_rlhf",
};

/** What every run in the built-in world starts from: settings that fit its small model. */
function builtin(): Partial<RunConfig> {
  return {
    output_dir: "runs/builtin",
    max_length: 64,
    per_device_train_batch_size: 16,
    beta: 0.5,
    rpo_alpha: 0.02,
    learning_rate: 2e-3,
    adam_beta2: 0.99,
    weight_decay: 0,
    vertex_share: 0.2,
    lora_init: "orthonormal",
    dtype: "float32",
    max_steps: 600,
  };
}

type WithoutDefaults<S extends Record<string, z.ZodType>> = {
  [K in keyof S]: z.ZodOptional<
    S[K] extends z.ZodDefault<infer T> | z.ZodOptional<infer T> ? T : S[K]
  >;
};

/** The same fields, each optional and none filled in where it is missing. */
function withoutDefaults<S extends Record<string, z.ZodType>>(shape: S): WithoutDefaults<S> {
  const fields = Object.entries(shape).map(([name, field]) => {
    const filled = field instanceof z.ZodDefault || field instanceof z.ZodOptional;
    const inner = (filled ? field.unwrap() : field) as z.ZodType;
    return [name, inner.optional().describe(field.description ?? "")];
  });
  return Object.fromEntries(fields) as WithoutDefaults<S>;
}
