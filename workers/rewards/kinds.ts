// What a name in the option reward_model stands for, told from the disk without opening anything.
import { join } from "node:path";
import { InputError } from "../../core/errors.ts";
import { BuiltinModel } from "../../data/builtin/mod.ts";
import { statOrNull } from "../../data/files.ts";
import { isHubId } from "../../data/model_files.ts";
import { holdsAdapter } from "../../data/store/adapter_files.ts";

/** A kind of source: see mod.ts. */
export type RewardKind = "builtin" | "stored" | "classifier";

/** A classifier's folder or hub id, and the label whose odds are the reward: `models/toxic#neutral`. */
export function splitLabel(source: string): { model: string; label: string | null } {
  const at = source.lastIndexOf("#");
  return at < 0
    ? { model: source, label: null }
    : { model: source.slice(0, at), label: source.slice(at + 1) };
}

/** The kind of a source; throws InputError for a name of nothing. */
export async function kindOf(source: string): Promise<RewardKind> {
  if (source === BuiltinModel.name) return "builtin";
  const { model } = splitLabel(source);
  const found = await statOrNull(model);
  if (found?.isDirectory && await statOrNull(join(model, "config.json"))) return "classifier";
  if (found?.isDirectory && (await holdsAdapter(model) || await isRun(model))) return "stored";
  if (!found && isHubId(model)) return "classifier";
  const got = found ? (found.isDirectory ? "a folder of neither" : "a file") : "nothing there";
  throw new InputError(
    `Cannot use reward model ${source}: expected the folder of a trained reward model or of an ONNX ` +
      `text classifier, a hub id, or builtin, got ${got}`,
  );
}

/** A run that has not finished is told as such where it is opened. */
async function isRun(folder: string): Promise<boolean> {
  return await statOrNull(join(folder, "run_config.json")) !== null;
}
