// Rows about growth: how time and memory follow the size of what is asked for. Part of the table in
// rows.ts; growth_svg.ts draws them.
import { compareTimings, holdAgainst, largestPeak, median, timingsOf } from "./compare.ts";
import { emptyCache, ownScript } from "./own.ts";
import type { Contestant, Round, Row, RowReport } from "./row.ts";
import { smollm2 } from "./shape.ts";

/** One size after another, and what theory says of them. */
interface GrowthPlan {
  name: string;
  description: string;
  axis: string; // what grows
  sizes: number[];
  contestant(size: number): Contestant;
  figure: string; // of the contestant, seconds
  /** What seconds should be proportional to; 1 where they should not grow. */
  work(size: number): number;
  atMost?: number; // of the largest size's seconds for its work, beside the smallest's
}

/** What a growth row tells besides its ratio: an entry for each size. */
export interface Growth {
  axis: string;
  sizes: number[];
  seconds: number[];
  expected: number[]; // by theory, from the smallest size on
  peakBytes: (number | null)[];
}

const PAIRS = 2;
const LENGTH = 256;

const plans: GrowthPlan[] = [
  {
    name: "growth_tokens",
    description: "DPO step for a token, sequences of 1,024 beside 128: linear is 1 ×",
    axis: "tokens of a sequence",
    sizes: [128, 256, 512, 1024],
    contestant: (length) => step({ length }),
    figure: "total",
    work: (length) => length,
    atMost: 1.05,
  },
  {
    name: "growth_layers",
    description: "DPO step for a layer, 30 layers beside 10",
    axis: "layers",
    sizes: [10, 20, 30],
    contestant: (layers) => step({ layers }),
    figure: "total",
    work: (layers) => layers,
  },
  {
    name: "growth_dimensions",
    description: "DPO step with 10 dimensions beside 2",
    axis: "dimensions m",
    sizes: [2, 3, 10],
    contestant: (objectives) => step({ objectives }),
    figure: "total",
    work: () => 1,
    atMost: 1.05,
  },
  {
    name: "growth_context",
    description: "a token of one chat, int8, behind 1,024 tokens beside 128",
    axis: "tokens before",
    sizes: [128, 256, 512, 1024],
    contestant: generation,
    figure: "token",
    work: () => 1,
  },
];

/** Rows of the table. */
export const growthRows: Row[] = plans.map((plan) => ({
  name: plan.name,
  description: plan.description,
  experiment: {
    contestants: () =>
      Promise.resolve(
        Object.fromEntries(plan.sizes.map((size) => [String(size), plan.contestant(size)])),
      ),
  },
  report: (rounds) => growthReport(rounds, plan),
}));

function step(
  { length = LENGTH, objectives = 2, layers = smollm2.layers }: {
    length?: number;
    objectives?: number;
    layers?: number;
  },
): Contestant {
  return ownScript("growth_step.ts", [PAIRS, length, objectives, layers].map(String));
}

function generation(prompt: number): Contestant {
  const sizes = {
    batch: 1,
    prompt,
    tokens: 32,
    iterations: 3,
    threads: navigator.hardwareConcurrency,
  };
  const args = Object.entries(sizes).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return ownScript("generate.ts", ["--format", "int8", ...args], { env: emptyCache });
}

/** The largest size beside the smallest, each for its work. */
function growthReport(
  rounds: Round[],
  { name, axis, sizes, figure, work, atMost }: GrowthPlan,
): RowReport {
  const timings = sizes.map((size) => timingsOf(rounds, String(size), figure));
  const [smallest = NaN, largest = NaN] = [sizes.at(0), sizes.at(-1)];
  const forWork = (size: number) =>
    timingsOf(rounds, String(size), figure).map((timing) => ({
      ...timing,
      seconds: timing.seconds / work(size),
    }));
  const report = compareTimings(name, { ours: forWork(largest), peer: forWork(smallest) });
  const seconds = timings.map((all) => median(all.map((timing) => timing.seconds)));
  const growth: Growth = {
    ...{ axis, sizes, seconds },
    expected: sizes.map((size) => (seconds[0] ?? NaN) * work(size) / work(smallest)),
    peakBytes: timings.map(largestPeak),
  };
  return {
    ...report,
    ...atMost !== undefined && { target: holdAgainst(report.ours / report.peer, { atMost }) },
    growth,
  };
}
