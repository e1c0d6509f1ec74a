// Scale `tiny`: the built-in world, where the best front is known exactly. Every figure, every
// method, both objectives, in minutes.
import type { RunConfig } from "../../core/config.ts";
import type { FigureName } from "../../core/report/figure_names.ts";
import type { Method, Mixture } from "../../core/report/results.ts";
import { completeSettings } from "../run_settings.ts";
import { methodOf, type Outline, type PlanOptions, steps, type Study } from "./plan.ts";

const DPO_STEPS = 240;
const PPO_STEPS = 60;
/** Fixed factors of figure 7, from 1 to 1e-5 as in the paper. */
const FACTORS = [1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5];
/** Stages of the front that figure 4, right, shows. */
const STAGES = 5;

/** Labellers of appendix A, by what each of them does. */
const mixtures: Record<string, LabelMixture> = {
  "one dimension each": {
    spec: "builtin@",
    labellers: [{ share: 0.7, preference: [1, 0] }, { share: 0.3, preference: [0, 1] }],
  },
  // Labellers who weigh rewards into one (assumption A.3), as in the paper.
  weighing: {
    spec: "builtin@sum:",
    labellers: [{ share: 0.5, preference: [0.8, 0.2] }, { share: 0.5, preference: [0, 1] }],
  },
};

interface LabelMixture extends Pick<Mixture, "labellers"> {
  /** Start of the dataset option that draws such labels. */
  spec: string;
}

/** The outline of the built-in world; model and data are its own whatever the options name. */
export function tinyOutline(options: PlanOptions): Outline {
  const { grid } = options;
  const dpo = (changes: Partial<RunConfig> = {}) =>
    settings({ objective: "dpo", grid, max_steps: steps(DPO_STEPS, options), ...changes });
  const ppo = (changes: Partial<RunConfig> = {}) =>
    settings({ objective: "ppo", grid, max_steps: steps(PPO_STEPS, options), ...changes });
  const studies = [
    ...dpoStudies(dpo, options),
    ...ppoStudies(ppo, options),
    ...ablations(dpo, options),
    ...Object.entries(mixtures).map(([name, mixture]) =>
      labellerStudy({ dpo, options }, { name, mixture })
    ),
  ];
  return {
    scale: "tiny",
    description: "The built-in world: 192 training and 48 test prompts with six answers each, " +
      "whose rewards are known, so that every front can be held against the exact one.",
    dimensions: ["helpful", "harmless"],
    studies,
    helpers: [],
    mixtures: Object.entries(mixtures).map(([name, { labellers }]) => ({
      method: labellerMethod(name).name,
      labellers,
    })),
    answering: panaceaPpo.name,
    prompts: ["How do I cheat in an exam?", "How do I bake a simple bread this week?"],
  };
}

type Make = (changes?: Partial<RunConfig>) => RunConfig;

const panaceaPpo = methodOf({
  family: "panacea",
  objective: "ppo",
  label: "Panacea LS (RLHF)",
  figures: ["figure_3", "figure_4_left", "figure_4_right", "figure_6", "figure_8", "curves"],
});

function dpoStudies(dpo: Make, options: PlanOptions): Study[] {
  const figures: FigureName[] = ["figure_5"];
  const metrics: Study["metrics"] = ["implicit_accuracy"];
  const share = { max_steps: steps(DPO_STEPS / options.grid, options) };
  return [
    {
      method: methodOf({
        family: "panacea",
        objective: "dpo",
        label: "Panacea LS (DPO)",
        figures: [...figures, "figure_7", "ablations", "labellers"],
      }),
      metrics,
      config: () => dpo(),
    },
    {
      method: methodOf({
        family: "panacea",
        objective: "dpo",
        aggregation: "tche",
        label: "Panacea Tche (DPO)",
        figures,
      }),
      metrics,
      config: () => dpo({ aggregation: "tche" }),
    },
    {
      method: methodOf({
        family: "rewarded_soups",
        objective: "dpo",
        label: "Rewarded Soups (DPO)",
        figures,
      }),
      kind: "rewarded_soups",
      metrics,
      config: () => dpo(),
    },
    {
      method: methodOf({
        family: "discrete_policies",
        objective: "dpo",
        label: "Discrete policies (DPO)",
        figures,
      }),
      kind: "discrete_policies",
      memberGrid: options.grid,
      metrics,
      config: () => dpo(),
    },
    {
      method: methodOf({
        family: "discrete_policies",
        objective: "dpo",
        variant: "same budget",
        label: "Discrete policies, same budget in all (DPO)",
        figures: [],
      }),
      kind: "discrete_policies",
      memberGrid: options.grid,
      metrics,
      config: () => dpo(share),
    },
  ];
}

function ppoStudies(ppo: Make, options: PlanOptions): Study[] {
  const figures: FigureName[] = ["figure_4_left"];
  const stage = steps(PPO_STEPS / STAGES, options);
  return [
    {
      method: panaceaPpo,
      metrics: ["reward"],
      config: ({ first }) => ppo(first ? { eval_steps: stage } : {}),
    },
    {
      method: methodOf({
        family: "panacea",
        objective: "ppo",
        aggregation: "tche",
        label: "Panacea Tche (RLHF)",
        figures: [...figures, "curves"],
      }),
      config: () => ppo({ aggregation: "tche" }),
    },
    {
      method: methodOf({
        family: "rewarded_soups",
        objective: "ppo",
        label: "Rewarded Soups (RLHF)",
        figures,
      }),
      kind: "rewarded_soups",
      config: () => ppo(),
    },
    {
      method: methodOf({
        family: "discrete_policies",
        objective: "ppo",
        label: "Discrete policies (RLHF)",
        figures,
      }),
      kind: "discrete_policies",
      memberGrid: options.grid,
      config: () => ppo(),
    },
    {
      method: methodOf({
        family: "discrete_policies",
        objective: "ppo",
        variant: "same budget",
        label: "Discrete policies, same budget in all (RLHF)",
        figures,
      }),
      kind: "discrete_policies",
      memberGrid: options.grid,
      config: () => ppo({ max_steps: steps(PPO_STEPS / options.grid, options) }),
    },
  ];
}

function ablations(dpo: Make, { grid }: PlanOptions): Study[] {
  const changed: [variant: string, FigureName, Partial<RunConfig>, label: string][] = [
    ...FACTORS.map((factor): (typeof changed)[number] => [
      `scaling ${factor}`,
      "figure_7",
      { lora_scaling_factor: factor },
      `factor ${factor}`,
    ]),
    ["one preference a step", "ablations", { preferences_per_step: 1 }, "one λ for a batch"],
    ["orthogonality", "ablations", { orthogonality: 1e-3 }, "with orthogonality penalty"],
    [
      "three dimensions",
      "dimensions",
      { dimensions: "helpful,harmless,concise", grid: Math.max(2, Math.round(grid / 2)) },
      "Panacea LS (DPO), three dimensions",
    ],
  ];
  return changed.map(([variant, figure, changes, label]): Study => ({
    method: methodOf({ family: "panacea", objective: "dpo", variant, label, figures: [figure] }),
    config: () => dpo(changes),
  }));
}

/** Scalar labels of a mixture; one policy without λ learns from them. */
function labellerStudy(
  { dpo, options }: { dpo: Make; options: PlanOptions },
  { name, mixture: { spec, labellers } }: { name: string; mixture: LabelMixture },
): Study {
  const each = labellers.map(({ share, preference }) => `${share}:${preference.join(",")}`);
  return {
    method: labellerMethod(name),
    config: () =>
      dpo({
        adapter: "plain_svd_lora",
        fixed_preference: "0.5,0.5", // all dimensions carry the one label
        dataset: `${spec}${each.join("+")}`,
        grid: 2 * options.grid - 1, // the policy is the same everywhere; the exact front is finer
      }),
  };
}

function labellerMethod(name: string): Method {
  return methodOf({
    family: "single_policy",
    objective: "dpo",
    variant: `labellers ${name}`,
    label: `Labellers ${name} (DPO)`,
    figures: ["labellers"],
  });
}

function settings(given: Record<string, unknown>): RunConfig {
  return completeSettings(
    { model_name_or_path: "builtin", dataset: "builtin", ...given, output_dir: "-" },
    { label: (name) => name },
  );
}
