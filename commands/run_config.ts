// The settings of a run out of four layers: flags over a YAML file over a preset over the schema's
// defaults. `deno task train` comes through here before anything is read or computed.
import { parseDocument } from "yaml";
import { presets, RunConfig } from "../core/config.ts";
import { InputError } from "../core/errors.ts";
import { completeSettings } from "../workers/run_settings.ts";
import { checkValue, flagsOf, nearestName } from "./flags.ts";

/** What the user gave: checked flags, the path of a YAML file, the name of a preset. */
export interface GivenLayers {
  flags: Record<string, unknown>;
  config?: string;
  preset?: string;
}

/**
 * The whole configuration. Without a named preset, a run in the built-in world gets the preset of its objective.
 * Throws InputError for an unreadable or wrong YAML file, an unknown key or preset (with the
 * nearest name), and for a run of an own model or data set that lacks one of
 * model_name_or_path, dataset and output_dir.
 */
export async function resolveRunConfig({ flags, config, preset }: GivenLayers): Promise<RunConfig> {
  const given = { ...(config === undefined ? {} : await readYaml(config)), ...flags };
  requireKnownPreset(preset);
  return completeSettings(given, { preset, label: (setting) => `--${setting}` });
}

function requireKnownPreset(preset: string | undefined): void {
  const names = Object.keys(presets);
  if (preset === undefined || names.includes(preset)) return;
  throw new InputError(
    `Cannot use --preset: expected one of ${names.join(", ")}, got ${JSON.stringify(preset)} ` +
      `(nearest: ${nearestName(preset, names)})`,
  );
}

/** The settings in a YAML (or JSON) file, each checked; relative paths stay as written. */
async function readYaml(path: string): Promise<Record<string, unknown>> {
  const settings = parseYaml(await readText(path), path) ?? {};
  if (typeof settings !== "object" || settings === null || Array.isArray(settings)) {
    throw new InputError(
      `Cannot read ${path}: expected lines of the form name: value, got ${
        Array.isArray(settings) ? "a list" : JSON.stringify(settings)
      }`,
    );
  }
  const flags = flagsOf(RunConfig);
  const names = flags.map((flag) => flag.name);
  const values: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(settings)) {
    const flag = flags.find((candidate) => candidate.name === key);
    if (!flag) {
      throw new InputError(
        `Cannot use ${path}: expected a known setting, got ${JSON.stringify(key)} ` +
          `(nearest: ${nearestName(key, names)})`,
      );
    }
    const label = `${key} in ${path}`;
    values[key] = checkValue(RunConfig, flag, { value, label, given: value });
  }
  return values;
}

function parseYaml(text: string, path: string): unknown {
  const document = parseDocument(text);
  try {
    if (document.errors[0]) throw document.errors[0];
    return document.toJS(); // throws for aliases without an anchor, and for too many of them
  } catch (error) {
    const [line = ""] = error instanceof Error ? error.message.split("\n") : [];
    throw new InputError(`Cannot read ${path}: expected YAML, got ${line.replace(/[:.]+$/, "")}`, {
      cause: error,
    });
  }
}

async function readText(path: string): Promise<string> {
  try {
    const { isFile } = await Deno.stat(path);
    if (!isFile) {
      throw new InputError(`Cannot read --config ${path}: expected a file, got a folder`);
    }
    return await Deno.readTextFile(path);
  } catch (error) {
    const expected = [Deno.errors.NotFound, Deno.errors.PermissionDenied, Deno.errors.NotCapable];
    if (!expected.some((kind) => error instanceof kind)) throw error;
    const found = error instanceof Deno.errors.NotFound ? "none at that path" : "one closed to us";
    throw new InputError(`Cannot read --config ${path}: expected a YAML file, got ${found}`);
  }
}
