// Figure 3: the rewards of one run's answers under several λ, beside those of the initial model.
import { distributionsSvg } from "../../front/render.ts";
import type { KeptFront, Results } from "../results.ts";
import type { Figure } from "./figure.ts";

/** Figure 3. */
export const distributions: Figure = {
  heading: "Figure 3: reward distributions",
  caption: ({ results }) => {
    const shown = shownFront(results);
    const told = shown === undefined ? "" : ` ${shown.label}, seed ${shown.seed}.`;
    return `Rewards of greedy answers to the test prompts under λ, beside those of the model ` +
      `without adapter.${told} In the paper both dimensions shift to the right at every λ, and ` +
      "each further with its weight.";
  },
  draw({ results }, width) {
    const shown = shownFront(results);
    if (shown === undefined) return null;
    const report = { ...shown.front, adapter: shown.label, settings: {} };
    const title = "Rewards of answers by λ";
    return width === "wide"
      ? distributionsSvg(report, { title })
      : distributionsSvg(report, { title, width: 316, columns: 1 });
  },
};

/** The first front with distributions of a method that feeds the figure. */
function shownFront(
  { methods, runs }: Results,
): { front: KeptFront; label: string; seed: number } | undefined {
  for (const { name, label, figures } of methods) {
    if (!figures.includes("figure_3")) continue;
    for (const { method, seed, fronts } of runs) {
      if (method !== name) continue;
      const front = Object.values(fronts).find(({ distributions }) => distributions !== undefined);
      if (front !== undefined) return { front, label, seed };
    }
  }
  return undefined;
}
