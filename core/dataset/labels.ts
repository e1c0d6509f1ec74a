// What the labels of a data set say: how many there are, where two dimensions agree on a pair and
// where they conflict, and how often the preferred response is merely the longer one.
import type { PreferenceExample } from "../text/example.ts";
import { type Proportion, proportion } from "./proportion.ts";

/** Two dimensions on the pairs that are labelled in both. */
export interface Agreement {
  dimensions: [string, string];
  /** Pairs in which both prefer the same response. */
  agree: Proportion;
}

/** How the lengths of responses go with the labels of one dimension. */
export interface LengthBias {
  dimension: string;
  /** Pairs whose preferred response is the longer one, of those of two lengths. */
  longerPreferred: Proportion;
  /** Pairs of two responses of the same length. */
  equal: number;
  /** Mean length of preferred and other responses, over all labelled pairs; NaN without any. */
  preferred: number;
  other: number;
}

/**
 * The response that a label prefers, null where there is no label or half of the labellers prefer
 * either.
 */
export function preferredIndex(label: number | null | undefined): 0 | 1 | null {
  if (label === null || label === undefined || label === 0.5) return null;
  return label < 0.5 ? 0 : 1;
}

/** Labelled pairs of each dimension. */
export function labelCounts(
  dimensions: string[],
  examples: Pick<PreferenceExample, "better">[],
): Record<string, number> {
  return Object.fromEntries(
    dimensions.map((name, i) => [
      name,
      examples.filter(({ better }) => preferredIndex(better[i]) !== null).length,
    ]),
  );
}

/** Every two dimensions, in their order; those that share no labelled pair with a share of NaN. */
export function agreements(
  dimensions: string[],
  examples: Pick<PreferenceExample, "better">[],
): Agreement[] {
  return dimensions.flatMap((first, i) =>
    dimensions.slice(i + 1).map((second, offset): Agreement => {
      let both = 0;
      let same = 0;
      for (const { better } of examples) {
        const [a, b] = [preferredIndex(better[i]), preferredIndex(better[i + 1 + offset])];
        if (a === null || b === null) continue;
        both++;
        if (a === b) same++;
      }
      return { dimensions: [first, second], agree: proportion(same, both) };
    })
  );
}

/** Pairs in which some two dimensions prefer different responses, of those with two labels or more. */
export function conflicts(examples: Pick<PreferenceExample, "better">[]): Proportion {
  let several = 0;
  let conflicting = 0;
  for (const { better } of examples) {
    const preferred = better.map(preferredIndex).filter((index) => index !== null);
    if (preferred.length < 2) continue;
    several++;
    if (new Set(preferred).size > 1) conflicting++;
  }
  return proportion(conflicting, several);
}

/** The bias of one dimension, from the lengths (P pairs) of both responses of each pair. */
export function lengthBias(
  dimension: { name: string; index: number },
  examples: Pick<PreferenceExample, "better">[],
  lengths: ([number, number] | null)[], // null: the length of the pair is not known
): LengthBias {
  let [longer, different, equal] = [0, 0, 0];
  let [preferred, other, labelled] = [0, 0, 0];
  for (const [p, { better }] of examples.entries()) {
    const index = preferredIndex(better[dimension.index]);
    const both = lengths[p] ?? null;
    if (index === null || both === null) continue;
    const [own, rival] = index === 0 ? both : [both[1], both[0]];
    labelled++;
    preferred += own;
    other += rival;
    if (own === rival) equal++;
    else different++;
    if (own > rival) longer++;
  }
  return {
    dimension: dimension.name,
    longerPreferred: proportion(longer, different),
    equal,
    preferred: preferred / labelled,
    other: other / labelled,
  };
}
