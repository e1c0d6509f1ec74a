// From runs to methods: every indicator of every method as a mean with its interval over seeds, all
// hypervolumes of a metric above one reference point. Second stage of the report; the claims and the
// table of the HTML read from it.
import { z } from "zod";
import { type Metric, metrics } from "../front/report.ts";
import { indicators } from "../front/indicators.ts";
import type { KeptFront, Results, RunRecord } from "./results.ts";
import { SeedInterval, seedInterval } from "./statistics.ts";

/** One method by one metric. */
export const MethodSummary = z.strictObject({
  method: z.string(),
  metric: z.enum(Object.keys(metrics) as [Metric, ...Metric[]]),
  dimensions: z.array(z.string()),
  seeds: z.array(z.number()),
  referencePoint: z.array(z.number()).describe("the same for all methods of these dimensions"),
  /** By the name of the measure; see `measures`. */
  values: z.record(z.string(), SeedInterval),
  /** Means over the seeds at every λ, with their intervals. */
  points: z.array(z.strictObject({
    preference: z.array(z.number()),
    values: z.array(SeedInterval),
  })),
});
export type MethodSummary = z.infer<typeof MethodSummary>;

/** What is told of a method beside its points, with the words of the table's head. */
export const measures: Record<string, { label: string; unit: "number" | "percent" | "count" }> = {
  hypervolume: { label: "hypervolume", unit: "number" },
  exactShare: { label: "of the exact front", unit: "percent" },
  innerProduct: { label: "inner product", unit: "number" },
  span: { label: "span, mean of dimensions", unit: "number" },
  sparsity: { label: "sparsity", unit: "number" },
  spacing: { label: "spacing", unit: "number" },
  dominatedShare: { label: "dominated", unit: "percent" },
  rho: { label: "ρ of λ and value, least of dimensions", unit: "number" },
  policies: { label: "trained policies", unit: "count" },
  tokens: { label: "training tokens", unit: "count" },
  seconds: { label: "seconds of training", unit: "count" },
};

/** The fronts of one method by one metric, by seed. */
export interface SeededFronts {
  method: string;
  metric: Metric;
  runs: { run: RunRecord; front: KeptFront }[];
}

/** Every method and metric that was measured, in the order of the methods. */
export function summarizeMethods(results: Results): MethodSummary[] {
  const references = new Map<string, number[]>(); // by metric and dimensions, the first run's
  return frontsByMethod(results).map(({ method, metric, runs }) => {
    const first = runs[0]?.front;
    const dimensions = first?.dimensions ?? [];
    const key = `${metric} ${dimensions.join()}`;
    const reference = references.get(key) ?? first?.indicators.referencePoint ?? [];
    references.set(key, reference);
    const rows = runs.map(({ run, front }) => measuresOf(run, front, reference));
    const names = Object.keys(measures).filter((name) => rows.every((row) => name in row));
    return {
      method,
      metric,
      dimensions,
      seeds: runs.map(({ run }) => run.seed),
      referencePoint: reference,
      values: Object.fromEntries(
        names.map((name) => [name, seedInterval(rows.map((row) => row[name] ?? NaN))]),
      ),
      points: averagePoints(runs.map(({ front }) => front)),
    };
  });
}

/** The fronts of every method by metric, seeds in rising order. */
export function frontsByMethod({ methods, runs }: Results): SeededFronts[] {
  return methods.flatMap(({ name }) =>
    (Object.keys(metrics) as Metric[]).flatMap((metric) => {
      const own = runs
        .filter(({ method, state }) => method === name && state === "done")
        .flatMap((run) => {
          const front = run.fronts[metric];
          return front === undefined ? [] : [{ run, front }];
        })
        .sort((a, b) => a.run.seed - b.run.seed);
      return own.length === 0 ? [] : [{ method: name, metric, runs: own }];
    })
  );
}

/** The measure of each seed, for comparisons that match seeds; empty where it was not measured. */
export function bySeed(
  results: Results,
  { method, metric, measure, referencePoint }: {
    method: string;
    metric: Metric;
    measure: string;
    referencePoint: number[];
  },
): Map<number, number> {
  const own = frontsByMethod(results).find((fronts) =>
    fronts.method === method && fronts.metric === metric
  );
  return new Map((own?.runs ?? []).flatMap(({ run, front }) => {
    const value = measuresOf(run, front, referencePoint)[measure];
    return value === undefined ? [] : [[run.seed, value] as [number, number]];
  }));
}

function measuresOf(
  { cost }: RunRecord,
  front: KeptFront,
  referencePoint: number[],
): Record<string, number> {
  const points = front.points.map(({ values }) => values);
  const preferences = front.points.map(({ preference }) => preference);
  const seen = { points, preferences, referencePoint };
  const spans = indicators.span.compute(seen);
  const share = front.exact?.hypervolumeRatio;
  const controls = Object.values(front.controllability);
  return {
    hypervolume: indicators.hypervolume.compute(seen),
    ...(typeof share === "number" && { exactShare: share }),
    innerProduct: indicators.innerProduct.compute(seen),
    span: spans.reduce((sum, value) => sum + value, 0) / Math.max(1, spans.length),
    sparsity: indicators.sparsity.compute(seen),
    spacing: indicators.spacing.compute(seen),
    dominatedShare: indicators.dominatedShare.compute(seen),
    ...(controls.length > 0 && { rho: Math.min(...controls.map(({ rho }) => rho)) }),
    ...(cost && { policies: cost.policies, tokens: cost.tokens, seconds: cost.seconds }),
  };
}

/** Mean and interval over seeds at every preference that all of the fronts have. */
function averagePoints(fronts: KeptFront[]): MethodSummary["points"] {
  const [first, ...others] = fronts;
  return (first?.points ?? []).flatMap(({ preference, values }) => {
    const key = preference.join();
    const rest = others.map(({ points }) =>
      points.find((point) => point.preference.join() === key)?.values
    );
    if (rest.some((found) => found === undefined)) return [];
    return [{
      preference,
      values: values.map((value, i) =>
        seedInterval([value, ...rest.map((found) => found?.[i] ?? NaN)])
      ),
    }];
  });
}
