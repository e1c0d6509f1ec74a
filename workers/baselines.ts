// Baselines from settings to stored adapters: trains a policy for each preference that a method needs,
// as a run of its own, puts the members together, and sets the fronts and their cost side by side. The
// same call again goes on where the last one ended: finished members are not trained again.
import { basename, join } from "node:path";
import { baselines, comparedObjectives, memberRun } from "../core/baselines/mod.ts";
import {
  addCompute,
  comparedMethod,
  MethodComparison,
  runCompute,
  type TrainingCompute,
} from "../core/baselines/compute.ts";
import type { CompositeKind } from "../core/adapters/mod.ts";
import type { RunConfig } from "../core/config.ts";
import { InputError } from "../core/errors.ts";
import { comparisonCsv } from "../core/front/render.ts";
import { csvText } from "../core/front/csv.ts";
import { holdsAdapter } from "../data/store/adapter_files.ts";
import {
  type AdapterConfig,
  describeAdapter,
  loadConfig,
  loadMetrics,
  saveFigure,
} from "../data/store/run_folder.ts";
import { storeComposite } from "./composite_adapter.ts";
import { measureComparison } from "./front_comparison.ts";
import { figures } from "./front_figures.ts";
import type {
  BaselineAdapter,
  BaselinesReport,
  BaselinesRequest,
  SessionOptions,
} from "./protocol.ts";
import { recipes } from "./recipes/mod.ts";
import { changedSettings, runTraining } from "./training.ts";

/** Name of the figure that shows all methods, beside the run that they are compared with. */
export const BASELINES_FIGURE = "baselines";

/**
 * Trains what is not trained yet and assembles the baselines. Throws InputError for settings that
 * leave nothing to compare, for a member that was trained with other settings or rows, and as
 * runTraining and runFront do.
 */
export async function runBaselines(
  request: BaselinesRequest,
  options: SessionOptions,
): Promise<BaselinesReport> {
  const plan = await planMembers(request);
  let trainedNow = 0;
  for (const [i, { preference, config }] of plan.members.entries()) {
    if (await isFinished(config)) continue;
    trainedNow++;
    options.onEvent({
      type: "notice",
      message: `Member ${i + 1} of ${plan.members.length}: λ ${preference.join(", ")}`,
    });
    const { stopped } = await runTraining(config, withoutFronts(options));
    if (stopped) return { stopped, trainedNow, baselines: [], files: [] };
  }
  const expected = request.compared === undefined
    ? undefined
    : { name: request.compared, config: (await describeAdapter(request.compared)).config };
  await checkSameMaterial(plan.members.map(({ config }) => config.output_dir), expected);

  const assembled: BaselineAdapter[] = [];
  for (const { kind, members, template } of plan.methods) {
    const folders = members.map(({ config }) => config.output_dir);
    const preferences = members.map(({ preference }) => preference);
    await storeComposite({ kind, folders, preferences, template, front: request.front }, options);
    assembled.push({ kind, adapter: template.output_dir, members: folders });
  }
  const { comparison, files } = await compareMethods(request, assembled, options);
  return { stopped: false, trainedNow, baselines: assembled, comparison, files };
}

interface Member {
  preference: number[];
  config: RunConfig; // of its run
}

interface Method {
  kind: CompositeKind;
  members: Member[];
  template: RunConfig; // as the run_config.json of the composite adapter tells it
}

/** Which members the methods need: those that several of them share are there once. */
async function planMembers(
  request: BaselinesRequest,
): Promise<{ methods: Method[]; members: Member[] }> {
  const { template, kinds, points, folder, name } = request;
  const { dimensions } = await (await recipes[template.objective]()).open(template);
  const wrong = whyNotCompared(request, dimensions);
  if (wrong !== null) {
    throw new InputError(
      "Cannot train baselines: expected methods to compare with a run of objective " +
        `${comparedObjectives.join(" or ")} and adapter svd_lora over two or more dimensions, ` +
        `got ${wrong}`,
    );
  }
  const all = new Map<string, Member>();
  const methods = kinds.map((kind): Method => {
    const own = request.steps?.[kind];
    const steps = own === template.max_steps ? undefined : own;
    const suffix = steps === undefined ? "" : `-${steps}_steps`;
    const members = baselines[kind].members(dimensions.length, points).map((preference) => {
      const label = preference.map((weight) => Number(weight.toFixed(6))).join("_") + suffix;
      const place = join(folder, `${name}-members`, label);
      const config = memberRun(template, { preference, steps, folder: place });
      const member = all.get(place) ?? { preference, config };
      all.set(place, member);
      return member;
    });
    const settings: RunConfig = {
      ...template,
      adapter: "plain_svd_lora",
      lora_scaling_factor: 0,
      max_steps: steps ?? template.max_steps,
      output_dir: join(folder, `${name}-${kind}${suffix}`),
    };
    return { kind, members, template: settings };
  });
  return { methods, members: [...all.values()] };
}

/** What keeps a run from having baselines, or null. */
function whyNotCompared(
  { template: { objective, adapter, fixed_preference }, kinds }: BaselinesRequest,
  dimensions: string[],
): string | null {
  if (kinds.length === 0) return "no method";
  if (!comparedObjectives.includes(objective)) return `objective ${objective}`;
  if (adapter !== "svd_lora") return `adapter ${adapter}`;
  if (fixed_preference !== undefined) return `one for λ ${fixed_preference} alone`;
  return dimensions.length < 2 ? `the dimension ${dimensions.join("")} alone` : null;
}

/** Whether the run's adapter is there, trained with these settings. */
async function isFinished(config: RunConfig): Promise<boolean> {
  const { output_dir } = config;
  if (await Deno.stat(output_dir).catch(() => null) === null) return false;
  if (!await holdsAdapter(output_dir)) return false;
  const stored = await loadConfig(output_dir);
  return stored !== null && changedSettings(config, stored).length === 0;
}

/** Throws InputError unless all were trained on the same rows and the same base model. */
async function checkSameMaterial(
  members: string[],
  compared: { name: string; config: AdapterConfig } | undefined,
): Promise<void> {
  const keys = ["base_fingerprint", "template_fingerprint", "dataset_fingerprint"] as const;
  let expected = compared;
  for (const name of members) {
    const { config } = await describeAdapter(name);
    const first = expected ??= { name, config };
    const different = keys.find((key) => config[key] !== first.config[key]);
    if (different === undefined) continue;
    throw new InputError(
      `Cannot compare ${name} with ${first.name}: expected the same ` +
        `${different.replace("_fingerprint", "")}, got another; it has changed since`,
    );
  }
}

/** Fronts and cost of the run and of the baselines, written beside the first of them. */
async function compareMethods(
  { compared, front }: BaselinesRequest,
  assembled: BaselineAdapter[],
  options: SessionOptions,
): Promise<{ comparison: MethodComparison; files: string[] }> {
  const methods = [
    ...compared === undefined ? [] : [{ adapter: compared, members: [compared] }],
    ...assembled,
  ];
  const [adapter = "", ...others] = methods.map((method) => method.adapter);
  const fronts = await measureComparison({ ...front, adapter, others }, options);
  const rows = await Promise.all(methods.map(async (method, i) => {
    const { config } = await describeAdapter(method.adapter);
    const compute = addCompute(await Promise.all(method.members.map(computeOf)));
    const own = fronts.fronts[i];
    if (own === undefined) throw new TypeError("Cannot compare methods: a front is missing");
    const members = config.members ?? [];
    return comparedMethod(own, { adapter: basename(method.adapter), members, compute });
  }));
  const comparison = MethodComparison.parse({ methods: rows, fronts });
  const files = await saveFigure(adapter, BASELINES_FIGURE, {
    json: comparison,
    svg: await figures.comparison(fronts),
    csv: comparisonCsv(fronts),
    further: { "compute.csv": computeCsv(comparison) },
  });
  return { comparison, files };
}

async function computeOf(run: string): Promise<TrainingCompute> {
  return runCompute(await loadMetrics(run));
}

/** One row per method. */
function computeCsv({ methods }: MethodComparison): string {
  return csvText([
    ["method", "runs", "steps", "tokens", "seconds", "hypervolume", "per_million_tokens"],
    ...methods.map(({ name, compute, hypervolume, hypervolumePerMillionTokens }) => [
      name,
      ...[compute.runs, compute.steps, compute.tokens, compute.seconds].map(String),
      String(hypervolume),
      String(hypervolumePerMillionTokens ?? ""),
    ]),
  ]);
}

/** A member's own front is no result: it has one point. */
function withoutFronts(options: SessionOptions): SessionOptions {
  return {
    ...options,
    onEvent: (event) => event.type === "front" || options.onEvent(event),
  };
}
