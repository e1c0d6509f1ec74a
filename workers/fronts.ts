// The front of a stored adapter: opens it with its base, measures, writes.
import { dirname } from "node:path";
import { adapters } from "../core/adapters/mod.ts";
import { adaptedMaps, disposeParameters, loadParameters } from "../core/adapters/parameters.ts";
import { RunConfig } from "../core/config.ts";
import { InputError } from "../core/errors.ts";
import { createPolicy } from "../core/policy.ts";
import { loadConfig, openAdapter } from "../data/store/run_folder.ts";
import type { EvaluationContext } from "./evaluation.ts";
import { measureFront, writeFront } from "./front_report.ts";
import { loadBase, startEngine } from "./machine.ts";
import type { FrontRequest, FrontResult, SessionOptions } from "./protocol.ts";
import { evaluationOf, loadRows } from "./run_data.ts";
import { fromTensors } from "./training.ts";

/** Measures the front of `request.adapter` and writes it beside the adapter. */
export async function runFront(
  request: FrontRequest,
  options: SessionOptions,
): Promise<FrontResult> {
  const stored = await openAdapter(request.adapter);
  const run = await loadConfig(request.adapter) ?? await loadConfig(dirname(request.adapter));
  const { dimensions } = stored.config;
  const evaluate = await chooseEvaluation(request, { run, dimensions });
  const dtype = request.dtype ?? RunConfig.parse(run ?? {}).dtype;
  const engine = await startEngine({ ...request, dtype }, options);
  try {
    const base = await loadBase(engine, {
      model: stored.config.base_model,
      revision: run?.revision ?? "main",
    }, options);
    try {
      checkSame("base model", stored.config.base_fingerprint, {
        found: base.fingerprint,
        adapter: request.adapter,
      });
      checkSame("tokenizer and chat template", stored.config.template_fingerprint, {
        found: base.tokenizer.fingerprint,
        adapter: request.adapter,
      });
      const adapter = adapters[RunConfig.shape.adapter.parse(stored.config.adapter)]({
        rank: stored.config.lora_r,
        objectives: dimensions.length,
        alpha: stored.config.lora_alpha,
        init: "gaussian",
      });
      const maps = adaptedMaps(base.decoder.config, stored.config.target_modules);
      const parameters = loadParameters(adapter, maps, fromTensors(stored.tensors));
      try {
        const adapted = { adapter, objectives: dimensions.length, parameters };
        const policy = createPolicy(engine, base.decoder, adapted);
        const config: EvaluationContext["config"] = {
          ...RunConfig.parse(run ?? {}),
          beta: stored.config.beta,
          max_tokens_per_pass: request.maxTokensPerPass,
          seed: request.seed,
        };
        const evaluation = evaluate({
          engine,
          base,
          dimensions,
          config,
          limit: request.limit,
          options,
        });
        const report = await measureFront(evaluation, policy, {
          adapter: request.adapter,
          dimensions,
          grid: request.grid,
          bootstrap: request.bootstrap,
          seed: request.seed,
          settings: {
            step: stored.config.steps,
            dataset: request.dataset ?? run?.eval_dataset ?? run?.dataset,
            trainingRows: stored.config.dataset_fingerprint,
            limit: request.limit ?? null,
            engine: engine.name,
            dtype: engine.dtype,
          },
        });
        const files = await writeFront(request.adapter, "front", report);
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

/** The data set asked for, or the run's own test data. */
async function chooseEvaluation(
  { dataset, adapter }: FrontRequest,
  { run, dimensions }: { run: RunConfig | null; dimensions: string[] },
) {
  if (dataset !== undefined) return await evaluationOf(dataset, dimensions);
  if (run === null) {
    throw new InputError(
      `Cannot choose test data for ${adapter}: expected --dataset, or the run it belongs to ` +
        "around it, got neither",
    );
  }
  if (run.eval_dataset !== undefined) return await evaluationOf(run.eval_dataset, dimensions);
  return (await loadRows(run)).evaluate;
}

function checkSame(
  what: string,
  expected: string,
  { found, adapter }: { found: string; adapter: string },
): void {
  if (found === expected) return;
  throw new InputError(
    `Cannot use adapter ${adapter}: expected the ${what} it was trained on ` +
      `(sha256 ${expected.slice(0, 12)}…), got another (${found.slice(0, 12)}…)`,
  );
}
