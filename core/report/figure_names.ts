// The figures of the report by name: what a method says it feeds, and the keys of the table in
// core/report/figures/mod.ts. The numbers are those of the paper's first version on arXiv, whose
// figure 6 shows answers at two preferences; that figure's place for more dimensions is the later
// version's.

/** Every figure, in the order of the report. */
export const figureNames = [
  "figure_3",
  "figure_4_left",
  "figure_4_right",
  "figure_5",
  "figure_6",
  "figure_7",
  "figure_8",
  "same_compute_rlhf",
  "same_compute_dpo",
  "dimensions",
  "ablations",
  "labellers",
  "curves",
] as const;
/** The name of a figure. */
export type FigureName = typeof figureNames[number];
