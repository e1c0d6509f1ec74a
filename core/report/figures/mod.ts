// The table of figures, in the order of the report.
import type { FigureName } from "../figure_names.ts";
import { answersAlong, answersAtEnds } from "./answers.ts";
import { curves } from "./curves.ts";
import { distributions } from "./distributions.ts";
import { evolution } from "./evolution.ts";
import type { Figure } from "./figure.ts";
import { labellers } from "./labellers.ts";
import {
  ablationFronts,
  dimensionFronts,
  dpoFronts,
  rlhfFronts,
  sameComputeDpo,
  sameComputeRlhf,
  scalingFronts,
} from "./methods.ts";

export type { Figure, FigureContext } from "./figure.ts";

/** Every figure by its name. */
export const figures: Record<FigureName, Figure> = {
  figure_3: distributions,
  figure_4_left: rlhfFronts,
  figure_4_right: evolution,
  figure_5: dpoFronts,
  figure_6: answersAtEnds,
  figure_7: scalingFronts,
  figure_8: answersAlong,
  same_compute_rlhf: sameComputeRlhf,
  same_compute_dpo: sameComputeDpo,
  dimensions: dimensionFronts,
  ablations: ablationFronts,
  labellers,
  curves,
};
