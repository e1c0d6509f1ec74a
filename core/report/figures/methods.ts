// Figures that put methods on the same axes: 4 left, 5, 7, more dimensions, and our own ablations.
import { figure as short } from "../../front/render.ts";
import type { Metric } from "../../front/report.ts";
import type { FigureName } from "../figure_names.ts";
import {
  anyMetric,
  axisOf,
  exactOf,
  fedBy,
  type Figure,
  metricOf,
  rewardMetrics,
  seedsLine,
  seriesOf,
} from "./figure.ts";
import { frontsSvg } from "./fronts.ts";

/**
 * A figure of all methods that feed it, by the first metric of `among` that was measured; null for
 * fewer than `least`, which compare nothing.
 */
export function methodsFigure(
  name: FigureName,
  { heading, title, caption, among, least = 2 }: {
    heading: string;
    title: string; // of the picture, at most 29 letters for the narrow one
    caption: string;
    among: Metric[];
    least?: number;
  },
): Figure {
  return {
    heading,
    caption: () => caption,
    draw(context, width) {
      const metric = metricOf(context, { figure: name, among });
      if (metric === undefined) return null;
      const fed = fedBy(context, { figure: name, metric });
      const [first] = fed;
      if (first === undefined || fed.length < least) return null;
      const { dimensions, referencePoint } = first.summary;
      const series = fed.filter(({ summary }) => summary.dimensions.join() === dimensions.join());
      const exact = exactOf(context, first.method.name, metric);
      const volumes = series.map(({ method, summary }) =>
        `${method.label} ${short(summary.values.hypervolume?.mean ?? NaN)}`
      );
      return frontsSvg({
        title,
        lines: [
          seedsLine(series.map(({ summary }) => summary)),
          `Hypervolume: ${volumes.join(", ")}`,
        ],
        dimensions,
        axis: axisOf(metric),
        series: series.map(seriesOf),
        ...(exact && { exact }),
        referencePoint,
      }, width);
    },
  };
}

/** Figure 4, left. */
export const rlhfFronts = methodsFigure("figure_4_left", {
  heading: "Figure 4, left: fronts with RLHF",
  title: "Fronts with RLHF",
  caption: "Panacea, one adapter for every λ, beside Rewarded Soups (an adapter per dimension, " +
    "interpolated) and Discrete Policy Solutions (an adapter per λ). In the paper Panacea lies " +
    "above both.",
  among: rewardMetrics,
});

/** Figure 5. */
export const dpoFronts = methodsFigure("figure_5", {
  heading: "Figure 5: fronts with DPO",
  title: "Fronts with DPO",
  caption:
    "Share of labelled test pairs whose order the implicit reward β·log π/π_ref gets right " +
    "(ties are wrong), for Panacea with linear scalarisation and with Tchebycheff, and Rewarded " +
    "Soups. In the paper both Panaceas lie above.",
  among: ["implicit_accuracy"],
});

/** Section 4.3, for RLHF. */
export const sameComputeRlhf = methodsFigure("same_compute_rlhf", {
  heading: "The same compute in all, RLHF",
  title: "The same compute, RLHF",
  caption: "Baselines whose members share the steps of Panacea's one run among them, instead of " +
    "getting as many each.",
  among: rewardMetrics,
});

/** Section 4.3, for DPO. */
export const sameComputeDpo = methodsFigure("same_compute_dpo", {
  heading: "The same compute in all, DPO",
  title: "The same compute, DPO",
  caption: "The same for DPO, by implicit accuracy.",
  among: ["implicit_accuracy"],
});

/** Figure 7. */
export const scalingFronts = methodsFigure("figure_7", {
  heading: "Figure 7: learned against fixed scaling",
  title: "Learned and fixed scaling",
  caption: "Panacea with the learned factor s per weight matrix before λ, and with one fixed " +
    "factor for all. In the paper every fixed factor is clearly worse.",
  among: anyMetric,
});

/** More than two dimensions. */
export const dimensionFronts = methodsFigure("dimensions", {
  heading: "More dimensions",
  title: "Three dimensions",
  caption:
    "One adapter for three dimensions, each pair of them on the axes of a panel. The paper's " +
    "first version stops at two.",
  among: anyMetric,
  least: 1,
});

/** Our own ablations. */
export const ablationFronts = methodsFigure("ablations", {
  heading: "Ablations of this project",
  title: "Ablations",
  caption: "A λ for every pair (plain) beside one λ for the whole batch, which is the paper's " +
    "Algorithm 1, and with the orthogonality penalty of AdaLoRA switched on.",
  among: anyMetric,
});
