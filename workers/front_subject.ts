// An adapter whose front is to be measured: read from the disk with its run, its test data and all
// that the numbers will depend on, before any model is loaded. What computes the numbers is in
// front_by_scores.ts and front_by_responses.ts.
import type { RunConfig } from "../core/config.ts";
import type { FrontSettings } from "../data/store/front_settings.ts";
import { openAdapter, type StoredAdapter } from "../data/store/run_folder.ts";
import type { Measured } from "./evaluation.ts";
import {
  adapterFolder,
  composeSettings,
  type EvaluationData,
  evaluationData,
  responseSettings,
  runOf,
} from "./front_settings.ts";
import type { FrontRequest, SampleAnswers, SessionOptions } from "./protocol.ts";

/** What is measured, and with what. */
export interface FrontSubject {
  request: FrontRequest;
  stored: StoredAdapter;
  run: RunConfig | null;
  data: EvaluationData;
  settings: FrontSettings;
}

/** A way of measuring: all metrics have one. */
export type Measure = (subject: FrontSubject, options: SessionOptions) => Promise<Measurement>;

/** What was measured over the grid of the settings. */
export interface Measurement {
  measured: Measured;
  samples: SampleAnswers[];
  /** What else the report tells of it. */
  remarks: Record<string, unknown>;
}

/** Reads what `request` names; throws as frontSettings does. */
export async function openSubject(request: FrontRequest): Promise<FrontSubject> {
  const stored = await openAdapter(adapterFolder(request));
  const { config, parametersHash } = stored;
  const run = await runOf(request.adapter);
  const data = await evaluationData(request, { run, dimensions: config.dimensions });
  const responses = await responseSettings(request, { config, run, data });
  const settings = composeSettings(request, { config, parametersHash, run, data, responses });
  return { request, stored, run, data, settings };
}
