// Several fronts on the same axes: adapters side by side (figure 4, left, of the paper), or one
// adapter at the steps of its training (right). Says which fronts a figure takes and which of them
// are stored; deno task front (front_comparison.ts) measures what is missing itself, the service
// makes jobs of it.
import { basename } from "node:path";
import type { FrontComparison } from "../core/front/comparison.ts";
import { InputError } from "../core/errors.ts";
import type { FrontReport } from "../core/front/report.ts";
import { differences, sameButStep } from "../core/front/same_measure.ts";
import { describeAdapter, holdsAdapter } from "../data/store/adapter_files.ts";
import { checkpointSteps } from "../data/store/checkpoints.ts";
import { findFront, readFrontReports } from "../data/store/front_lookup.ts";
import { FrontSettings } from "../data/store/front_settings.ts";
import { adapterFolder, frontSettings, type WantedFront } from "./front_settings.ts";

/** A front of a figure: stored, or (report null) to be measured. */
export interface FigurePart {
  name: string;
  adapter: string; // folder
  checkpoint?: number;
  report: FrontReport | null;
}

/** More lines than this are no picture any more. */
const MOST_STEPS = 8;

/**
 * The fronts of `wanted.adapter` and of the other folders, in this order. Throws InputError where
 * they would not be measured alike, and as frontSettings does.
 */
export async function comparedParts(
  wanted: WantedFront,
  others: string[],
): Promise<FigurePart[]> {
  const folders = [wanted.adapter, ...others];
  const repeated = folders.find((folder, i) => folders.indexOf(folder) !== i);
  if (repeated !== undefined) {
    throw new InputError(`Cannot compare fronts: expected ${repeated} once, got it twice`);
  }
  const parts: FigurePart[] = [];
  let first: FrontSettings | undefined;
  for (const [i, adapter] of folders.entries()) {
    const settings = await frontSettings({ ...wanted, adapter });
    first ??= settings;
    const different = differences(first, settings);
    if (different.length > 0) {
      throw new InputError(
        `Cannot compare ${adapter} with ${wanted.adapter}: expected fronts measured alike, got ` +
          `another ${different.join(", ")}`,
      );
    }
    const report = (await findFront(adapter, settings))?.report ?? null;
    parts.push({ name: namesOf(folders)[i] ?? adapter, adapter, report });
  }
  return parts;
}

/**
 * The fronts of one adapter at the steps of its training, from the last to the first: of the stored
 * adapter, of its checkpoints, and of steps that only a stored front is left of. Throws InputError
 * where there are fewer than two, and as frontSettings does.
 */
export async function stepParts(
  { checkpoint: _, ...wanted }: WantedFront,
): Promise<FigurePart[]> {
  const { adapter } = wanted;
  const finished = await holdsAdapter(adapter);
  const checkpoints = await checkpointSteps(adapter); // the newest first
  const last = { ...wanted, ...!finished && { checkpoint: checkpoints[0] } };
  const settings = await frontSettings(last);
  const { config: { steps } } = await describeAdapter(adapterFolder(last));
  const found = new Map<number, FigurePart>();
  const add = (step: number, part: Omit<FigurePart, "name" | "adapter">) => {
    if (!found.has(step)) found.set(step, { name: `step ${step}`, adapter, ...part });
  };
  add(steps, {
    ...!finished && { checkpoint: steps },
    report: (await findFront(adapter, settings))?.report ?? null,
  });
  for (const report of Object.values(await readFrontReports(adapter))) {
    const own = FrontSettings.safeParse(report.settings);
    const { step } = report.settings;
    if (own.success && typeof step === "number" && sameButStep(own.data, settings)) {
      add(step, { report });
    }
  }
  for (const step of checkpoints) add(step, { checkpoint: step, report: null });
  if (found.size < 2) {
    throw new InputError(
      `Cannot show how the front of ${adapter} grew: expected checkpoints or fronts of two steps ` +
        "at least (eval_steps, save_total_limit), got one",
    );
  }
  const ordered = [...found].sort(([a], [b]) => b - a).map(([, part]) => part);
  const shown = Math.min(MOST_STEPS, ordered.length);
  const places = Array.from(
    { length: shown },
    (_, k) => Math.round((k * (ordered.length - 1)) / (shown - 1)),
  );
  return places.flatMap((place) => ordered[place] ?? []);
}

/** The fronts of a figure once all are there, for compareFronts. */
export function namedFronts(parts: FigurePart[]): { name: string; report: FrontReport }[] {
  return parts.flatMap(({ name, report }) => (report === null ? [] : [{ name, report }]));
}

/** How each kind of figure is drawn. The drawing is loaded when it is wanted. */
export const figures = {
  comparison: async (comparison: FrontComparison) =>
    (await import("../core/front/render.ts")).comparisonSvg(comparison),
  evolution: async (comparison: FrontComparison) =>
    (await import("../core/front/render.ts")).evolutionSvg(comparison),
};
export type FigureKind = keyof typeof figures;

/** The last parts of the folders' names, where these tell them apart. */
function namesOf(folders: string[]): string[] {
  const names = folders.map((folder) => basename(folder));
  return new Set(names).size === names.length ? names : folders;
}
