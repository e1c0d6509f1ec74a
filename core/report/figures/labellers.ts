// Appendix A as a picture: where policies trained on the scalar labels of mixed labellers landed,
// beside λ_opt on the exact front and what each labeller wanted.
import { figure as short } from "../../front/render.ts";
import type { Metric } from "../../front/report.ts";
import { INK, seriesColour } from "../../front/palette.ts";
import { seriesShape } from "../../front/shapes.ts";
import { type Landing, landings } from "../labellers.ts";
import { exactOf, type Figure, type FigureContext, seriesOf } from "./figure.ts";
import { frontsSvg, type Landmark } from "./fronts.ts";

const METRIC: Metric = "expected_reward";

/** The theorem of appendix A. */
export const labellers: Figure = {
  heading: "Appendix A: labels of mixed labellers",
  caption: ({ results }) => {
    const told = landings(results).map(({ labellers, optimum }) => {
      const each = labellers.map(({ share, preference }) =>
        `${Math.round(100 * share)} % of the labels from λ = (${preference.join(", ")})`
      );
      return `${each.join(", ")}: λ_opt = (${optimum.map(short).join(", ")})`;
    });
    return "A single policy trained on one scalar label per pair, drawn from labellers of " +
      "different preferences, is the policy of their mean preference λ_opt, which none of them " +
      `may want.${told.length > 0 ? ` Here ${told.join("; ")}.` : ""}`;
  },
  draw(context, width) {
    const placed = landings(context.results);
    const panacea = context.summaries.find(({ metric, dimensions, method }) =>
      metric === METRIC && dimensions.length === 2 && isPlainDpo(context, method)
    );
    const method = context.results.methods.find(({ name }) => name === panacea?.method);
    if (placed.length === 0 || panacea === undefined || method === undefined) return null;
    const exact = exactOf(context, placed[0]?.method ?? "", METRIC) ?? [];
    return frontsSvg({
      title: "Labels of mixed labellers",
      lines: placed.map(({ optimum, landed }) =>
        `λ_opt ${short(optimum[0] ?? NaN)} on ${panacea.dimensions[0]}; the policies landed at ` +
        short(landed.mean)
      ),
      dimensions: panacea.dimensions,
      axis: "expected reward",
      series: [{ ...seriesOf({ method, summary: panacea }, 0) }],
      exact,
      referencePoint: panacea.referencePoint,
      landmarks: placed.flatMap((landing, i) => landmarksOf(landing, { exact, i })),
    }, width);
  },
};

function isPlainDpo({ results }: FigureContext, name: string): boolean {
  return results.methods.some((method) =>
    method.name === name && method.family === "panacea" && method.objective === "dpo" &&
    method.aggregation === "ls" && method.variant === ""
  );
}

function landmarksOf(
  { optimum, values }: Landing,
  { exact, i }: { exact: { preference: number[]; values: number[] }[]; i: number },
): Landmark[] {
  const weight = optimum[0] ?? NaN;
  const name = short(weight);
  const aim = interpolated(exact, weight);
  return [
    ...(aim === null ? [] : [{
      name: `exact at λ_opt ${name}`,
      values: aim,
      colour: INK,
      shape: "diamond" as const,
      r: 8,
    }]),
    {
      name: `trained on labels of λ_opt ${name}`,
      values: values.map(({ mean }) => mean),
      colour: seriesColour(i),
      shape: seriesShape(i),
      r: 4,
    },
  ];
}

/** The exact front at a first weight between its points; null outside of them. */
function interpolated(
  exact: { preference: number[]; values: number[] }[],
  weight: number,
): number[] | null {
  const ordered = [...exact].sort((a, b) => (a.preference[0] ?? 0) - (b.preference[0] ?? 0));
  const after = ordered.findIndex(({ preference }) => (preference[0] ?? 0) >= weight - 1e-9);
  const [to, from] = [ordered[after], ordered[Math.max(0, after - 1)]];
  if (to === undefined || from === undefined) return null;
  const [low, high] = [from.preference[0] ?? 0, to.preference[0] ?? 0];
  const share = high > low ? (weight - low) / (high - low) : 1;
  return to.values.map((value, i) => (1 - share) * (from.values[i] ?? 0) + share * value);
}
