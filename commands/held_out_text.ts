// A held-out loss as text for the terminal: one row a measurement, and what training changed. Used at
// the end of train.
import type { HeldOutReport } from "../core/held_out.ts";
import { columns } from "./format.ts";

/** The measurements of a report, the first and last of many, and the change between them. */
export function heldOutText({ data, points, change }: HeldOutReport): string {
  const shown = points.length > MOST_ROWS
    ? [...points.slice(0, 1), ...points.slice(1 - MOST_ROWS)]
    : points;
  const rows = shown.map(({ step, loss, low, high, perplexity }) => [
    String(step),
    loss.toFixed(4),
    `${low.toFixed(4)} – ${high.toFixed(4)}`,
    perplexity.toFixed(2),
  ]);
  const prompts = new Set(data.prompts).size;
  return [
    `Held-out loss a token, with 95 % intervals: ${data.tokens.length} answers to ${prompts} prompts`,
    columns([["step", "loss", "interval", "perplexity"], ...rows]),
    ...change === undefined ? [] : ["", changeText(change, points[0]?.step ?? 0)],
  ].join("\n");
}

const MOST_ROWS = 12;

function changeText(
  { value, low, high }: { value: number; low: number; high: number },
  first: number,
): string {
  const verdict = high < 0 ? "lower" : low > 0 ? "higher: worse" : "no measurable change";
  const sign = value > 0 ? "+" : "";
  return `Since step ${first}: ${sign}${value.toFixed(4)} (${low.toFixed(4)} – ${
    high.toFixed(4)
  }), ${verdict}`;
}

/** The same for programs, without the single dialogues. */
export function heldOutDocument({ data, points, change }: HeldOutReport) {
  return {
    dataset: data.dataset,
    points: points.map(({ step, loss, low, high, perplexity }) => ({
      step,
      loss,
      low,
      high,
      perplexity,
    })),
    ...change && { change },
  };
}
