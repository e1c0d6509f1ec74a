// The built-in world as the rest sees it: a model folder and a data set, both called `builtin`.
import { fileURLToPath } from "node:url";
import type { PreferenceDataset } from "../../core/text/example.ts";
import { parseLabellers } from "./labellers.ts";
import { builtinPreferences } from "./preferences.ts";
import { createWorld, type World } from "./world.ts";

/** The base model made by `deno task builtin`. */
export const BuiltinModel = {
  name: "builtin",
  folder: fileURLToPath(new URL("./model", import.meta.url)),
};

/** The world of the built-in data set; dimensions default to helpful and harmless. */
export function builtinWorld(dimensions: string[] | undefined): World {
  return createWorld(dimensions === undefined ? {} : { dimensions });
}

/**
 * Training pairs of the built-in world. `variant`: the mixed labellers whose scalar labels the pairs
 * carry, as parseLabellers() reads them; without it every dimension has labels of its own.
 */
export function loadBuiltin(
  { dimensions, variant }: { dimensions?: string[]; variant?: string },
): Promise<PreferenceDataset> {
  const world = builtinWorld(dimensions);
  const labellers = variant === undefined ? undefined : parseLabellers(variant, world.dimensions);
  return Promise.resolve(builtinPreferences(world, { labellers }));
}
