// Figure 4, right: the front of one run at several steps of its training.
import { stepColour } from "../../front/palette.ts";
import { figure as short } from "../../front/render.ts";
import type { KeptFront, Results, RunRecord } from "../results.ts";
import { axisOf, exactOf, type Figure } from "./figure.ts";
import { type FrontSeries, frontsSvg } from "./fronts.ts";

/** Figure 4, right. */
export const evolution: Figure = {
  heading: "Figure 4, right: the front as it grew",
  caption: ({ results }) => {
    const run = shownRun(results);
    const told = run === undefined ? "" : ` Seed ${run.seed}.`;
    return `The front of Panacea with RLHF after more and more iterations.${told} In the paper it ` +
      "expands in both dimensions until it covers the whole front.";
  },
  draw(context, width) {
    const run = shownRun(context.results);
    const last = run?.evolution.at(-1);
    if (run === undefined || last === undefined) return null;
    const { metric, dimensions, indicators } = last.front;
    if (dimensions.length < 2) return null;
    const exact = exactOf(context, run.method, metric);
    const shown = [...run.evolution].reverse(); // the last leads
    const volumes = run.evolution.map(({ step, front }) =>
      `${short(front.indicators.hypervolume)} at ${step}`
    );
    return frontsSvg({
      title: "The front as it grew",
      lines: [`Hypervolume: ${volumes.join(", ")}`],
      dimensions,
      axis: axisOf(metric),
      series: shown.map(({ step, front }, i): FrontSeries => ({
        name: `iteration ${step}`,
        colour: stepColour(1 - i / Math.max(1, shown.length - 1)),
        shape: "circle",
        points: pointsOf(front),
        leading: i === 0,
      })),
      ...(exact && { exact }),
      referencePoint: indicators.referencePoint,
    }, width);
  },
};

/** The first run with more than one stage whose method feeds the figure. */
function shownRun({ methods, runs }: Results): RunRecord | undefined {
  const fed = methods.filter(({ figures }) => figures.includes("figure_4_right"))
    .map(({ name }) => name);
  return runs.find(({ method, evolution }) => fed.includes(method) && evolution.length > 1);
}

function pointsOf({ points }: KeptFront) {
  return points.map(({ preference, values }) => ({
    preference,
    values: values.map((mean) => ({ mean, low: null, high: null, seeds: 1 })),
  }));
}
