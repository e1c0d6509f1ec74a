// The front of a stored adapter: reads it, measures it as its metric wants, writes the report.
import { join } from "node:path";
import type { Metric } from "../core/front/report.ts";
import { byScores } from "./front_by_scores.ts";
import { reportFront, writeFront } from "./front_report.ts";
import { type Measure, openSubject } from "./front_subject.ts";
import { withLocalData } from "./hub_data.ts";
import type { FrontRequest, FrontResult, SessionOptions } from "./protocol.ts";

/** How each metric is measured. Generating opens ONNX Runtime, which other fronts do without. */
const measures: Record<Metric, Measure> = {
  implicit_accuracy: byScores,
  expected_reward: byScores,
  reward: async (subject, options) =>
    await (await import("./front_by_responses.ts")).byResponses(subject, options),
};

/**
 * Measures the front of `given.adapter` and writes it beside the adapter, under `given.name`.
 * Its settings are those that frontSettings tells beforehand.
 */
export async function runFront(
  given: FrontRequest,
  options: SessionOptions,
): Promise<FrontResult> {
  const request = await withLocalData(given, options);
  const subject = await openSubject(request);
  const { stored, data, settings } = subject;
  const { measured, samples, remarks } = await measures[settings.metric](subject, options);
  const { adapter, checkpoint, name = "front" } = request;
  const report = reportFront(measured, {
    adapter: checkpoint === undefined ? adapter : join(adapter, `checkpoint-${checkpoint}`),
    settings,
    remarks: {
      step: stored.config.steps,
      dataset: data.dataset,
      trainingRows: stored.config.dataset_fingerprint,
      ...remarks,
    },
  });
  const files = await writeFront(adapter, name, report);
  options.onEvent({ type: "front", report, files });
  return { report, files, samples };
}
