// Which front of an adapter is on show and what stands beside it, as far as somebody has chosen; the
// address keeps it (address.ts). Names: "final" is a front of this adapter, "other/second" that of
// another one, "growth" this adapter's at the other steps of its training.

/** A choice of fronts. */
export interface FrontChoice {
  /** Name of the front on show; null: the main one. */
  front: string | null;
  /** Names of those beside it; null: those that belong there. */
  beside: string[] | null;
}

export const noChoice: FrontChoice = { front: null, beside: null };

/** This adapter at the other steps of its training. */
export const GROWTH = "growth";

/** Fronts beside the one on show, at most; the growth counts as one. */
export const MOST_BESIDE = 6;

const OTHER = "other/";

/** The name for another adapter's front. */
export function otherName(id: string): string {
  return `${OTHER}${id}`;
}

/** The adapter that a name means; null where it is a front of this one. */
export function otherAdapter(name: string): string | null {
  return name.startsWith(OTHER) ? name.slice(OTHER.length) : null;
}
