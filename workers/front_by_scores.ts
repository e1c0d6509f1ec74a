// Fronts by what a policy makes of known texts, test pairs or the built-in world's answers: the base
// model on the engine, the adapter on it, and an evaluation of workers/evaluation.
import { adaptedMaps, disposeParameters, loadParameters } from "../core/adapters/parameters.ts";
import { RunConfig } from "../core/config.ts";
import { createPolicy } from "../core/policy.ts";
import type { EvaluationContext } from "./evaluation.ts";
import { gridOf } from "./front_report.ts";
import type { FrontSubject, Measurement } from "./front_subject.ts";
import { loadBase, startEngine } from "./machine.ts";
import type { SessionOptions } from "./protocol.ts";
import { evaluationOf, loadHeldOut } from "./run_data.ts";
import { checkBase, fromTensors, restoreAdapter } from "./stored_adapter.ts";

/** Measures on the data set asked for, or on the run's own test data. */
export async function byScores(
  { request, stored, run, data, settings }: FrontSubject,
  options: SessionOptions,
): Promise<Measurement> {
  const { dimensions } = stored.config;
  const test = data.heldOut && run ? await loadHeldOut(run) : undefined;
  const evaluate = await evaluationOf(data, { dimensions, metric: settings.metric, test });
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
          loss_type: RunConfig.shape.loss_type.parse(stored.config.loss_type),
          beta: stored.config.beta,
          kl_coef: stored.config.beta, // of PPO, the same pull by another name
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
        return {
          measured: await evaluation.measure(policy, gridOf(settings)),
          samples: [],
          remarks: { engine: engine.name, engineDtype: engine.dtype },
        };
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
