// Reward models as they are named over HTTP: a trained reward model by its name among the runs, an ONNX
// classifier by its path in the folder of files or its hub id, or `builtin`. What comes out is what
// openRewards takes; and what a job that opens it has to be allowed and given.
import { dirname, resolve } from "node:path";
import { InputError, NotFoundError } from "../core/errors.ts";
import { BuiltinModel } from "../data/builtin/mod.ts";
import { statOrNull } from "../data/files.ts";
import { resolveModel } from "../data/files_root.ts";
import { describeAdapter } from "../data/store/adapter_files.ts";
import { AdapterId, resolveAdapter } from "../data/store/adapters.ts";
import type { Places } from "./permissions.ts";
import { kindOf, type RewardKind, splitLabel } from "./rewards/kinds.ts";
import { parseRewards } from "./rewards/spec.ts";

/**
 * The option reward_model as a request gives it, each source by where it lies. Throws InputError for
 * anything that is neither a run's name, nor in the folder of files, nor on the hub.
 */
export async function resolveRewards(
  { runs, files }: Pick<Places, "runs" | "files">,
  spec: string,
): Promise<string> {
  if (spec !== spec.trim()) {
    throw new InputError(
      `Cannot read reward_model: expected no space around it, got ${JSON.stringify(spec)}`,
    );
  }
  const parts: string[] = [];
  for (const { dimension, source } of parseRewards(spec)) {
    const { model, label } = splitLabel(source);
    const found = await runNamed(runs, model) ?? await resolveModel(files, model);
    const name = label === null ? found : `${found}#${label}`;
    parts.push(dimension === null ? name : `${dimension}=${name}`);
  }
  return parts.join(",");
}

/** What a job that opens reward models needs besides what every job has. */
export interface RewardNeeds {
  /** Files and folders that it reads. */
  inputs: string[];
  /** Models and classifiers of the hub, or anything local, to be on this machine before it starts. */
  models: { name: string; revision: string }[];
  classifiers: string[];
}

const needs: Record<RewardKind, (source: string) => Promise<RewardNeeds>> = {
  builtin: () => Promise.resolve(NOTHING),
  async stored(source) {
    const { config } = await describeAdapter(source, { format: "panacea-reward-model" });
    const model = config.base_model;
    const isLocal = model !== BuiltinModel.name && await statOrNull(model) !== null;
    return {
      inputs: [resolve(source), resolve(dirname(source)), ...(isLocal ? [resolve(model)] : [])],
      models: [{ name: model, revision: "main" }],
      classifiers: [],
    };
  },
  async classifier(source) {
    const { model } = splitLabel(source);
    const isLocal = await statOrNull(model) !== null;
    return { inputs: isLocal ? [resolve(model)] : [], models: [], classifiers: [model] };
  },
};
const NOTHING: RewardNeeds = { inputs: [], models: [], classifiers: [] };

/** What all sources of a resolved option need; nothing for undefined. */
export async function rewardNeeds(spec: string | undefined): Promise<RewardNeeds> {
  const parts = spec === undefined ? [] : parseRewards(spec);
  const all = [NOTHING];
  for (const { source } of parts) all.push(await needs[await kindOf(source)](source));
  return {
    inputs: all.flatMap(({ inputs }) => inputs),
    models: all.flatMap(({ models }) => models),
    classifiers: all.flatMap(({ classifiers }) => classifiers),
  };
}

/** The folder of the run that a name means; null where no run is called so. */
async function runNamed(runs: string, name: string): Promise<string | null> {
  if (name === BuiltinModel.name || !AdapterId.safeParse(name).success) return null;
  try {
    return await resolveAdapter(runs, name);
  } catch (error) {
    if (error instanceof NotFoundError) return null;
    throw error;
  }
}
