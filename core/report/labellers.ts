// Appendix A of the paper: labels of several labellers, each with a preference of its own, train the
// policy of their mean preference λ_opt = Σ p_i λ_i, which may be nobody's. Where a trained policy
// landed on a front of known preferences is read off here; core/report/claims judges it.
import { z } from "zod";
import type { KeptFront, Mixture, Results } from "./results.ts";
import { SeedInterval, seedInterval } from "./statistics.ts";

/** Where the policies of one mixture landed. */
export const Landing = z.strictObject({
  method: z.string(),
  labellers: z.array(z.strictObject({ share: z.number(), preference: z.array(z.number()) })),
  optimum: z.array(z.number()).describe("λ_opt = Σ p_i λ_i"),
  landed: SeedInterval.describe("first weight of the nearest λ on the exact front, over seeds"),
  values: z.array(SeedInterval).describe("what the policies reach"),
  distance: SeedInterval.describe("of the values from the exact front, in units of the metric"),
});
export type Landing = z.infer<typeof Landing>;

/** λ_opt = Σ p_i λ_i with the shares made to sum to 1. */
export function meanPreference({ labellers }: Pick<Mixture, "labellers">): number[] {
  const total = labellers.reduce((sum, { share }) => sum + share, 0);
  return (labellers[0]?.preference ?? []).map((_, i) =>
    labellers.reduce((sum, { share, preference }) => sum + share * (preference[i] ?? 0), 0) / total
  );
}

/**
 * The preference whose point on a polyline is nearest to `values` (2), interpolated between the
 * points that it joins in the order of their first weight, and the distance. Throws RangeError
 * without points.
 */
export function nearestOnFront(
  points: { preference: number[]; values: number[] }[],
  values: number[],
): { preference: number[]; distance: number } {
  const ordered = [...points].sort((a, b) => (a.preference[0] ?? 0) - (b.preference[0] ?? 0));
  const candidates = ordered.map((to, k) => {
    const from = ordered[k - 1] ?? to;
    const along = to.values.map((value, i) => value - (from.values[i] ?? 0));
    const length = along.reduce((sum, x) => sum + x * x, 0);
    const dot = along.reduce((s, x, i) => s + x * ((values[i] ?? 0) - (from.values[i] ?? 0)), 0);
    const share = length > 0 ? Math.min(1, Math.max(0, dot / length)) : 1;
    const mix = (a: number[], b: number[]) =>
      b.map((x, i) => (1 - share) * (a[i] ?? 0) + share * x);
    const place = mix(from.values, to.values);
    return {
      preference: mix(from.preference, to.preference),
      distance: Math.hypot(...place.map((x, i) => x - (values[i] ?? NaN))),
    };
  });
  const [first, ...rest] = candidates;
  if (first === undefined) {
    throw new RangeError("Cannot place a policy on the front: expected points, got none");
  }
  return rest.reduce((best, other) => (other.distance < best.distance ? other : best), first);
}

/** Where every mixture's policies landed; only those with two dimensions and a known exact front. */
export function landings({ mixtures, runs }: Results): Landing[] {
  return mixtures.flatMap(({ method, labellers }) => {
    const placed = runs
      .filter((run) => run.method === method && run.state === "done")
      .flatMap(({ fronts }) => Object.values(fronts).flatMap(placeOn));
    const [first] = placed;
    if (first === undefined) return [];
    return [{
      method,
      labellers,
      optimum: meanPreference({ labellers }),
      landed: seedInterval(placed.map(({ preference }) => preference[0] ?? NaN)),
      values: first.values.map((_, i) =>
        seedInterval(placed.map(({ values }) => values[i] ?? NaN))
      ),
      distance: seedInterval(placed.map(({ distance }) => distance)),
    }];
  });
}

function placeOn({ points, exact, dimensions }: KeptFront) {
  const values = points[0]?.values; // one policy: the same at every λ
  if (values === undefined || exact === undefined || dimensions.length !== 2) return [];
  return [{ values, ...nearestOnFront(exact.points, values) }];
}
