// From rounds to a row: medians, the ratio and its spread. Pure; the last stage before printing.
import type { Figures, Round, RowReport, Target } from "./row.ts";

/** Time and memory of one side in one round. */
export interface Timing {
  seconds: number;
  peakBytes: number | null;
}

/** The middle value, or the mean of the two in the middle; NaN for none. */
export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const upper = sorted[half] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? NaN) + upper) / 2;
}

/** The smallest value that at least `share` of the values do not exceed; NaN for none. */
export function percentile(values: number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/** (largest − smallest) / median; 0 for a single value. */
export function spread(values: number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values);
}

/**
 * Medians by name over the iterations of one process, the first left out: it is the warm-up.
 * Throws RangeError for fewer than two iterations.
 */
export function medianAfterWarmUp(iterations: Figures[]): Figures {
  const counted = iterations.slice(1);
  if (counted.length === 0) {
    throw new RangeError(
      `Cannot take medians: expected at least 2 iterations, got ${iterations.length}`,
    );
  }
  return mediansByName(counted);
}

/** Medians by name; every record must have the names of the first. */
export function mediansByName(records: Figures[]): Figures {
  const names = Object.keys(records[0] ?? {});
  return Object.fromEntries(
    names.map((name) => [name, median(records.map((record) => record[name] ?? NaN))]),
  );
}

/**
 * The row of ours beside a peer, one timing of each per round.
 * Throws RangeError where a time is missing: no row is better than a wrong one.
 */
export function compareTimings(
  name: string,
  { ours, peer }: { ours: Timing[]; peer: Timing[] },
): RowReport {
  const all = [...ours, ...peer];
  if (ours.length === 0 || ours.length !== peer.length || !all.every(isMeasured)) {
    throw new RangeError(
      `Cannot compare ${name}: expected one time above 0 of each side per round, ` +
        `got ${ours.length} of ours and ${peer.length} of the peer's`,
    );
  }
  const medians = { ours: median(seconds(ours)), peer: median(seconds(peer)) };
  return {
    name,
    ...medians,
    ratio: medians.peer / medians.ours,
    spread: spread(ours.map((timing, i) => (peer[i]?.seconds ?? NaN) / timing.seconds)),
    peakBytes: largestPeak(ours),
    peerPeakBytes: largestPeak(peer),
  };
}

/** A value held against its limit; a value that is not a number meets none. */
export function holdAgainst(
  value: number,
  limit: { atMost: number } | { atLeast: number },
  unit: Target["unit"] = "×",
): Target {
  const met = "atMost" in limit ? value <= limit.atMost : value >= limit.atLeast;
  return { value, ...limit, unit, met };
}

/** The timings of one contestant, by the figure that is its time. */
export function timingsOf(rounds: Round[], contestant: string, figure: string): Timing[] {
  return rounds.map((round) => ({
    seconds: round[contestant]?.figures[figure] ?? NaN,
    peakBytes: round[contestant]?.peakBytes ?? null,
  }));
}

/** The name whose median time is the smallest. */
export function fastest(timings: Record<string, Timing[]>): string {
  const times = Object.entries(timings).map(([name, list]) => ({
    name,
    seconds: median(seconds(list)),
  }));
  const [first, ...rest] = times;
  if (first === undefined) throw new RangeError("Cannot find the fastest: expected one at least");
  return rest.reduce((best, next) => next.seconds < best.seconds ? next : best, first).name;
}

/** Largest peak of the rounds; null where one is not known. */
export function largestPeak(timings: Timing[]): number | null {
  return timings.reduce<number | null>(
    (most, { peakBytes }) => most === null || peakBytes === null ? null : Math.max(most, peakBytes),
    0,
  );
}

function seconds(timings: Timing[]): number[] {
  return timings.map((timing) => timing.seconds);
}

function isMeasured({ seconds }: Timing): boolean {
  return Number.isFinite(seconds) && seconds > 0;
}
