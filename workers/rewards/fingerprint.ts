// What rewards depend on, told without loading a model: a front measured by them is looked up by it.
import { join } from "node:path";
import { InputError } from "../../core/errors.ts";
import { builtinWorld } from "../../data/builtin/mod.ts";
import { fileHash } from "../../data/file_hash.ts";
import { statOrNull } from "../../data/files.ts";
import { describeAdapter } from "../../data/store/adapter_files.ts";
import { sha256 } from "../../data/store/manifest.ts";
import { classifierFiles, findModelFile } from "./classifier_files.ts";
import { kindOf, type RewardKind, splitLabel } from "./kinds.ts";
import { sourcesByDimension } from "./spec.ts";

/** To be raised when data/builtin/judge.ts gives other rewards than before. */
const JUDGE_VERSION = 1;

const fingerprints: Record<
  RewardKind,
  (source: string, dimensions: string[]) => Promise<unknown>
> = {
  builtin: (_, dimensions) =>
    Promise.resolve([JUDGE_VERSION, sha256(JSON.stringify(builtinWorld(dimensions)))]),
  async stored(source) {
    const { parametersHash, config } = await describeAdapter(source, {
      format: "panacea-reward-model",
    });
    return [parametersHash, config.base_fingerprint, config.template_fingerprint];
  },
  async classifier(source) {
    const { model, label } = splitLabel(source);
    if (await statOrNull(model) === null) return [model, label]; // on the hub
    const names = [await findModelFile(model), ...classifierFiles];
    const hashes = await Promise.all(
      names.map((name) =>
        fileHash(join(model, name)).catch((error) => {
          if (error instanceof Deno.errors.NotFound) return null;
          throw error;
        })
      ),
    );
    return [hashes, label];
  },
};

/**
 * sha256 (hex): equal only for the same rewards of `dimensions`, wherever they lie; a hub id stands
 * for itself. Throws InputError where the spec names something that is no source of rewards.
 */
export async function rewardFingerprint(spec: string, dimensions: string[]): Promise<string> {
  const parts = [];
  for (const [i, source] of sourcesByDimension(spec, dimensions).entries()) {
    const kind = await kindOf(source);
    parts.push([dimensions[i], kind, await fingerprints[kind](source, dimensions)]);
  }
  if (parts.length === 0) {
    throw new InputError("Cannot use rewards: expected a dimension, got none");
  }
  return sha256(JSON.stringify(parts));
}
