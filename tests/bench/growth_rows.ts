// Rows about growth: how a step's time and memory follow the length of sequences and the number of
// dimensions. Part of the table in rows.ts.
import { compareTimings, holdAgainst, largestPeak, median, timingsOf } from "./compare.ts";
import { ownScript } from "./own.ts";
import type { Contestant, Experiment, Round, Row, RowReport } from "./row.ts";

const PAIRS = 2;
/** Contestants, each a step of its own size. */
const lengths = { "128 tokens": 128, "256 tokens": 256, "512 tokens": 512, "1024 tokens": 1024 };
const dimensions = { "m 2": 2, "m 3": 3, "m 10": 10 };

const ofTokens = experiment(
  Object.entries(lengths).map(([name, length]) => [name, step(length, 2)]),
);
const ofDimensions = experiment(
  Object.entries(dimensions).map(([name, m]) => [name, step(256, m)]),
);

/** Rows of the table. */
export const growthRows: Row[] = [
  {
    name: "growth_tokens",
    description: "DPO step per token, sequences of 1,024 tokens beside 128: linear is 1 ×",
    experiment: ofTokens,
    report(rounds) {
      const ours = perToken(rounds, "1024 tokens");
      return growthReport("growth_tokens", rounds, {
        ...{ ours, peer: perToken(rounds, "128 tokens") },
        settings: Object.keys(lengths),
      });
    },
  },
  {
    name: "growth_dimensions",
    description: "DPO step with 10 dimensions beside 2",
    experiment: ofDimensions,
    report: (rounds) =>
      growthReport("growth_dimensions", rounds, {
        ours: timingsOf(rounds, "m 10", "total"),
        peer: timingsOf(rounds, "m 2", "total"),
        settings: Object.keys(dimensions),
      }),
  },
];

type Timings = ReturnType<typeof timingsOf>;

function step(length: number, objectives: number): Contestant {
  return ownScript("growth_step.ts", [PAIRS, length, objectives].map(String));
}

function experiment(contestants: [string, Contestant][]): Experiment {
  return { contestants: () => Promise.resolve(Object.fromEntries(contestants)) };
}

function perToken(rounds: Round[], name: keyof typeof lengths): Timings {
  return timingsOf(rounds, name, "total").map((timing) => ({
    ...timing,
    seconds: timing.seconds / lengths[name],
  }));
}

/** The largest size beside the smallest, and time and memory of all. */
function growthReport(
  name: string,
  rounds: Round[],
  { ours, peer, settings }: { ours: Timings; peer: Timings; settings: string[] },
): RowReport {
  const report = compareTimings(name, { ours, peer });
  return {
    ...report,
    target: holdAgainst(report.ours / report.peer, { atMost: 1.05 }),
    settings: Object.fromEntries(settings.map((setting) => {
      const timings = timingsOf(rounds, setting, "total");
      const seconds = median(timings.map((timing) => timing.seconds));
      return [setting, { seconds, peakBytes: largestPeak(timings) }];
    })),
  };
}
