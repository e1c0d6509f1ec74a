// A training run asked for over HTTP as a RunConfig: its name becomes a folder under the runs, its
// model and data come out of the files folder or the hub (a model also out of the run that made it),
// and preset and defaults fill in the rest.
import { join } from "node:path";
import type { RunConfig } from "../core/config.ts";
import { resolveDataset, resolveModel, resolveRunModel } from "../data/files_root.ts";
import type { Places } from "./permissions.ts";
import { resolveRewards } from "./reward_names.ts";
import { completeSettings } from "./run_settings.ts";
import { CreateRun } from "./service.ts";

/** A run that may be started. */
export interface NewRun {
  config: RunConfig;
  /** The same as it is stored and shown: every setting, models and data as they were named. */
  request: CreateRun;
}

/**
 * Checks and completes a request. Throws InputError for settings that cannot be used, and for
 * models and data sets that are neither `builtin`, on the hub, nor in the files folder.
 */
export async function newRun(
  asked: CreateRun,
  { runs, files }: Pick<Places, "runs" | "files">,
): Promise<NewRun> {
  const { name, preset, ...given } = CreateRun.parse(asked);
  const { output_dir, ...settings } = completeSettings(
    { ...given, output_dir: join(runs, name) },
    { preset, label: (setting) => setting },
  );
  const { model_name_or_path, dataset, eval_dataset, ptx_dataset, reward_model } = settings;
  return {
    config: {
      ...settings,
      output_dir,
      model_name_or_path: await resolveRunModel(runs, model_name_or_path) ??
        await resolveModel(files, model_name_or_path),
      dataset: await resolveDataset(files, dataset),
      ...(eval_dataset !== undefined && {
        eval_dataset: await resolveDataset(files, eval_dataset),
      }),
      ...(ptx_dataset !== undefined && {
        ptx_dataset: await resolveDataset(files, ptx_dataset),
      }),
      ...(reward_model !== undefined && {
        reward_model: await resolveRewards({ runs, files }, reward_model),
      }),
    },
    request: { name, ...settings },
  };
}
