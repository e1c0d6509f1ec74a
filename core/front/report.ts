// The report of a front: per-prompt outcomes at every λ of a grid become points with intervals,
// indicators and controllability. Written as JSON by `front`, drawn by core/front/render. Grid,
// reference point and seeds are inputs that the report repeats: nothing is chosen from the results.
import { z } from "zod";
import { Random } from "../random.ts";
import { bootstrapMeans, countPrompts, meanOutcomes, type Outcomes } from "./bootstrap.ts";
import { controlVerdict, type DimensionControl, dimensionControl } from "./controllability.ts";
import { DimensionDistributions, distributionsOf } from "./distributions.ts";
import { type FrontPoints, hypervolume, indicators } from "./indicators.ts";

/**
 * What a point's values can be, with the words of the axes, and whether they are means over
 * responses that were generated and judged: how these are spread says more than the mean.
 */
export const metrics = {
  implicit_accuracy: { label: "implicit-reward accuracy", generated: false },
  expected_reward: { label: "expected reward", generated: false },
  reward: { label: "mean reward", generated: true },
} satisfies Record<string, { label: string; generated: boolean }>;
/** The name of an entry of `metrics`. */
export type Metric = keyof typeof metrics;

/** With fewer test prompts the percentile intervals are too narrow to rely on. */
const FEWEST_PROMPTS = 10;

const numbers = () => z.array(z.number());

/** A front as it is stored and printed; the order of numbers is the order of `dimensions`. */
export const FrontReport = z.strictObject({
  adapter: z.string().describe("what was evaluated: folder or name"),
  metric: z.enum(Object.keys(metrics) as [Metric, ...Metric[]]).describe("what the values are"),
  dimensions: z.array(z.string()).min(1),
  points: z.array(
    z.strictObject({ preference: numbers(), values: numbers(), low: numbers(), high: numbers() }),
  ),
  indicators: z.strictObject({ ...indicatorSchemas(), referencePoint: numbers() }),
  controllability: z.record(
    z.string(),
    z.strictObject({
      rho: z.number(),
      violations: z.number(),
      comparisons: z.number(),
      range: z.number(),
      low: z.number(),
      high: z.number(),
    }),
  ),
  verdict: z.string(),
  exact: z.strictObject({
    points: z.array(z.strictObject({ preference: numbers(), values: numbers() })),
    hypervolumeRatio: z.number().nullable().describe(
      "null where even the exact front has nothing above the reference point",
    ),
  }).optional(),
  initial: numbers().optional().describe("values of the model without adapter, where measured"),
  distributions: z.array(DimensionDistributions).optional().describe(
    "how the values behind the points are spread, by dimension; only of rewards",
  ),
  settings: z.record(z.string(), z.unknown()).describe("what the numbers depend on"),
});
export type FrontReport = z.infer<typeof FrontReport>;

/** How a front compares with the exact one, as a phrase. */
export function exactShare({ hypervolumeRatio }: NonNullable<FrontReport["exact"]>): string {
  return hypervolumeRatio === null
    ? "where the exact front has none on this grid either"
    : `${(100 * hypervolumeRatio).toFixed(1)} % of the exact front's`;
}

/** What was measured at every λ of the grid. */
export interface FrontMeasurement {
  adapter: string;
  metric: Metric;
  dimensions: string[]; // (M)
  preferences: number[][]; // (N, M)
  /** Per dimension, what each test item gave at each point; items may differ between dimensions. */
  outcomes: Outcomes[]; // (M)
  referencePoint: number[]; // (M), fixed before anything was measured
  /** Per dimension, what each test item gave of the model without adapter. */
  initial?: ArrayLike<number>[]; // (M)
  /** The best possible front, where it is known. */
  exact?: { preference: number[]; values: number[] }[];
  settings?: Record<string, unknown>;
}

/**
 * The report of a measurement. `seed` determines the bootstrap; `resamples` 0 leaves the intervals
 * out (both ends are then the value). Throws TypeError where the numbers of dimensions, points and
 * outcomes do not agree, RangeError for outcomes that are empty or not finite.
 */
export function summarizeFront(
  measurement: FrontMeasurement,
  { seed, resamples = 1000, level = 0.95 }: { seed: number; resamples?: number; level?: number },
): FrontReport {
  checkShapes(measurement);
  const { dimensions, preferences, outcomes, referencePoint } = measurement;
  const random = new Random(seed);
  // A stream of its own for every dimension: its intervals do not depend on the other dimensions.
  const bootstrap = (name: string) => ({ random: random.fork(name), resamples, level });
  const columns = outcomes.map((outcome, i) => ({
    means: meanOutcomes(outcome),
    intervals: bootstrapMeans(outcome, bootstrap(dimensions[i] ?? "")),
  }));
  const points = preferences.map((preference, n) => ({
    preference,
    values: columns.map(({ means }) => means[n] ?? NaN),
    low: columns.map(({ intervals }) => intervals[n]?.low ?? NaN),
    high: columns.map(({ intervals }) => intervals[n]?.high ?? NaN),
  }));
  const controllability: Record<string, DimensionControl> = {};
  for (const [i, name] of dimensions.entries()) {
    const [values, own] = [columns[i]?.means ?? [], outcomes[i] ?? { values: [] }];
    controllability[name] = dimensionControl(
      { dimension: i, preferences, values, outcomes: own },
      bootstrap(`${name} ends`),
    );
  }
  const front = { points: points.map(({ values }) => values), preferences, referencePoint };
  return FrontReport.parse({
    adapter: measurement.adapter,
    metric: measurement.metric,
    dimensions,
    points,
    indicators: { ...computeIndicators(front), referencePoint },
    controllability,
    verdict: controlVerdict(controllability, { caution: cautionFor(outcomes, resamples) }),
    ...(measurement.exact && { exact: compareExact(measurement.exact, front) }),
    ...(measurement.initial && {
      initial: measurement.initial.flatMap((values) => meanOutcomes({ values: [values] })),
    }),
    ...(metrics[measurement.metric].generated && {
      distributions: outcomes.map((outcome, i) =>
        distributionsOf(outcome, measurement.initial?.[i])
      ),
    }),
    settings: { ...measurement.settings, bootstrap: { seed, resamples, level } },
  });
}

/** What a reader of the verdict must know when chance could not be ruled out properly. */
function cautionFor(outcomes: Outcomes[], resamples: number): string {
  if (resamples === 0) return "not tested against chance, as no intervals were computed";
  const prompts = Math.min(...outcomes.map(countPrompts));
  if (prompts >= FEWEST_PROMPTS) return "";
  return `${prompts} test prompt${prompts === 1 ? " is" : "s are"} too few to be sure`;
}

type IndicatorSchemas = { [K in keyof typeof indicators]: (typeof indicators)[K]["schema"] };
type IndicatorValues = { [K in keyof IndicatorSchemas]: z.infer<IndicatorSchemas[K]> };

/** The schema of every indicator, by its name. */
export function indicatorSchemas(): IndicatorSchemas {
  return Object.fromEntries(
    Object.entries(indicators).map(([name, { schema }]) => [name, schema]),
  ) as IndicatorSchemas;
}

/** Every indicator of a front, by its name. */
export function computeIndicators(front: FrontPoints): IndicatorValues {
  return Object.fromEntries(
    Object.entries(indicators).map(([name, { compute }]) => [name, compute(front)]),
  ) as IndicatorValues;
}

function compareExact(
  exact: { preference: number[]; values: number[] }[],
  { points, referencePoint }: { points: number[][]; referencePoint: number[] },
) {
  const best = hypervolume(exact.map(({ values }) => values), referencePoint);
  const hypervolumeRatio = best > 0 ? hypervolume(points, referencePoint) / best : null;
  return { points: exact, hypervolumeRatio };
}

function checkShapes(
  { dimensions, preferences, outcomes, referencePoint, initial, exact = [] }: FrontMeasurement,
): void {
  const m = dimensions.length;
  const n = preferences.length;
  const vectors = [
    referencePoint,
    ...preferences,
    ...exact.flatMap(({ preference, values }) => [preference, values]),
  ];
  const sets = [outcomes.length, initial?.length ?? m];
  if (sets.some((count) => count !== m) || vectors.some((vector) => vector.length !== m)) {
    throw new TypeError(
      `Cannot summarise the front: expected ${m} numbers (${
        dimensions.join(", ")
      }) per preference, ` +
        `reference point and exact point and ${m} sets of outcomes, got ${
          sets.join(" and ")
        } sets ` +
        `and vectors of ${[...new Set(vectors.map((vector) => vector.length))].join(", ")}`,
    );
  }
  const rows = outcomes.map(({ values }) => values.length);
  if (n === 0 || rows.some((count) => count !== n)) {
    throw new TypeError(
      `Cannot summarise the front: expected outcomes at each of ${n} preferences, ` +
        `got ${rows.join(", ")} rows`,
    );
  }
}
