// Scale `tiny`: the built-in world, where the best front is known exactly. Every figure, every
// method, both objectives, in minutes.
import type { RunConfig } from "../../core/config.ts";
import type { FigureName } from "../../core/report/figure_names.ts";
import type { Method, Mixture } from "../../core/report/results.ts";
import { completeSettings } from "../run_settings.ts";
import { methodOf, type Outline, type PlanOptions, steps, type Study } from "./plan.ts";
import { dpoStudies, type Make, panaceaPpo, policiesPpo, soupsPpo } from "./studies.ts";

/** Fixed factors of figure 7, from 1 to 1e-5 as in the paper. */
const FACTORS = [1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5];
/** Stages of the front that figure 4, right, shows. */
const STAGES = 5;

const notes = [
  "RLHF. The best policy for λ is π ∝ π_ref·exp(Σ λ_i r_i / β): its log-probabilities are linear in " +
  "λ. Interpolating those of the best policies at the ends of λ therefore gives the exact front. " +
  "Where rewards are known and policies can be anything, as here, Rewarded Soups can at best tie " +
  "with the exact front, and so can every other method; what differs is how near training comes, " +
  "and at what cost.",
  "DPO. With LS the best policy for λ fits the mixture Σ λ_i σ(s·Δr_i) of the dimensions' labels, " +
  "whose log-odds are flatter than those of mixed rewards, which interpolation between the ends " +
  "gives. In expected reward Rewarded Soups may thus lie above Panacea and even above the exact " +
  "front of DPO with LS; the paper measures DPO by implicit accuracy, which is figure 5.",
];

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
  const dpo = objectiveOf("dpo", options);
  const ppo = objectiveOf("ppo", options);
  const studies = [
    ...dpoAndBudget(dpo, options),
    ...ppoStudies(ppo, options),
    ...ablations(dpo.make, options),
    ...Object.entries(mixtures).map(([name, mixture]) =>
      labellerStudy({ dpo: dpo.make, options }, { name, mixture })
    ),
  ];
  return {
    scale: "tiny",
    description: "The built-in world: 192 training and 48 test prompts with six answers each, " +
      "whose rewards are known, so that every front can be held against the exact one.",
    notes,
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

/** Settings of an objective in the built-in world, and the steps that its preset trains. */
interface Objective {
  make: Make;
  steps: number;
}

function objectiveOf(objective: "dpo" | "ppo", options: PlanOptions): Objective {
  const preset = settings({ objective, grid: options.grid });
  const own = steps(preset.max_steps, options);
  return { steps: own, make: (changes = {}) => ({ ...preset, max_steps: own, ...changes }) };
}

function dpoAndBudget({ make, steps }: Objective, options: PlanOptions): Study[] {
  const metrics: Study["metrics"] = ["implicit_accuracy"];
  return [
    ...dpoStudies(make, { metrics, figures: ["same_compute_dpo", "ablations", "labellers"] }),
    ...sameBudget("dpo", { make, steps }, { options, figures: ["same_compute_dpo"], metrics }),
  ];
}

function ppoStudies({ make, steps: whole }: Objective, options: PlanOptions): Study[] {
  const figures: FigureName[] = ["figure_4_left"];
  const stage = Math.max(1, Math.round(whole / STAGES));
  return [
    {
      method: panaceaPpo,
      metrics: ["reward"],
      config: ({ first }) => make(first ? { eval_steps: stage } : {}),
    },
    {
      method: methodOf({
        family: "panacea",
        objective: "ppo",
        aggregation: "tche",
        label: "Panacea Tche (RLHF)",
        figures: [...figures, "curves"],
      }),
      config: () => make({ aggregation: "tche" }),
    },
    {
      method: soupsPpo,
      kind: "rewarded_soups",
      config: () => make(),
    },
    {
      method: policiesPpo,
      kind: "discrete_policies",
      memberGrid: options.grid,
      late: true,
      config: () => make(),
    },
    ...sameBudget("ppo", { make, steps: whole }, {
      options,
      figures: ["same_compute_rlhf"],
      metrics: [],
    }),
  ];
}

/** The baselines again, with as many steps for all of their members together as Panacea's one run. */
function sameBudget(
  objective: "dpo" | "ppo",
  { make, steps: whole }: Objective,
  { options, figures, metrics }: {
    options: PlanOptions;
    figures: FigureName[];
    metrics: Study["metrics"];
  },
): Study[] {
  const suffix = `same budget in all (${objective === "ppo" ? "RLHF" : "DPO"})`;
  const each = (members: number) => () =>
    make({ max_steps: Math.max(1, Math.round(whole / members)) });
  return [
    {
      method: methodOf({
        ...{ family: "rewarded_soups", objective, variant: "same budget", figures },
        label: `Rewarded Soups, ${suffix}`,
      }),
      kind: "rewarded_soups",
      metrics,
      config: each(2),
    },
    {
      method: methodOf({
        ...{ family: "discrete_policies", objective, variant: "same budget", figures },
        label: `Discrete policies, ${suffix}`,
      }),
      kind: "discrete_policies",
      memberGrid: options.grid,
      metrics,
      config: each(options.grid),
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
