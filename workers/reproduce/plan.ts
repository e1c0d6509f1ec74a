// What a reproduction runs: from a scale and a few flags to a list of runs with their settings, seeds
// and figures. A pure function, so that the plan can be printed, tested and gone on with. First stop
// of `deno task reproduce`; execute.ts runs the list.
import type { CompositeKind } from "../../core/adapters/mod.ts";
import type { RunConfig } from "../../core/config.ts";
import type { Metric } from "../../core/front/report.ts";
import type { FigureName } from "../../core/report/figure_names.ts";
import type { Family, Method, Mixture } from "../../core/report/results.ts";

/** What a plan depends on. */
export interface PlanOptions {
  outputDir: string;
  seeds: number;
  /** Part of every run's steps that is trained, in (0, 1]. */
  share: number;
  /** Points per edge of the simplex, of fronts and of discrete policies. */
  grid: number;
  /** Resamples for the intervals of each front. */
  bootstrap: number;
  /** Figures to run for; empty: all. */
  only: FigureName[];
  /** Base model and preference files of scales that have none of their own. */
  model?: string;
  dataset?: string;
  evalDataset?: string;
  /** Settings of every run that change no number. */
  compute: Pick<RunConfig, "engine" | "threads" | "device">;
}

/** One run of the plan. */
export interface PlannedRun {
  /** Its folder under runs/. */
  name: string;
  /** Method that it is a seed of; of none where others only need it. */
  method: string;
  seed: number;
  /** Entry of the table in executors.ts: a run, or a baseline assembled out of several. */
  kind: "train" | CompositeKind;
  /** What is trained; of a baseline, the template of its members. */
  config: RunConfig;
  /** Points per edge of the simplex that the members of discrete_policies stand at. */
  memberGrid?: number;
  /** Fronts measured beside the run's own. */
  metrics: Metric[];
  /** Names of runs that must be finished before. */
  after: string[];
}

/** Everything a reproduction does. */
export interface Plan {
  scale: string;
  description: string;
  /** What a reader of the claims has to know at this scale. */
  notes: string[];
  dimensions: string[];
  methods: Method[];
  runs: PlannedRun[];
  mixtures: Mixture[];
  /** Method whose first seed answers `prompts`. */
  answering: string;
  prompts: string[];
}

/** A method, and how its run of a seed is made. */
export interface Study {
  method: Method;
  /** Whether one seed is all that it gets. */
  once?: boolean;
  /** Whether it comes after everything else, all seeds of it: it takes long and says little. */
  late?: boolean;
  kind?: PlannedRun["kind"];
  memberGrid?: number;
  metrics?: Metric[];
  /** Methods of helpers that it needs. */
  after?: string[];
  /** Settings of the run of a seed, grid included; `first` is the plan's first seed. */
  config(seed: { seed: number; first: boolean }): RunConfig;
}

/** A plan before its runs: what a scale says. */
export interface Outline extends Omit<Plan, "methods" | "runs"> {
  studies: Study[];
  /** Studies of no method, whose runs others need; each once. */
  helpers: Study[];
}

/** The first seed of a plan; the others follow. */
export const FIRST_SEED = 42;

/**
 * The plan of an outline: the studies that feed a wanted figure, with the helpers that they need,
 * seed by seed: after the first seed everything can be drawn once, and what the others add is their
 * intervals.
 */
export function completePlan(
  { studies, helpers, ...outline }: Outline,
  options: PlanOptions,
): Plan {
  const { only, seeds } = options;
  const wanted = studies.filter(({ method: { figures } }) =>
    only.length === 0 || figures.some((name) => only.includes(name))
  );
  const needed = helpers.filter(({ method: { name } }) =>
    wanted.some(({ after = [] }) => after.includes(name))
  );
  const numbers = Array.from({ length: seeds }, (_, i) => FIRST_SEED + i);
  const helping = needed.map((study) => runOf(study, { seed: FIRST_SEED, first: true, options }));
  const runs = [false, true].flatMap((last) =>
    numbers.flatMap((seed, i) =>
      wanted.filter(({ once, late = false }) => late === last && (i === 0 || !once))
        .map((study) => runOf(study, { seed, first: i === 0, options }))
    )
  );
  const names = wanted.map(({ method }) => method.name);
  return {
    ...outline,
    methods: wanted.map(({ method }) => method),
    runs: [...helping, ...runs],
    mixtures: outline.mixtures.filter(({ method }) => names.includes(method)),
  };
}

function runOf(
  { method, kind = "train", memberGrid, metrics = [], after = [], config }: Study,
  { seed, first, options }: { seed: number; first: boolean; options: PlanOptions },
): PlannedRun {
  const name = runName(method.name, seed);
  return {
    name,
    method: method.name,
    seed,
    kind,
    config: {
      ...config({ seed, first }),
      ...options.compute,
      bootstrap: options.bootstrap,
      seed,
      output_dir: runFolder(options.outputDir, name),
    },
    ...(memberGrid !== undefined && { memberGrid }),
    metrics,
    after: after.map((helper) => runName(helper, FIRST_SEED)),
  };
}

/** The name of a method's run of a seed. */
export function runName(method: string, seed: number): string {
  return `${method}_${seed}`;
}

/** Where a run of a reproduction lies. */
export function runFolder(outputDir: string, name: string): string {
  return `${outputDir.replace(/\/+$/, "")}/runs/${name}`;
}

/** A method with its name out of what it is. */
export function methodOf(
  { family, objective, aggregation = "ls", variant = "", label, figures }: {
    family: Family;
    objective: string;
    aggregation?: string;
    variant?: string;
    label: string;
    figures: FigureName[];
  },
): Method {
  const parts = [family, objective, ...(aggregation === "ls" ? [] : [aggregation]), variant];
  const name = parts.filter((part) => part !== "").join("_").replaceAll(/[^\w.-]+/g, "_");
  return { name, label, family, objective, aggregation, variant, figures };
}

/** A number of steps cut down to the plan's share, at least 1. */
export function steps(count: number, { share }: Pick<PlanOptions, "share">): number {
  return Math.max(1, Math.round(count * share));
}
