// What the numbers of a front depend on, collected from the disk without loading a model. A front is
// looked up by it before it is measured, and carries it afterwards.
import { dirname, join } from "node:path";
import { RunConfig } from "../core/config.ts";
import { InputError } from "../core/errors.ts";
import { type Metric, metrics } from "../core/front/report.ts";
import { datasetFingerprint } from "../data/datasets/fingerprint.ts";
import { namedDataset, namedDatasets } from "../data/datasets/mod.ts";
import { HELD_OUT } from "../data/datasets/split.ts";
import type { FrontSettings, ResponseSettings } from "../data/store/front_settings.ts";
import { type AdapterConfig, describeAdapter, loadConfig } from "../data/store/run_folder.ts";
import { sha256 } from "../data/store/manifest.ts";
import type { FrontRequest } from "./protocol.ts";
import { rewardFingerprint } from "./rewards/fingerprint.ts";

/** What of a FrontRequest decides about the numbers; engine, threads and device do not. */
export type WantedFront =
  & Pick<FrontRequest, "adapter" | "grid" | "bootstrap" | "seed">
  & Partial<
    Pick<
      FrontRequest,
      | "checkpoint"
      | "dataset"
      | "limit"
      | "metric"
      | "reward_model"
      | "max_new_tokens"
      | "rollout_format"
      | "dtype"
    >
  >;

/** Metrics that data sets without files have besides, the usual one first. */
const ownMetrics: Record<string, Metric[]> = {
  builtin: ["expected_reward", "implicit_accuracy", "reward"],
};
/** What judges responses to their prompts. */
const ownRewards: Record<string, string> = { builtin: "builtin" };
/** Metrics of any other test data, the usual one first, by objective. */
const usualMetrics: Partial<Record<string, Metric[]>> = { ppo: ["reward", "implicit_accuracy"] };

/** Data that a front is measured on. */
export interface EvaluationData {
  /** Dataset option that the rows are from. */
  dataset: string;
  /** Whether they are the share of a run's rows that it did not train on. */
  heldOut: boolean;
  /** The run's option `columns`, which its test data follow too. */
  columns?: string;
  /** sha256 (hex): equal only for the same rows. */
  fingerprint: string;
}

/**
 * The settings that a front asked for like this has: for findFront, and for the name of its files.
 * Throws as openAdapter does, and InputError where test data are missing or do not have the metric.
 */
export async function frontSettings(wanted: WantedFront): Promise<FrontSettings> {
  const { config, parametersHash } = await describeAdapter(adapterFolder(wanted));
  const run = await runOf(wanted.adapter);
  const data = await evaluationData(wanted, { run, dimensions: config.dimensions });
  const responses = await responseSettings(wanted, { config, run, data });
  return composeSettings(wanted, { config, parametersHash, run, data, responses });
}

/** The folder that holds the adapter itself: that of the run, or of one of its checkpoints. */
export function adapterFolder(
  { adapter, checkpoint }: Pick<FrontRequest, "adapter" | "checkpoint">,
): string {
  return checkpoint === undefined ? adapter : join(adapter, `checkpoint-${checkpoint}`);
}

/** The configuration of the run that an adapter's folder is, or lies in; null where there is none. */
export async function runOf(adapter: string): Promise<RunConfig | null> {
  return await loadConfig(adapter) ?? await loadConfig(dirname(adapter));
}

/** The data set asked for, or the run's own test data; throws InputError where there is neither. */
export async function evaluationData(
  { dataset, adapter }: Pick<WantedFront, "dataset" | "adapter">,
  { run, dimensions }: { run: RunConfig | null; dimensions: string[] },
): Promise<EvaluationData> {
  const wanted = dataset ?? run?.eval_dataset ?? run?.dataset;
  if (wanted === undefined) {
    throw new InputError(
      `Cannot choose test data for ${adapter}: expected --dataset, or the run it belongs to ` +
        "around it, got neither",
    );
  }
  // Variants of a named data set differ in their training rows alone.
  const spec = namedDataset(wanted)?.name ?? wanted;
  const columns = run?.columns;
  const fingerprint = await datasetFingerprint(spec, dimensions, columns);
  const read = { dataset: spec, ...columns !== undefined && { columns } };
  const given = (dataset ?? run?.eval_dataset) !== undefined;
  if (given || run === null || Object.hasOwn(namedDatasets, spec)) {
    return { ...read, heldOut: false, fingerprint };
  }
  const split = JSON.stringify({ fingerprint, share: HELD_OUT, seed: run.seed });
  return { ...read, heldOut: true, fingerprint: sha256(split) };
}

/**
 * The metric asked for, or the usual one of test data and objective; throws InputError where the
 * data do not have it.
 */
export function chooseMetric(
  dataset: string,
  metric: Metric | undefined,
  objective?: string,
): Metric {
  const known = ownMetrics[dataset] ?? usualMetrics[objective ?? ""] ??
    ["implicit_accuracy", "reward"];
  const chosen = metric ?? known[0];
  if (chosen !== undefined && known.includes(chosen)) return chosen;
  throw new InputError(
    `Cannot measure the front: expected a metric that its test data have, ${
      known.join(" or ")
    }, got ${metric}`,
  );
}

/** What judges the responses of a front; throws InputError where nothing was named. */
export function rewardSpec(
  { reward_model }: Pick<WantedFront, "reward_model">,
  { run, data }: { run: RunConfig | null; data: EvaluationData },
): string {
  const spec = reward_model ?? run?.reward_model ?? ownRewards[data.dataset];
  if (spec !== undefined) return spec;
  throw new InputError(
    "Cannot measure rewards: expected reward_model, or an adapter of a run that had one, got neither",
  );
}

/**
 * What the metric `reward` depends on besides; undefined for the others. Throws InputError where no
 * reward model is named, or what is named is none.
 */
export async function responseSettings(
  wanted: Omit<WantedFront, "adapter">,
  { config, run, data }: {
    config: Pick<AdapterConfig, "dimensions" | "objective">;
    run: RunConfig | null;
    data: EvaluationData;
  },
): Promise<ResponseSettings | undefined> {
  const metric = chooseMetric(data.dataset, wanted.metric, config.objective);
  if (!metrics[metric].generated) return undefined;
  const { max_new_tokens, rollout_format } = RunConfig.parse(run ?? {});
  return {
    rewardModel: await rewardFingerprint(rewardSpec(wanted, { run, data }), config.dimensions),
    maxNewTokens: wanted.max_new_tokens ?? max_new_tokens,
    format: wanted.rollout_format ?? rollout_format,
  };
}

/** The settings out of all that they come from. */
export function composeSettings(
  wanted: Omit<WantedFront, "adapter">,
  { config, parametersHash, run, data, responses }: {
    config: AdapterConfig;
    parametersHash: string;
    run: RunConfig | null;
    data: EvaluationData;
    responses?: ResponseSettings;
  },
): FrontSettings {
  const { max_length, overlong, dtype } = RunConfig.parse(run ?? {});
  return {
    adapterHash: parametersHash,
    base: config.base_fingerprint,
    template: config.template_fingerprint,
    loraAlpha: config.lora_alpha,
    ...config.lora_scaling_factor && { loraScalingFactor: config.lora_scaling_factor },
    ...config.members && { composite: `${config.adapter} ${JSON.stringify(config.members)}` },
    beta: config.beta,
    objective: config.objective,
    ...config.loss_type && { lossType: config.loss_type },
    aggregation: config.aggregation,
    metric: chooseMetric(data.dataset, wanted.metric, config.objective),
    data: data.fingerprint,
    dimensions: config.dimensions,
    grid: wanted.grid,
    limit: wanted.limit ?? null,
    maxLength: max_length,
    overlong,
    resamples: wanted.bootstrap,
    seed: wanted.seed,
    dtype: wanted.dtype ?? dtype,
    ...responses && { responses },
  };
}
