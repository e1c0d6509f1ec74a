// How far the axes of the page's plot reach, with every front that stands in it in view.
import { domain, type Pair, within } from "../../../core/front/axes.ts";
import type { FrontReport } from "../../../core/front/report.ts";

/** The range of dimension `i` over the first report and those beside it. */
export function axisRange([first, ...others]: FrontReport[], i: number): [number, number] {
  const reports = first === undefined ? others : [first, ...others];
  const values = reports.flatMap(({ points, exact, initial }) => [
    ...points.flatMap(({ low, high }) => [low[i] ?? NaN, high[i] ?? NaN]),
    ...(exact?.points ?? []).map((point) => point.values[i] ?? NaN),
    ...(initial === undefined ? [] : [initial[i] ?? NaN]),
  ]);
  return domain(values, first?.indicators.referencePoint[i] ?? NaN);
}

/** Whether the first report's reference point lies near enough to its points to be drawn. */
export function showsReference(reports: FrontReport[], { x, y }: Pair): boolean {
  const point = reports[0]?.indicators.referencePoint ?? [];
  return [x, y].every((i) => within(point[i] ?? NaN, axisRange(reports, i)));
}
