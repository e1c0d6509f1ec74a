// The form of a new run out of RunConfig's schema: which settings stand where, what an empty field
// means, what may be written in it, and the request that comes out. Drawn by new_run.tsx.
import type { PageData, Preset, SettingSchema } from "../page_data.ts";

/** Settings that belong together, in the order of the form. */
export interface Group {
  title: string;
  /** Whether the group stands under "Advanced settings". */
  advanced: boolean;
  fields: Field[];
}

/** One setting as a field. */
export interface Field {
  name: string;
  help: string;
  kind: "text" | "number" | "choice";
  whole: boolean; // number: no fractions
  choices: string[];
  schema: SettingSchema;
}

const groups: { title: string; advanced: boolean; names: string[] }[] = [
  {
    title: "Model and data",
    advanced: false,
    names: ["model_name_or_path", "dataset", "eval_dataset", "columns", "dimensions"],
  },
  {
    title: "Training",
    advanced: false,
    names: [
      "max_steps",
      "num_train_epochs",
      "per_device_train_batch_size",
      "learning_rate",
      "seed",
    ],
  },
  {
    title: "Objective and preferences",
    advanced: true,
    names: [
      "objective",
      "loss_type",
      "beta",
      "label_smoothing",
      "simpo_gamma",
      "rpo_alpha",
      "aggregation",
      "smooth_tche_mu",
      "augmented_tche_rho",
      "pbi_theta",
      "preferences_per_step",
      "dirichlet_alpha",
      "vertex_share",
      "fixed_preference",
    ],
  },
  {
    title: "Adapter",
    advanced: true,
    names: [
      "tuning",
      "adapter",
      "lora_r",
      "lora_alpha",
      "lora_target_modules",
      "lora_init",
      "orthogonality",
      "lora_scaling_factor",
    ],
  },
  {
    title: "PPO",
    advanced: true,
    names: [
      "reward_model",
      "reward_scale",
      "ideal_point",
      "kl_coef",
      "cliprange",
      "cliprange_value",
      "reward_clip",
      "gamma",
      "lam",
      "whiten_advantages",
      "ptx_coef",
      "ptx_dataset",
      "num_ppo_epochs",
      "rollout_batch_size",
      "max_new_tokens",
      "temperature",
      "top_p",
      "rollout_format",
      "critic_learning_rate",
    ],
  },
  {
    title: "Lengths and batches",
    advanced: true,
    names: ["max_length", "overlong", "gradient_accumulation_steps", "max_tokens_per_pass"],
  },
  {
    title: "Optimiser",
    advanced: true,
    names: [
      "lr_scheduler_type",
      "warmup_ratio",
      "weight_decay",
      "adam_beta1",
      "adam_beta2",
      "adam_epsilon",
      "max_grad_norm",
    ],
  },
  {
    title: "Evaluation and checkpoints",
    advanced: true,
    names: [
      "logging_steps",
      "eval_steps",
      "save_steps",
      "save_total_limit",
      "grid",
      "eval_limit",
      "bootstrap",
    ],
  },
  {
    title: "Engine",
    advanced: true,
    names: ["engine", "dtype", "threads", "device", "shards", "shard_timeout", "revision"],
  },
];

/** The groups of the form; settings that no group names come last, so that none is ever missing. */
export function makeGroups(settings: PageData["settings"]): Group[] {
  const named = new Set(groups.flatMap(({ names }) => names));
  const others = Object.keys(settings).filter((name) => !named.has(name));
  return [...groups, { title: "Other settings", advanced: true, names: others }]
    .map(({ names, ...group }) => ({
      ...group,
      fields: names.flatMap((name) => {
        const schema = settings[name];
        return schema === undefined ? [] : [makeField(name, schema)];
      }),
    }))
    .filter(({ fields }) => fields.length > 0);
}

/** What an empty field means, as text; "" where nothing fills it in. */
export function defaultText(field: Field, preset: Preset | undefined): string {
  const value = preset?.values[field.name] ?? field.schema.default;
  return value === undefined ? "" : String(value);
}

/**
 * The preset that the server lays underneath: the chosen one, or where the model is the built-in
 * one and none was chosen that of the objective in `builtinPresets`.
 */
export function presetName(
  chosen: string,
  values: Record<string, string>,
  { builtinPresets, settings }: Pick<PageData, "builtinPresets" | "settings">,
): string {
  if (chosen !== "") return chosen;
  const model = values.model_name_or_path?.trim() || "builtin";
  const objective = values.objective || String(settings.objective?.default);
  return model === "builtin" ? builtinPresets[objective] ?? "" : "";
}

/** What is wrong with the text of a field, as a sentence; null where it may stay. */
export function fieldError({ name, kind, whole, schema }: Field, text: string): string | null {
  if (kind !== "number" || text.trim() === "") return null;
  const value = Number(text);
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  // JSON Schema bounds every integer by what a double holds, which is no news to anybody.
  const low = minimum === Number.MIN_SAFE_INTEGER ? undefined : minimum;
  const high = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  const wanted = [
    whole ? "a whole number" : "a number",
    ...(low !== undefined && high !== undefined ? [`from ${low} to ${high}`] : [
      ...(exclusiveMinimum === undefined ? [] : [`above ${exclusiveMinimum}`]),
      ...(low === undefined ? [] : [`of at least ${low}`]),
      ...(exclusiveMaximum === undefined ? [] : [`below ${exclusiveMaximum}`]),
      ...(high === undefined ? [] : [`up to ${high}`]),
    ]),
  ].join(" ");
  const right = Number.isFinite(value) && (!whole || Number.isInteger(value)) &&
    value > (exclusiveMinimum ?? -Infinity) && value >= (minimum ?? -Infinity) &&
    value < (exclusiveMaximum ?? Infinity) && value <= (maximum ?? Infinity);
  return right ? null : `${name} must be ${wanted}.`;
}

const readers: Record<SettingSchema["type"], (text: string) => string | number | boolean> = {
  string: (text) => text,
  number: Number,
  integer: Number,
  boolean: (text) => text === "true",
};

/** The body of POST /runs: only what the user filled in. */
export function makeRequest(
  { name, preset, values }: { name: string; preset: string; values: Record<string, string> },
  fields: Field[],
): Record<string, string | number | boolean> {
  const given = fields.flatMap(({ name, schema }): [string, string | number | boolean][] => {
    const text = values[name]?.trim() ?? "";
    return text === "" ? [] : [[name, readers[schema.type](text)]];
  });
  return { name, ...(preset === "" ? {} : { preset }), ...Object.fromEntries(given) };
}

/** `wish`, or with the first number from 2 on that makes it a name not yet taken. */
export function freeName(wish: string, taken: string[]): string {
  if (!taken.includes(wish)) return wish;
  for (let i = 2;; i++) {
    if (!taken.includes(`${wish}-${i}`)) return `${wish}-${i}`;
  }
}

function makeField(name: string, schema: SettingSchema): Field {
  const number = schema.type === "number" || schema.type === "integer";
  const choices = schema.type === "boolean" ? ["true", "false"] : schema.enum ?? [];
  return {
    name,
    help: schema.description ?? "",
    kind: choices.length > 0 ? "choice" : number ? "number" : "text",
    whole: schema.type === "integer",
    choices,
    schema,
  };
}
