// The front of a stored adapter: opens it with its base, measures, writes.
import { adaptedMaps, disposeParameters, loadParameters } from "../core/adapters/parameters.ts";
import { RunConfig } from "../core/config.ts";
import { createPolicy } from "../core/policy.ts";
import { openAdapter } from "../data/store/run_folder.ts";
import type { EvaluationContext } from "./evaluation.ts";
import { measureFront, writeFront } from "./front_report.ts";
import { composeSettings, type EvaluationData, evaluationData, runOf } from "./front_settings.ts";
import { loadBase, startEngine } from "./machine.ts";
import type { FrontRequest, FrontResult, SessionOptions } from "./protocol.ts";
import { evaluationOf, loadHeldOut } from "./run_data.ts";
import { checkBase, fromTensors, restoreAdapter } from "./stored_adapter.ts";

/**
 * Measures the front of `request.adapter` and writes it beside the adapter, under `request.name`.
 * Its settings are those that frontSettings tells beforehand.
 */
export async function runFront(
  request: FrontRequest,
  options: SessionOptions,
): Promise<FrontResult> {
  const stored = await openAdapter(request.adapter);
  const run = await runOf(request.adapter);
  const { dimensions } = stored.config;
  const data = await evaluationData(request, { run, dimensions });
  const settings = composeSettings(request, { ...stored, run, data });
  const { metric } = request;
  const evaluate = await chooseEvaluation(data, { run, dimensions, metric });
  const dtype = request.dtype ?? RunConfig.parse(run ?? {}).dtype;
  const engine = await startEngine({ ...request, dtype }, options);
  try {
    const base = await loadBase(engine, {
      model: stored.config.base_model,
      revision: run?.revision ?? "main",
    }, options);
    try {
      checkBase(stored.config, base, request.adapter);
      const adapter = restoreAdapter(stored.config);
      const maps = adaptedMaps(base.decoder.config, stored.config.target_modules);
      const parameters = loadParameters(adapter, maps, fromTensors(stored.tensors));
      try {
        const adapted = { adapter, objectives: dimensions.length, parameters };
        const policy = createPolicy(engine, base.decoder, adapted);
        const config: EvaluationContext["config"] = {
          ...RunConfig.parse(run ?? {}),
          beta: stored.config.beta,
          objective: RunConfig.shape.objective.parse(stored.config.objective),
          aggregation: RunConfig.shape.aggregation.parse(stored.config.aggregation),
          max_tokens_per_pass: request.maxTokensPerPass,
          seed: request.seed,
        };
        const evaluation = evaluate({
          engine,
          base,
          reference: createPolicy(engine, base.decoder, null),
          dimensions,
          config,
          limit: request.limit,
          options,
        });
        const report = await measureFront(evaluation, policy, {
          adapter: request.adapter,
          settings,
          remarks: {
            step: stored.config.steps,
            dataset: data.dataset,
            trainingRows: stored.config.dataset_fingerprint,
            engine: engine.name,
            engineDtype: engine.dtype,
          },
        });
        const files = await writeFront(request.adapter, request.name ?? "front", report);
        options.onEvent({ type: "front", report, files });
        return { report, files };
      } finally {
        disposeParameters(parameters);
      }
    } finally {
      base.decoder.dispose();
    }
  } finally {
    engine.dispose();
  }
}

/** How to measure on the data set asked for, or on the run's own test data. */
async function chooseEvaluation(
  data: EvaluationData,
  { run, dimensions, metric }: {
    run: RunConfig | null;
    dimensions: string[];
    metric: FrontRequest["metric"];
  },
) {
  const test = data.heldOut && run ? await loadHeldOut(run) : undefined;
  return await evaluationOf(data, { dimensions, metric, test });
}
