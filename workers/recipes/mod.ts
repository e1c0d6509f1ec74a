// The table of recipes, by the name of the objective in RunConfig. Each is loaded when a run wants
// it: none but PPO's needs ONNX Runtime.
import type { RunConfig } from "../../core/config.ts";
import type { Recipe } from "./recipe.ts";

export const recipes: Record<RunConfig["objective"], () => Promise<Recipe>> = {
  dpo: async () => (await import("./dpo.ts")).dpoRecipe,
  sft: async () => (await import("./sft.ts")).sftRecipe,
  reward: async () => (await import("./reward.ts")).rewardRecipe,
  ppo: async () => (await import("./ppo.ts")).ppoRecipe,
};
