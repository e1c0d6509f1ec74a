// The table of scales: how large a reproduction is, and what it needs to be told.
import { completePlan, type Outline, type Plan, type PlanOptions } from "./plan.ts";
import { smallOutline } from "./small.ts";
import { tinyOutline } from "./tiny.ts";

/** A size of reproduction. */
export interface Scale {
  description: string; // for the help
  /** What is taken where nothing else was asked for. */
  defaults: Pick<PlanOptions, "seeds" | "grid" | "bootstrap">;
  outline(options: PlanOptions): Outline;
}

/** Every scale by its name. */
export const scales = {
  tiny: {
    description: "the built-in world, minutes",
    defaults: { seeds: 3, grid: 11, bootstrap: 200 },
    outline: tinyOutline,
  },
  small: {
    description: "a small model and preference files of one's own, an evening",
    defaults: { seeds: 3, grid: 6, bootstrap: 200 },
    outline: smallOutline,
  },
} satisfies Record<string, Scale>;
/** The name of a scale. */
export type ScaleName = keyof typeof scales;

/** The plan of a scale. Throws InputError for options that it cannot be made with. */
export function planScale(name: ScaleName, options: PlanOptions): Plan {
  return completePlan(scales[name].outline(options), options);
}
