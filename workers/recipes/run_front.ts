// The front of a run in progress: measured, written to fronts/ of its folder, told to who listens.
import type { RunConfig } from "../../core/config.ts";
import type { Engine } from "../../core/engine/mod.ts";
import type { FrontReport } from "../../core/front/report.ts";
import type { Scorer } from "../../core/policy.ts";
import { type AdapterConfig, hashParameters } from "../../data/store/adapter_config.ts";
import type { Run } from "../../data/store/run_folder.ts";
import type { Tensors } from "../../data/store/tensors.ts";
import type { Evaluation } from "../evaluation.ts";
import { measureFront, writeFront } from "../front_report.ts";
import { composeSettings, type EvaluationData } from "../front_settings.ts";
import type { SessionOptions } from "../protocol.ts";

/** What a run's fronts are measured with. */
export interface RunFront {
  config: RunConfig;
  options: SessionOptions;
  run: Run;
  engine: Engine;
  data: EvaluationData;
  evaluation: Evaluation;
  policy: Scorer;
}

/** The front named `name` of the adapter as it is; emits the event and returns the report. */
export async function showFront(
  { config, options, run, engine, data, evaluation, policy }: RunFront,
  { name, adapterConfig, tensors }: {
    name: string;
    adapterConfig: AdapterConfig;
    tensors: Tensors;
  },
): Promise<FrontReport> {
  const front = await measureFront(evaluation, policy, {
    adapter: run.path,
    settings: composeSettings({ ...config, limit: config.eval_limit }, {
      config: adapterConfig,
      parametersHash: hashParameters(tensors),
      run: config,
      data,
    }),
    remarks: {
      step: adapterConfig.steps,
      dataset: data.dataset,
      trainingRows: adapterConfig.dataset_fingerprint,
      engine: engine.name,
      engineDtype: engine.dtype,
    },
  });
  const files = await writeFront(run.path, name, front);
  options.onEvent({ type: "front", report: front, files });
  return front;
}
