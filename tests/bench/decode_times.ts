// What the moments of generated tokens say: the figures that our generation and its peers print.
import { median } from "./compare.ts";
import type { Figures } from "./row.ts";

/**
 * Seconds, out of the milliseconds at which a generation started and its tokens were there: `token`
 * and `mean`, median and mean of the times between tokens, and `first`, the time of the first one.
 * Throws RangeError for fewer than two tokens.
 */
export function decodeTimes(start: number, times: number[]): Figures {
  const [first, second] = times;
  const last = times.at(-1);
  if (first === undefined || second === undefined || last === undefined) {
    throw new RangeError(`Cannot time decoding: expected 2 tokens or more, got ${times.length}`);
  }
  const gaps = times.slice(1).map((time, i) => time - (times[i] ?? NaN));
  return {
    token: median(gaps) / 1000,
    mean: (last - first) / gaps.length / 1000,
    first: (first - start) / 1000,
  };
}
