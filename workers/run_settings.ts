// The settings of a run out of what was given, over a preset, over the schema's defaults: the same
// for the command line (commands/run_config.ts) and for a run asked for over HTTP (new_run.ts).
import { builtinPresets, presets, RunConfig } from "../core/config.ts";
import { InputError } from "../core/errors.ts";
import { namedDataset } from "../data/datasets/mod.ts";

/**
 * The whole configuration. Without a named preset, a run in the built-in world gets the one of its objective.
 * `label` says how a setting is called where it was given: `--dataset` or `dataset`.
 * Throws InputError for an unknown preset, settings outside the schema, and a run of an own model
 * or data set that lacks one of model_name_or_path, dataset and output_dir.
 */
export function completeSettings(
  given: Record<string, unknown>,
  { preset, label }: { preset?: string; label: (setting: string) => string },
): RunConfig {
  requireOwnRun(given, { preset, label });
  const result = RunConfig.safeParse({ ...presetValues(given, preset), ...given });
  if (result.success) return result.data;
  const issues = result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new InputError(`Cannot use these settings: ${issues.join("; ")}`);
}

function presetValues(
  given: Record<string, unknown>,
  preset: string | undefined,
): Partial<RunConfig> {
  const model = given.model_name_or_path ?? "builtin";
  const objective = RunConfig.shape.objective.safeParse(given.objective).data ?? "dpo";
  const name = preset ?? (model === "builtin" ? builtinPresets[objective] : undefined);
  if (name === undefined) return {};
  const found = Object.hasOwn(presets, name) ? presets[name] : undefined;
  if (found) return found.values;
  throw new InputError(
    `Cannot use preset: expected one of ${Object.keys(presets).join(", ")}, ` +
      `got ${JSON.stringify(name)}`,
  );
}

/** Half a run of one's own must not fall back on the built-in model, data or folder unnoticed. */
function requireOwnRun(
  given: Record<string, unknown>,
  { preset, label }: { preset?: string; label: (setting: string) => string },
): void {
  const own = (key: string) => given[key] !== undefined && given[key] !== "builtin";
  const ownData = own("dataset") && namedDataset(String(given.dataset)) === null;
  const builtin: string[] = Object.values(builtinPresets);
  if (
    (preset !== undefined && builtin.includes(preset)) ||
    !(own("model_name_or_path") || ownData)
  ) return;
  const wanted = {
    model_name_or_path: "a model folder, hub id or .gguf file",
    dataset: "preference files",
    output_dir: "a folder for the run",
  };
  for (const [key, what] of Object.entries(wanted)) {
    if (given[key] === undefined) {
      throw new InputError(`Cannot train: expected ${label(key)} with ${what}, got none`);
    }
  }
}
