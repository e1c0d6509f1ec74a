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
    "`helpful=A.jsonl.gz,harmless=B.jsonl.gz` (files joined by `+`), one file that labels every dimension, or `builtin`",
  ),
  eval_dataset: z.string().optional().describe(
    "test files, written like dataset; default: a held-out share of the training rows",
  ),
  dimensions: z.string().optional().describe(
    "comma-separated names of the dimensions to use, in the order of the preference vector",
  ),
  output_dir: z.string().default("runs/builtin").describe("folder of the run"),
  revision: z.string().regex(/^\w[\w./-]*$/).default("main").describe(
    "revision of a model from the hub",
  ),

  // objective and aggregation
  objective: z.enum(["dpo"]).default("dpo").describe("what is optimised"),
  beta: positive().default(0.1).describe("strength of the pull towards the reference policy"),
  rpo_alpha: z.number().nonnegative().finite().default(0).describe(
    "weight of −log π per token of the preferred response, beside DPO's loss: keeps its probability up",
  ),
  aggregation: z.enum(["ls", "tche"]).default("ls").describe(
    "how the losses of the dimensions become one: ls (eq. 14) or tche (eq. 16)",
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

  // adapter
  adapter: z.enum(["svd_lora"]).default("svd_lora").describe("kind of adapter"),
  lora_r: count().max(512).default(8).describe("rank k shared by all preferences (lora_dim)"),
  lora_alpha: positive().default(512).describe("scale of the adapter, divided by k+m"),
  lora_target_modules: z.string().default("layers.").describe(
    "regular expression: linear maps whose name matches are adapted",
  ),
  lora_init: z.enum(["orthonormal", "gaussian"]).default("gaussian").describe(
    "start of U and V: N(0, 0.02²) or the orthonormal factor of it",
  ),
  orthogonality: z.number().nonnegative().finite().default(0).describe(
    "weight of the penalty ‖UUᵀ−I‖² + ‖VᵀV−I‖² per adapted map",
  ),

  // lengths and batches
  max_length: count().default(512).describe("longest prompt plus response, in tokens"),
  overlong: z.enum(["drop", "truncate"]).default("drop").describe(
    "what happens to pairs longer than max_length: left out, or the prompt's start cut",
  ),
  per_device_train_batch_size: count().default(16).describe("pairs per dimension and micro-step"),
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
  max_steps: z.number().int().nonnegative().default(0).describe("optimiser steps; 0: by epochs"),
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
    values: {
      output_dir: "runs/builtin",
      max_length: 64,
      per_device_train_batch_size: 16,
      beta: 0.5,
      rpo_alpha: 0.007,
      learning_rate: 5e-3,
      adam_beta2: 0.99,
      weight_decay: 0,
      vertex_share: 0.2,
      lora_init: "orthonormal",
      dtype: "float32",
      max_steps: 600,
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
};

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
