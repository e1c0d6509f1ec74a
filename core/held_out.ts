// The held-out loss of supervised fine-tuning: how well dialogues that were not trained on are
// predicted, before training and along the way, with intervals over their prompts.
// workers/held_out.ts measures; this file makes the report, its table and its picture.
import * as Plot from "@observablehq/plot";
import { z } from "zod";
import {
  bootstrapContrasts,
  bootstrapMeans,
  meanOutcomes,
  type Outcomes,
} from "./front/bootstrap.ts";
import { csvText } from "./front/csv.ts";
import { dimensionColour, MUTED } from "./front/palette.ts";
import { plot } from "./front/panels.ts";
import { drawSheet } from "./front/sheet.ts";
import { Random } from "./random.ts";

const finite = z.number().finite();
const count = z.number().int().nonnegative();

/** What was measured, on which data: what two reports must share to be compared. */
export const HeldOutData = z.strictObject({
  base_model: z.string(),
  dataset: z.string().describe("dataset option that names the dialogues, or whose share they are"),
  dataset_fingerprint: z.string().describe("hash of the dialogues"),
  template_fingerprint: z.string().describe("hash of tokenizer and chat template"),
  tokens: z.array(count.min(1)).min(1).describe("(S) learned tokens of every sequence"),
  prompts: z.array(count).describe("(S) number of its prompt; answers to one prompt share it"),
});
export type HeldOutData = z.infer<typeof HeldOutData>;

/** The loss after some steps. */
const Point = z.strictObject({
  step: count,
  nll: z.array(finite).describe("(S) negative log-probability of every sequence, in nats"),
  loss: finite.describe("mean negative log-probability of a learned token, in nats"),
  low: finite.describe("lower end of its 95 % interval"),
  high: finite.describe("upper end of its 95 % interval"),
  perplexity: z.number().positive().describe("exp(loss)"),
});

/** The one schema of reports/held_out.json. */
export const HeldOutReport = z.strictObject({
  format: z.literal("panacea-held-out"),
  version: z.literal(1),
  data: HeldOutData,
  points: z.array(Point).min(1).describe("by rising step; step 0 is the base model"),
  change: z.strictObject({ value: finite, low: finite, high: finite }).optional().describe(
    "last loss less the first, on the same dialogues; absent with one point",
  ),
});
export type HeldOutReport = z.infer<typeof HeldOutReport>;

/** How intervals are made. */
export interface HeldOutOptions {
  seed: number;
  resamples: number; // of the prompts; 0: intervals are the values themselves
}

/**
 * The report of losses measured on `data` after some steps, by rising step; `nll` as in the report.
 * Throws RangeError where nothing was measured or a number is not finite.
 */
export function heldOutReport(
  data: HeldOutData,
  measured: { step: number; nll: number[] }[],
  { seed, resamples }: HeldOutOptions,
): HeldOutReport {
  const outcomes: Outcomes = {
    values: measured.map(({ nll }) =>
      perToken(data.tokens, (s) => (nll[s] ?? NaN) / tokensOf(data, s))
    ),
    prompts: perToken(data.tokens, (s) => data.prompts[s] ?? 0),
  };
  const options = () => ({ random: new Random(seed).fork("held out"), resamples });
  const intervals = bootstrapMeans(outcomes, options());
  const losses = meanOutcomes(outcomes);
  const last = measured.length - 1;
  const contrast = measured.map((_, n) => (n === last ? 1 : 0) - (n === 0 ? 1 : 0));
  const [change] = last === 0 ? [] : bootstrapContrasts(outcomes, [contrast], options());
  const value = (losses[last] ?? NaN) - (losses[0] ?? NaN);
  return {
    format: "panacea-held-out",
    version: 1,
    data,
    points: measured.map(({ step, nll }, n) => {
      const loss = losses[n] ?? NaN;
      const { low, high } = intervals[n] ?? { low: NaN, high: NaN };
      return { step, nll, loss, low, high, perplexity: Math.exp(loss) };
    }),
    ...change && { change: { value, ...change } },
  };
}

/**
 * The report with one more point, in place of those at its step and later ones (a run that goes on
 * from a checkpoint comes to them again); a new report where the old one is of other data.
 */
export function withPoint(
  report: HeldOutReport | null,
  data: HeldOutData,
  { point, ...options }: HeldOutOptions & { point: { step: number; nll: number[] } },
): HeldOutReport {
  const same = report !== null && JSON.stringify(report.data) === JSON.stringify(data);
  const earlier = same ? report.points.filter(({ step }) => step < point.step) : [];
  const known = earlier.map(({ step, nll }) => ({ step, nll }));
  return heldOutReport(data, [...known, point], options);
}

/** Step, loss, interval and perplexity of every point as CSV. */
export function heldOutCsv({ points }: HeldOutReport): string {
  return csvText([
    ["step", "loss", "low", "high", "perplexity"],
    ...points.map(({ step, loss, low, high, perplexity }) =>
      [step, loss, low, high, perplexity].map(String)
    ),
  ]);
}

/** The losses over the steps, with their intervals, beside those of training, as an SVG document. */
export function heldOutSvg(
  { data, points }: HeldOutReport,
  { name, training }: { name: string; training: { step: number; loss: number }[] },
): string {
  const size = { width: 640, height: 380 };
  const colour = dimensionColour(1);
  const at = { x: "step", y: "loss" };
  const panel = plot(size, {
    x: { label: "step →" },
    y: { label: "↑ loss per token (nats)" },
    marks: [
      Plot.line(training, { ...at, stroke: MUTED, strokeOpacity: 0.5, strokeWidth: 1 }),
      Plot.ruleX(points, { x: "step", y1: "low", y2: "high", stroke: colour }),
      Plot.line(points, { ...at, stroke: colour }),
      Plot.dot(points, { ...at, fill: colour, stroke: "white", r: 5 }),
    ],
  });
  const prompts = new Set(data.prompts).size;
  return drawSheet({
    title: `Held-out loss of ${name}`,
    lines: [
      `${data.tokens.length} answers to ${prompts} prompts that were not trained on; intervals of ` +
      "95 % over prompts.",
    ],
    legend: [
      { mark: `<circle cx="7" cy="-4" r="5" fill="${colour}"/>`, markWidth: 14, text: "held out" },
      {
        mark: `<path d="M0 -4H20" stroke="${MUTED}" opacity="0.6"/>`,
        markWidth: 20,
        text: "training batches",
      },
    ],
    panels: [panel],
    size,
  });
}

/** One value for each token, from one for each sequence. */
function perToken(tokens: number[], valueOf: (s: number) => number): Float64Array {
  const values = new Float64Array(tokens.reduce((sum, n) => sum + n, 0));
  let at = 0;
  tokens.forEach((n, s) => values.fill(valueOf(s), at, at += n));
  return values;
}

function tokensOf({ tokens }: HeldOutData, s: number): number {
  return tokens[s] ?? NaN;
}
