// How the runs of RLHF went: reward by dimension, KL and length over the iterations, a line for each
// seed. What a reader looks at first when a front is not what was expected.
import * as Plot from "@observablehq/plot";
import { plot } from "../../front/panels.ts";
import { seriesColour } from "../../front/palette.ts";
import { drawSheet } from "../../front/sheet.ts";
import type { Method, Results, RunRecord } from "../results.ts";
import type { Figure } from "./figure.ts";
import type { Width } from "./fronts.ts";

/** Columns of metrics.jsonl with the words of their axis; rewards come by dimension. */
const COLUMNS: Record<string, string> = {
  kl: "KL, nats per answer",
  length: "answer length, tokens",
  entropy: "entropy, nats per token",
  explained_variance: "explained variance",
};

interface Line {
  colour: string;
  rows: { step: number; value: number }[];
}

/** Curves of the runs of RLHF. */
export const curves: Figure = {
  heading: "Training curves of RLHF",
  caption: () =>
    "Mean reward of each dimension over all λ that an iteration drew, KL against the reference, " +
    "length and entropy of the answers, and how much of the returns the critic explains; a line " +
    "for each seed.",
  draw({ results }, width) {
    const shown = results.methods.filter(({ figures }) => figures.includes("curves"));
    const columns = [
      ...results.dimensions.map((name) => [`reward/${name}`, `reward: ${name}`] as const),
      ...Object.entries(COLUMNS),
    ];
    const panels = columns.flatMap(([column, label]) => {
      const lines = shown.flatMap((method, i) => linesOf(results, { method, column, i }));
      return lines.length === 0 ? [] : [panel(lines, { label, width })];
    });
    if (panels.length === 0) return null;
    return drawSheet({
      title: "Training curves of RLHF",
      lines: ["One line for each seed"],
      legend: shown.map(({ label }, i) => ({
        mark: `<path d="M0,-4 h16" stroke="${seriesColour(i)}" stroke-width="2"/>`,
        markWidth: 16,
        text: label,
      })),
      panels,
      size: sizeFor(width),
      columns: width === "wide" ? 2 : 1,
    });
  },
};

function sizeFor(width: Width) {
  return width === "wide" ? { width: 400, height: 250 } : { width: 316, height: 220 };
}

function linesOf(
  { runs }: Results,
  { method, column, i }: { method: Method; column: string; i: number },
): Line[] {
  const own = runs.filter((run: RunRecord) => run.method === method.name);
  return own.flatMap(({ curve }) => {
    const rows = curve.flatMap(({ step = NaN, [column]: value }) =>
      value === undefined ? [] : [{ step, value }]
    );
    return rows.length > 1 ? [{ colour: seriesColour(i), rows }] : [];
  });
}

function panel(lines: Line[], { label, width }: { label: string; width: Width }): string {
  return plot(sizeFor(width), {
    x: { label: "iteration →" },
    y: { label: `↑ ${label}` },
    marks: lines.map(({ colour, rows }) =>
      Plot.line(rows, { x: "step", y: "value", stroke: colour, strokeOpacity: 0.8 })
    ),
  });
}
