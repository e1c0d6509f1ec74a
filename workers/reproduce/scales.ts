// The table of scales: how large a reproduction is, and what it needs to be told.
import type { KnownSizes } from "./dry_run.ts";
import { completePlan, type Outline, type Plan, type PlanOptions } from "./plan.ts";
import { alpaca7b, beaverTails, realOutline } from "./real.ts";
import { smallOutline } from "./small.ts";
import { tinyOutline } from "./tiny.ts";

/** A size of reproduction. */
export interface Scale {
  description: string; // for the help
  /** What is taken where nothing else was asked for. */
  defaults: Pick<PlanOptions, "seeds" | "grid" | "bootstrap">;
  outline(options: PlanOptions): Outline;
  /** Whether nothing is trained unless it is asked for. */
  dryRun: boolean;
  /** Sizes of model and data where none are given. */
  known?: KnownSizes;
}

const table = {
  tiny: {
    description: "the built-in world, minutes",
    defaults: { seeds: 3, grid: 11, bootstrap: 200 },
    outline: tinyOutline,
    dryRun: false,
  },
  small: {
    description: "a small model and preference files of one's own, an evening",
    defaults: { seeds: 3, grid: 6, bootstrap: 200 },
    outline: smallOutline,
    dryRun: false,
  },
  real: {
    description: "the paper's own sizes: a dry run that tells what they need",
    defaults: { seeds: 1, grid: 11, bootstrap: 1000 },
    outline: realOutline,
    dryRun: true,
    known: { decoder: alpaca7b, volume: beaverTails },
  },
} satisfies Record<string, Scale>;
/** The name of a scale. */
export type ScaleName = keyof typeof table;
/** Every scale by its name. */
export const scales: Record<ScaleName, Scale> = table;

/** The plan of a scale. Throws InputError for options that it cannot be made with. */
export function planScale(name: ScaleName, options: PlanOptions): Plan {
  return completePlan(scales[name].outline(options), options);
}
