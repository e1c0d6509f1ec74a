// Several fronts side by side: methods against each other (figure 4, left, of the paper) or one
// adapter at several steps (right). Everything is seen from one reference point, that of the first
// front, so that the hypervolumes can be compared. Drawn by core/front/svg.
import { z } from "zod";
import { InputError } from "../errors.ts";
import { computeIndicators, FrontReport, indicatorSchemas, metrics } from "./report.ts";
import { dominates, nondominated } from "./indicators.ts";

/** A front with what it is called among the others. */
export interface NamedFront {
  name: string;
  report: FrontReport;
}

/** One front beside the others. */
export const ComparedFront = z.strictObject({
  name: z.string(),
  indicators: z.strictObject(indicatorSchemas()).describe("over the common reference point"),
  hypervolumeShare: z.number().nullable().describe(
    "of the first front's hypervolume; null where that is 0",
  ),
  dominatedByOthers: z.number().describe("share of its points that a point of another dominates"),
});
export type ComparedFront = z.infer<typeof ComparedFront>;

/** Fronts of one metric over the same dimensions; the order of numbers is that of `dimensions`. */
export const FrontComparison = z.strictObject({
  metric: FrontReport.shape.metric,
  dimensions: z.array(z.string()).min(1),
  referencePoint: z.array(z.number()).describe("that of the first front"),
  fronts: z.array(ComparedFront).min(1),
  reports: z.array(FrontReport).describe("in the order of `fronts`"),
});
export type FrontComparison = z.infer<typeof FrontComparison>;

/**
 * Sets fronts side by side, the first one leading. Throws InputError for none, for a name that comes
 * twice, and for fronts of different metrics or dimensions; whether they were measured on the same
 * data is the caller's to know.
 */
export function compareFronts(named: NamedFront[]): FrontComparison {
  const [first] = named;
  if (first === undefined) {
    throw new InputError("Cannot compare fronts: expected at least one, got none");
  }
  const names = named.map(({ name }) => name);
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined) {
    throw new InputError(`Cannot compare fronts: expected ${repeated} once, got it twice`);
  }
  for (const { name, report } of named) checkComparable(first, { name, report });
  const { metric, dimensions, indicators: { referencePoint } } = first.report;
  const all = named.map(({ report }) => report.points.map(({ values }) => values));
  const rows = named.map(({ name, report }, i) => {
    const others = nondominated(all.filter((_, j) => j !== i).flat());
    const points = all[i] ?? [];
    const preferences = report.points.map(({ preference }) => preference);
    return {
      name,
      indicators: computeIndicators({ points, preferences, referencePoint }),
      dominatedByOthers: points.filter((point) =>
        others.some((other) => dominates(other, point))
      ).length /
        points.length,
    };
  });
  const leading = rows[0]?.indicators.hypervolume ?? 0;
  return FrontComparison.parse({
    metric,
    dimensions,
    referencePoint,
    fronts: rows.map((row) => ({
      ...row,
      hypervolumeShare: leading > 0 ? row.indicators.hypervolume / leading : null,
    })),
    reports: named.map(({ report }) => report),
  });
}

function checkComparable(first: NamedFront, other: NamedFront): void {
  const describe = ({ report: { metric, dimensions } }: NamedFront) =>
    `${metrics[metric].label} of ${dimensions.join(", ")}`;
  if (describe(first) === describe(other)) return;
  throw new InputError(
    `Cannot compare fronts: expected ${describe(first)} as in ${first.name}, ` +
      `got ${describe(other)} in ${other.name}`,
  );
}
