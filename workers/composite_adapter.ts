// A composite adapter from its members' folders to a folder of its own, which fronts, chat and the
// page then take like that of any run. Called by baselines.ts; doing it again changes nothing.
import { assembleMembers } from "../core/baselines/assemble.ts";
import type { CompositeKind } from "../core/adapters/mod.ts";
import type { RunConfig } from "../core/config.ts";
import { InputError } from "../core/errors.ts";
import type { FrontReport } from "../core/front/report.ts";
import { hashParameters } from "../data/store/adapter_config.ts";
import { holdsAdapter } from "../data/store/adapter_files.ts";
import { findFront } from "../data/store/front_lookup.ts";
import { frontName } from "../data/store/front_settings.ts";
import { AdapterConfig, describeAdapter, openAdapter, openRun } from "../data/store/run_folder.ts";
import { frontSettings } from "./front_settings.ts";
import { runFront } from "./fronts.ts";
import { modelCard } from "./model_card.ts";
import type { BaselinesRequest, SessionOptions } from "./protocol.ts";
import { fromTensors, toTensors } from "./stored_adapter.ts";
import { FINAL_FRONT } from "./training.ts";

/** What a composite adapter is made of. */
export interface CompositeParts {
  kind: CompositeKind;
  folders: string[]; // of the members' runs
  preferences: number[][]; // of the members
  /** The settings all members share; `output_dir` is where the composite goes. */
  template: RunConfig;
  front: BaselinesRequest["front"];
}

/**
 * Stores the adapter and its front and returns the front. Throws InputError where the folder holds
 * something else, and as runFront does.
 */
export async function storeComposite(
  { kind, folders, preferences, template, front }: CompositeParts,
  options: SessionOptions,
): Promise<FrontReport> {
  const { output_dir } = template;
  const stored = await Promise.all(folders.map((folder) => openAdapter(folder)));
  const [first] = stored;
  if (first === undefined) throw new TypeError("Cannot assemble an adapter: expected members");
  const tensors = toTensors(assembleMembers(stored.map(({ tensors }) => fromTensors(tensors))));
  const config = AdapterConfig.parse({ // in the order of the schema, as it is read back
    ...first.config,
    adapter: kind,
    members: preferences,
    steps: stored.reduce((sum, { config }) => sum + config.steps, 0),
  });
  await using run = await openRun(output_dir, { create: true });
  const before = await holdsAdapter(output_dir) ? await describeAdapter(output_dir) : null;
  if (before !== null && before.config.adapter !== kind) {
    throw new InputError(
      `Cannot store ${kind} in ${output_dir}: expected it empty or with an earlier one, ` +
        `got an adapter ${before.config.adapter}`,
    );
  }
  const isNew = before?.parametersHash !== hashParameters(tensors) ||
    JSON.stringify(before.config) !== JSON.stringify(config);
  if (isNew) {
    await run.saveConfig(template);
    await run.saveAdapter({ tensors, config, card: await modelCard(config, template, undefined) });
  }
  const report = await frontOf(output_dir, front, options);
  const card = await modelCard(config, template, report);
  if (isNew || before?.card !== card) await run.saveAdapter({ tensors, config, card });
  return report;
}

/** The stored front of an adapter, or a new one. */
async function frontOf(
  adapter: string,
  front: BaselinesRequest["front"],
  options: SessionOptions,
): Promise<FrontReport> {
  const wanted = { ...front, adapter };
  const settings = await frontSettings(wanted);
  const found = await findFront(adapter, settings);
  if (found !== null) return found.report;
  // As at the end of a training: the usual front is the final one.
  const name = front.metric === undefined ? FINAL_FRONT : frontName(settings);
  return (await runFront({ ...wanted, name }, options)).report;
}
