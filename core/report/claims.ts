// What the paper claims beside what these runs show: each claim is judged by a number fixed
// beforehand, over the seeds, and may come out against it. Third stage of the report.
import { z } from "zod";
import { figure } from "../front/render.ts";
import type { Metric } from "../front/report.ts";
import { landings } from "./labellers.ts";
import type { Family, Method, Results } from "./results.ts";
import { hullGap } from "./shape.ts";
import { pairedInterval, type SeedInterval } from "./statistics.ts";
import { bySeed, frontsByMethod, type MethodSummary } from "./summary.ts";

/** How a claim came out. */
export const verdicts = {
  holds: "holds here",
  fails: "does not hold here",
  open: "cannot be told from these seeds",
  missing: "was not measured",
} as const;
/** The name of an entry of `verdicts`. */
export type Verdict = keyof typeof verdicts;

/** A claim with what was found. */
export const Finding = z.strictObject({
  claim: z.string(),
  source: z.string().describe("where the paper makes it, or whose bar it is"),
  verdict: z.enum(Object.keys(verdicts) as [Verdict, ...Verdict[]]),
  found: z.string(),
});
export type Finding = z.infer<typeof Finding>;

type Judged = Pick<Finding, "verdict" | "found">;
type Judge = (context: Context) => Judged;

interface Context {
  results: Results;
  summaries: MethodSummary[];
}

/** Share of the exact front's hypervolume that PPO has to reach. */
const EXACT_BAR = 0.9;
/** Weights of λ that a policy may land beside λ_opt. */
const LANDING_BAR = 0.05;
/** Part of the front's span that a point may lie below the convex hull. */
const HULL_BAR = 0.02;

/** Metrics in which a claim about rewards is judged: the first that was measured. */
const rewardMetrics: Metric[] = ["expected_reward", "reward"];
const accuracyMetrics: Metric[] = ["implicit_accuracy"];
const anyMetric: Metric[] = [...rewardMetrics, ...accuracyMetrics];

const claims: { claim: string; source: string; judge: Judge }[] = [
  {
    claim: "For every λ, Panacea shifts the rewards of both dimensions up from the initial model's",
    source: "figure 3",
    judge: rewardsRise,
  },
  {
    claim: "Panacea's front (RLHF, LS) is better than Rewarded Soups'",
    source: "figure 4, left",
    judge: compare(
      { family: "panacea", objective: "ppo" },
      { family: "rewarded_soups", objective: "ppo" },
      rewardMetrics,
    ),
  },
  {
    claim: "Panacea's front (RLHF, LS) is at or above that of Discrete Policy Solutions, each " +
      "policy trained as long as Panacea's one",
    source: "figure 4, left",
    judge: compare(
      { family: "panacea", objective: "ppo" },
      { family: "discrete_policies", objective: "ppo" },
      rewardMetrics,
    ),
  },
  {
    claim: "It is above Rewarded Soups trained with the same compute in all",
    source: "section 4.3",
    judge: compare(
      { family: "panacea", objective: "ppo" },
      { family: "rewarded_soups", objective: "ppo", variant: "same budget" },
      rewardMetrics,
    ),
  },
  {
    claim: "It is above Discrete Policy Solutions trained with the same compute in all",
    source: "section 4.3",
    judge: compare(
      { family: "panacea", objective: "ppo" },
      { family: "discrete_policies", objective: "ppo", variant: "same budget" },
      rewardMetrics,
    ),
  },
  {
    claim: "Panacea's front (RLHF, LS) is smooth and convex",
    source: "figure 4, left",
    judge: isConvex,
  },
  {
    claim: "The front expands while training",
    source: "figure 4, right",
    judge: expands,
  },
  {
    claim: "Panacea with LS (DPO) has a better front than Rewarded Soups",
    source: "figure 5",
    judge: compare(
      { family: "panacea", objective: "dpo" },
      { family: "rewarded_soups", objective: "dpo" },
      accuracyMetrics,
    ),
  },
  {
    claim: "Panacea with Tche (DPO) has a better front than Rewarded Soups",
    source: "figure 5",
    judge: compare(
      { family: "panacea", objective: "dpo", aggregation: "tche" },
      { family: "rewarded_soups", objective: "dpo" },
      accuracyMetrics,
    ),
  },
  {
    claim: "Panacea with LS (DPO) has a better front than Rewarded Soups with the same compute",
    source: "section 4.3",
    judge: compare(
      { family: "panacea", objective: "dpo" },
      { family: "rewarded_soups", objective: "dpo", variant: "same budget" },
      accuracyMetrics,
    ),
  },
  {
    claim: "By expected reward: Panacea with LS (DPO) has a better front than Rewarded Soups",
    source: "this project",
    judge: compare(
      { family: "panacea", objective: "dpo" },
      { family: "rewarded_soups", objective: "dpo" },
      rewardMetrics,
    ),
  },
  {
    claim: "Learned scaling beats every fixed one",
    source: "figure 7",
    judge: learnedScalingWins,
  },
  {
    claim: "Tche is less suitable for RLHF than LS",
    source: "appendix B",
    judge: compare(
      { family: "panacea", objective: "ppo" },
      { family: "panacea", objective: "ppo", aggregation: "tche" },
      rewardMetrics,
    ),
  },
  {
    claim: "Scalar labels of mixed labellers train the policy of λ_opt = Σ p_i λ_i",
    source: "appendix A",
    judge: landsAtOptimum,
  },
  {
    claim: `PPO with LS reaches ${100 * EXACT_BAR} % of the exact front's hypervolume`,
    source: "this project",
    judge: reachesExact("ls"),
  },
  {
    claim: `PPO with Tche reaches ${100 * EXACT_BAR} % of the exact front's hypervolume`,
    source: "this project",
    judge: reachesExact("tche"),
  },
];

/** Every claim with what was found, in the order of the paper. */
export function judgeClaims(results: Results, summaries: MethodSummary[]): Finding[] {
  return claims.map(({ claim, source, judge }) => ({
    claim,
    source,
    ...judge({ results, summaries }),
  }));
}

/** A method by what it is; what is left out is its plain form. */
interface Wanted {
  family: Family;
  objective: string;
  aggregation?: string;
  variant?: string;
}

/** Whether `a` has the larger hypervolume, by the difference of runs of equal seed. */
function compare(a: Wanted, b: Wanted, among: Metric[]): Judge {
  return ({ results, summaries }) => {
    const [first, second] = [find(results, a), find(results, b)];
    const metric = among.find((metric) =>
      [first, second].every((method) =>
        method !== undefined && summaryOf(summaries, method, metric) !== undefined
      )
    );
    if (first === undefined || second === undefined) {
      return { verdict: "missing", found: "this plan does not compare them" };
    }
    const unmeasured = [first, second].filter((method) =>
      firstSummary(summaries, method, among) === undefined
    );
    const difference = metric === undefined
      ? null
      : hypervolumeDifference({ results, summaries }, { first, second, metric });
    if (metric === undefined || difference === null) {
      return missing(unmeasured.length > 0 ? unmeasured : [first, second]);
    }
    const [one, other] = [first, second].map((method) =>
      summaryOf(summaries, method, metric)?.values.hypervolume?.mean ?? NaN
    );
    return {
      verdict: verdictOf(difference),
      found: `hypervolume ${figure(one ?? NaN)} against ${figure(other ?? NaN)}, difference ` +
        `${intervalText(difference)}${costText(summaries, { first, second, metric })}`,
    };
  };
}

function hypervolumeDifference(
  { results, summaries }: Context,
  { first, second, metric }: { first: Method; second: Method; metric: Metric },
): SeedInterval | null {
  const referencePoint = summaryOf(summaries, first, metric)?.referencePoint ?? [];
  const [a, b] = [first, second].map(({ name }) =>
    bySeed(results, { method: name, metric, measure: "hypervolume", referencePoint })
  );
  return a && b ? pairedInterval(a, b) : null;
}

/** What the second method costs, as a multiple of the first. */
function costText(
  summaries: MethodSummary[],
  { first, second, metric }: { first: Method; second: Method; metric: Metric },
): string {
  const [own = NaN, other = NaN] = [first, second].map((method) =>
    summaryOf(summaries, method, metric)?.values.tokens?.mean
  );
  if (!(own > 0) || !Number.isFinite(other)) return "";
  return `; ${second.label} took ${Number((other / own).toPrecision(2))} × the training tokens`;
}

function rewardsRise({ summaries, results }: Context): Judged {
  const method = find(results, { family: "panacea", objective: "ppo" });
  const summary = firstSummary(summaries, method, ["reward", "expected_reward"]);
  if (summary === undefined) return missing([method]);
  const { points, referencePoint, dimensions, seeds } = summary;
  const risen = dimensions.map((_, i) =>
    points.filter(({ values }) => (values[i]?.mean ?? NaN) > (referencePoint[i] ?? NaN)).length
  );
  return {
    verdict: decided(seeds.length, risen.every((count) => count === points.length)),
    found: dimensions.map((name, i) => `${name} rises at ${risen[i]} of ${points.length} λ`)
      .join(", "),
  };
}

function isConvex({ results }: Context): Judged {
  const method = find(results, { family: "panacea", objective: "ppo" });
  const fronts = frontsByMethod(results).find((fronts) =>
    fronts.method === method?.name && rewardMetrics.includes(fronts.metric)
  );
  const first = fronts?.runs[0]?.front;
  if (fronts === undefined || first?.dimensions.length !== 2 || first.points.length < 3) {
    return missing([method]);
  }
  const gaps = fronts.runs.map(({ front }) => hullGap(front.points.map(({ values }) => values)));
  const dominated = fronts.runs.map(({ front }) => front.indicators.dominatedShare);
  const largest = Math.max(...gaps);
  return {
    verdict: decided(gaps.length, largest <= HULL_BAR),
    found: `points lie at most ${percent(largest)} of the span below the convex hull ` +
      `(bar ${percent(HULL_BAR)}); at most ${
        percent(Math.max(...dominated))
      } of them are dominated`,
  };
}

function expands({ results }: Context): Judged {
  const method = find(results, { family: "panacea", objective: "ppo" });
  const run = results.runs.find(({ method: name, evolution }) =>
    name === method?.name && evolution.length > 1
  );
  if (run === undefined) return missing([method]);
  const volumes = run.evolution.map(({ front }) => front.indicators.hypervolume);
  const [first = NaN, last = NaN] = [volumes[0], volumes.at(-1)];
  const told = run.evolution.map(({ step }, i) => `${figure(volumes[i] ?? NaN)} at ${step}`);
  return {
    verdict: last > first && last >= 0.95 * Math.max(...volumes) ? "holds" : "fails",
    found: `hypervolume by iteration of one run: ${told.join(", ")}`,
  };
}

function learnedScalingWins(context: Context): Judged {
  const { results, summaries } = context;
  const learned = find(results, { family: "panacea", objective: "dpo" });
  const fixed = results.methods.filter(({ variant }) => variant.startsWith("scaling "));
  const metric = anyMetric.find((metric) =>
    learned !== undefined && summaryOf(summaries, learned, metric) !== undefined
  );
  const compared = fixed.flatMap((method) => {
    if (learned === undefined || metric === undefined) return [];
    const difference = hypervolumeDifference(context, { first: learned, second: method, metric });
    return difference === null ? [] : [{ method, difference }];
  });
  if (fixed.length === 0) {
    return { verdict: "missing", found: "this plan does not compare them" };
  }
  if (compared.length === 0) return missing([learned, ...fixed]);
  const all = compared.map(({ difference }) => verdictOf(difference));
  const verdict = all.includes("fails") ? "fails" : all.includes("open") ? "open" : "holds";
  const told = compared.map(({ method, difference }) =>
    `${method.variant.slice("scaling ".length)}: ${intervalText(difference)}`
  );
  return { verdict, found: `hypervolume over that of a fixed factor of ${told.join("; ")}` };
}

function landsAtOptimum({ results }: Context): Judged {
  const found = landings(results);
  if (found.length === 0) return missing([]);
  const near = found.map(({ optimum, landed: { mean, low, high } }) => {
    const weight = optimum[0] ?? NaN;
    const inside = low !== null && high !== null && low <= weight && weight <= high;
    return inside || Math.abs(mean - weight) <= LANDING_BAR;
  });
  const told = found.map(({ optimum, landed }) =>
    `λ_opt ${figure(optimum[0] ?? NaN)}, landed at ${intervalText(landed)}`
  );
  const seeds = Math.min(...found.map(({ landed }) => landed.seeds));
  return { verdict: decided(seeds, near.every(Boolean)), found: told.join("; ") };
}

function reachesExact(aggregation: string): Judge {
  return ({ results, summaries }) => {
    const method = find(results, { family: "panacea", objective: "ppo", aggregation });
    const summary = firstSummary(summaries, method, rewardMetrics);
    if (summary === undefined) return missing([method]);
    const share = summary.values.exactShare;
    if (share === undefined) {
      return { verdict: "missing", found: "no exact front is known here, or it has no volume" };
    }
    const { low, high } = share;
    const verdict = low === null || high === null
      ? "open"
      : low >= EXACT_BAR
      ? "holds"
      : high < EXACT_BAR
      ? "fails"
      : "open";
    return { verdict, found: `${intervalText(share, percent)} over ${seedsText(share)}` };
  };
}

function find(results: Results, wanted: Wanted): Method | undefined {
  const { aggregation = "ls", variant = "" } = wanted;
  return results.methods.find((method) =>
    method.family === wanted.family && method.objective === wanted.objective &&
    method.aggregation === aggregation && method.variant === variant
  );
}

function summaryOf(
  summaries: MethodSummary[],
  { name }: Method,
  metric: Metric,
): MethodSummary | undefined {
  return summaries.find((summary) => summary.method === name && summary.metric === metric);
}

function firstSummary(
  summaries: MethodSummary[],
  method: Method | undefined,
  among: Metric[],
): MethodSummary | undefined {
  if (method === undefined) return undefined;
  return among.map((metric) => summaryOf(summaries, method, metric)).find((found) => found);
}

/** A single seed decides nothing; otherwise the interval of a difference has to leave out 0. */
function verdictOf({ low, high }: SeedInterval): Verdict {
  if (low === null || high === null) return "open";
  return low > 0 ? "holds" : high < 0 ? "fails" : "open";
}

/** What came out of several seeds; one alone leaves it open. */
function decided(seeds: number, holds: boolean): Verdict {
  if (seeds < 2) return "open";
  return holds ? "holds" : "fails";
}

function missing(methods: (Method | undefined)[]): Judged {
  const names = methods.flatMap((method) => method === undefined ? [] : [method.label]);
  return {
    verdict: "missing",
    found: names.length === 0
      ? "no such run in this plan"
      : `no finished runs of ${[...new Set(names)].join(" or ")} show it`,
  };
}

/** `0.012 [0.003, 0.021]`, or with one seed the value alone. */
export function intervalText(
  { mean, low, high }: SeedInterval,
  format: (value: number) => string = figure,
): string {
  if (low === null || high === null) return format(mean);
  return `${format(mean)} [${format(low)}, ${format(high)}]`;
}

function seedsText({ seeds }: SeedInterval): string {
  return `${seeds} seed${seeds === 1 ? "" : "s"}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
