// What the numbers of a front depend on, collected from the disk without loading a model. A front is
// looked up by it before it is measured, and carries it afterwards.
import { dirname } from "node:path";
import { RunConfig } from "../core/config.ts";
import { InputError } from "../core/errors.ts";
import type { Metric } from "../core/front/report.ts";
import { datasetFingerprint } from "../data/datasets/fingerprint.ts";
import { namedDatasets } from "../data/datasets/mod.ts";
import { HELD_OUT } from "../data/datasets/split.ts";
import type { FrontSettings } from "../data/store/front_settings.ts";
import { type AdapterConfig, describeAdapter, loadConfig } from "../data/store/run_folder.ts";
import { sha256 } from "../data/store/manifest.ts";
import type { FrontRequest } from "./protocol.ts";

/** What of a FrontRequest decides about the numbers; engine, threads and device do not. */
export type WantedFront =
  & Pick<FrontRequest, "adapter" | "grid" | "bootstrap" | "seed">
  & Partial<Pick<FrontRequest, "dataset" | "limit" | "metric" | "dtype">>;

/** Data that a front is measured on. */
export interface EvaluationData {
  /** Dataset option that the rows are from. */
  dataset: string;
  /** Whether they are the share of a run's rows that it did not train on. */
  heldOut: boolean;
  /** sha256 (hex): equal only for the same rows. */
  fingerprint: string;
}

/**
 * The settings that a front asked for like this has: for findFront, and for the name of its files.
 * Throws as openAdapter does, and InputError where test data are missing or do not have the metric.
 */
export async function frontSettings(wanted: WantedFront): Promise<FrontSettings> {
  const { config, parametersHash } = await describeAdapter(wanted.adapter);
  const run = await runOf(wanted.adapter);
  const data = await evaluationData(wanted, { run, dimensions: config.dimensions });
  return composeSettings(wanted, { config, parametersHash, run, data });
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
  const spec = dataset ?? run?.eval_dataset ?? run?.dataset;
  if (spec === undefined) {
    throw new InputError(
      `Cannot choose test data for ${adapter}: expected --dataset, or the run it belongs to ` +
        "around it, got neither",
    );
  }
  const fingerprint = await datasetFingerprint(spec, dimensions);
  const given = (dataset ?? run?.eval_dataset) !== undefined;
  if (given || run === null || Object.hasOwn(namedDatasets, spec)) {
    return { dataset: spec, heldOut: false, fingerprint };
  }
  const split = JSON.stringify({ fingerprint, share: HELD_OUT, seed: run.seed });
  return { dataset: spec, heldOut: true, fingerprint: sha256(split) };
}

/** The metric asked for, or the data's own; throws InputError where the data do not have it. */
export function chooseMetric(dataset: string, metric: Metric | undefined): Metric {
  const known: Metric[] = Object.hasOwn(namedDatasets, dataset)
    ? ["expected_reward", "implicit_accuracy"]
    : ["implicit_accuracy"];
  const chosen = metric ?? known[0];
  if (chosen !== undefined && known.includes(chosen)) return chosen;
  throw new InputError(
    `Cannot measure the front: expected a metric that its test data have, ${
      known.join(" or ")
    }, got ${metric}`,
  );
}

/** The settings out of all that they come from. */
export function composeSettings(
  wanted: Omit<WantedFront, "adapter">,
  { config, parametersHash, run, data }: {
    config: AdapterConfig;
    parametersHash: string;
    run: RunConfig | null;
    data: EvaluationData;
  },
): FrontSettings {
  const { max_length, overlong, dtype } = RunConfig.parse(run ?? {});
  return {
    adapterHash: parametersHash,
    base: config.base_fingerprint,
    template: config.template_fingerprint,
    loraAlpha: config.lora_alpha,
    beta: config.beta,
    objective: config.objective,
    aggregation: config.aggregation,
    metric: chooseMetric(data.dataset, wanted.metric),
    data: data.fingerprint,
    dimensions: config.dimensions,
    grid: wanted.grid,
    limit: wanted.limit ?? null,
    maxLength: max_length,
    overlong,
    resamples: wanted.bootstrap,
    seed: wanted.seed,
    dtype: wanted.dtype ?? dtype,
  };
}
