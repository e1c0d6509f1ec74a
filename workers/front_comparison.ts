// `deno task front --compare` and `--evolution`: the fronts that a figure takes, each out of the store
// or measured now, then the figure beside the first adapter.
import { compareFronts, type FrontComparison } from "../core/front/comparison.ts";
import { comparisonCsv } from "../core/front/render.ts";
import { frontName } from "../data/store/front_settings.ts";
import { saveFigure } from "../data/store/run_folder.ts";
import {
  comparedParts,
  type FigureKind,
  type FigurePart,
  figures,
  namedFronts,
  stepParts,
} from "./front_figures.ts";
import { frontSettings } from "./front_settings.ts";
import { runFront } from "./fronts.ts";
import { withLocalData } from "./hub_data.ts";
import type { ComparisonResult, FrontRequest, SessionOptions } from "./protocol.ts";

/** The fronts of several adapters on the same axes: that of `request.adapter` and of `others`. */
export async function runComparison(
  { others, ...given }: FrontRequest & { others: string[] },
  options: SessionOptions,
): Promise<ComparisonResult> {
  const request = await withLocalData(given, options);
  const parts = await comparedParts(request, others);
  return await draw("comparison", { request, parts }, options);
}

/** The front of an adapter at the steps of its training, on the same axes. */
export async function runEvolution(
  given: FrontRequest,
  options: SessionOptions,
): Promise<ComparisonResult> {
  const request = await withLocalData(given, options);
  return await draw("evolution", { request, parts: await stepParts(request) }, options);
}

/** What runComparison draws, without the drawing. */
export async function measureComparison(
  { others, ...given }: FrontRequest & { others: string[] },
  options: SessionOptions,
): Promise<FrontComparison> {
  const request = await withLocalData(given, options);
  return await compareParts(await comparedParts(request, others), request, options);
}

async function draw(
  kind: FigureKind,
  { request, parts }: { request: FrontRequest; parts: FigurePart[] },
  options: SessionOptions,
): Promise<ComparisonResult> {
  const comparison = await compareParts(parts, request, options);
  const files = await saveFigure(request.adapter, request.name ?? kind, {
    json: comparison,
    svg: await figures[kind](comparison),
    csv: comparisonCsv(comparison),
  });
  return { comparison, files };
}

async function compareParts(
  parts: FigurePart[],
  request: FrontRequest,
  options: SessionOptions,
): Promise<FrontComparison> {
  const complete: FigurePart[] = [];
  for (const part of parts) {
    complete.push(part.report === null ? await measure(part, request, options) : part);
  }
  return compareFronts(namedFronts(complete));
}

/** Measures the front of a part and stores it where the next figure finds it. */
async function measure(
  part: FigurePart,
  request: FrontRequest,
  options: SessionOptions,
): Promise<FigurePart> {
  const { adapter, checkpoint } = part;
  const wanted = { ...request, adapter, checkpoint };
  const name = frontName(await frontSettings(wanted));
  options.onEvent({ type: "notice", message: `Measuring the front of ${part.name}` });
  return { ...part, report: (await runFront({ ...wanted, name }, options)).report };
}
