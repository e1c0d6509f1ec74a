// Mixed labellers: one scalar label per pair instead of one per dimension, each from somebody who
// weighs the dimensions in a way of their own. What single-objective alignment learns from such
// labels is the compromise λ_opt = Σ p_i λ_i, which may be no labeller's preference: theorem A.4 of
// the paper, shown on the built-in world. preferences.ts draws the labels, exact.ts has the optimum.
import { InputError } from "../../core/errors.ts";
import { validatePreference } from "../../core/preference.ts";
import { labelProbability } from "./labels.ts";

/** Somebody who labels a share of the pairs under a preference. */
export interface Labeller {
  share: number; // p_i, in (0, 1]; the shares of all labellers sum to 1
  preference: number[]; // λ_i (M)
}

/** Labellers, and how each comes to a label. */
export interface Labellers {
  judging: keyof typeof judgements;
  members: Labeller[];
}

/** The rewards of two answers as a labeller compares them. */
interface Comparison {
  left: number[]; // (M)
  right: number[]; // (M)
  labelScale: number; // log-odds of a label per unit of reward
}

/**
 * P(a labeller of `preference` calls the left answer better), by the way of judging.
 *
 * `dimension` looks at one dimension only, at j with probability λ_j, and labels by it. The labeller's
 * loss is then Σ_j λ_j L_DPO,j, the objective of eq. 14, and the theorem holds for DPO exactly.
 * `sum` weighs all of them into one reward Σ_j λ_j r_j and labels by that: the paper's reward model of
 * a labeller. The theorem then holds for RLHF exactly; for DPO only as far as σ is linear.
 */
export const judgements = {
  dimension: ({ left, right, labelScale }: Comparison, preference: number[]): number =>
    preference.reduce(
      (sum, weight, j) =>
        sum + weight * labelProbability(left[j] ?? NaN, right[j] ?? NaN, labelScale),
      0,
    ),
  sum: ({ left, right, labelScale }: Comparison, preference: number[]): number =>
    labelProbability(weighted(left, preference), weighted(right, preference), labelScale),
} satisfies Record<string, (comparison: Comparison, preference: number[]) => number>;

/** P(the left answer is labelled better) by a labeller drawn by the shares. */
export function scalarProbability(
  { judging, members }: Labellers,
  comparison: Comparison,
): number {
  return members.reduce(
    (sum, { share, preference }) => sum + share * judgements[judging](comparison, preference),
    0,
  );
}

/** λ_opt = Σ p_i λ_i (M): the preference that training on the labels of all amounts to. */
export function compromise({ members }: Labellers): number[] {
  return members[0]?.preference.map((_, j) =>
    members.reduce((sum, { share, preference }) => sum + share * (preference[j] ?? NaN), 0)
  ) ?? [];
}

/**
 * Labellers as the dataset option names them after `builtin@`: `0.7:1,0+0.3:0,1` is share:preference
 * of each; `sum:` in front chooses that way of judging, the other is the default.
 * Throws InputError for anything else, and for shares that do not sum to 1 within 1e-3.
 */
export function parseLabellers(text: string, dimensions: string[]): Labellers {
  const prefix = Object.keys(judgements).find((name) => text.startsWith(`${name}:`));
  const judging = (prefix ?? "dimension") as Labellers["judging"];
  const members = text.slice(prefix === undefined ? 0 : prefix.length + 1).split("+")
    .map((part): Labeller => {
      const [share = "", preference, ...rest] = part.split(":");
      if (preference === undefined || rest.length > 0 || !(Number(share) > 0)) {
        throw refused(text, "share:preference of each labeller, as in 0.7:1,0+0.3:0,1");
      }
      const weights = preference.split(",").map((weight) => weight === "" ? NaN : Number(weight));
      return { share: Number(share), preference: validatePreference(weights, dimensions) };
    });
  const total = members.reduce((sum, { share }) => sum + share, 0);
  if (!(Math.abs(total - 1) <= 1e-3)) {
    throw refused(text, `shares that sum to 1, not to ${Number(total.toPrecision(6))}`);
  }
  return {
    judging,
    members: members.map(({ share, preference }) => ({ share: share / total, preference })),
  };
}

/** Σ_j λ_j r_j. */
function weighted(rewards: number[], preference: number[]): number {
  return preference.reduce((sum, weight, j) => sum + weight * (rewards[j] ?? NaN), 0);
}

function refused(text: string, expected: string): InputError {
  return new InputError(
    `Cannot read the labellers of builtin@${text.slice(0, 60)}: expected ${expected}`,
  );
}
