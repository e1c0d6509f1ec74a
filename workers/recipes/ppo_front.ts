// The front of a PPO run in progress, by what its data can show: the built-in world's expected reward,
// from the engine, or the mean reward of answers to the test prompts, from the run's own decoder and
// rewards. The same numbers as `deno task front` gives afterwards.
import type { RunConfig } from "../../core/config.ts";
import type { Engine } from "../../core/engine/mod.ts";
import { type FrontReport, metrics } from "../../core/front/report.ts";
import type { Decoder } from "../../core/generate/decoder.ts";
import type { AdapterSource } from "../../core/generate/decoder.ts";
import type { Scorer } from "../../core/policy.ts";
import type { RewardSource } from "../../core/rewards/reward_source.ts";
import { type AdapterConfig, hashParameters } from "../../data/store/adapter_config.ts";
import type { Run } from "../../data/store/run_folder.ts";
import type { Tensors } from "../../data/store/tensors.ts";
import { gridOf, reportFront, writeFront } from "../front_report.ts";
import { chooseMetric, composeSettings, responseSettings } from "../front_settings.ts";
import type { Base } from "../machine.ts";
import type { SampleAnswers, SessionOptions } from "../protocol.ts";
import { rewardEvaluation } from "../reward_evaluation.ts";
import type { RunRows } from "../run_data.ts";
import { testPrompts } from "../test_prompts.ts";
import { showFront } from "./run_front.ts";
import { runLengths } from "../run_lengths.ts";

/** What fronts are measured with. */
export interface PpoFrontParts {
  config: RunConfig;
  options: SessionOptions;
  rows: RunRows;
  run: Run;
  engine: Engine;
  base: Base;
  reference: Scorer;
  policy: Scorer;
  decoder: Decoder;
  rewards: RewardSource; // not scaled: fronts show what the sources say
}

/** The adapter as it is. */
export interface PresentAdapter {
  name: string; // of the front's files
  adapterConfig: AdapterConfig;
  tensors: Tensors;
  source: AdapterSource;
}

export interface PpoFront {
  /** Measures, writes the files, emits the event. */
  show(present: PresentAdapter): Promise<FrontReport>;
  /** Answers to a few prompts under a few preferences. */
  samples(): Promise<SampleAnswers[]>;
}

/** Fronts by the metric that a PPO run's test data have. */
export async function ppoFront(parts: PpoFrontParts): Promise<PpoFront> {
  const { config, rows: { evaluationData } } = parts;
  const metric = chooseMetric(evaluationData.dataset, undefined, config.objective);
  return metrics[metric].generated ? await byAnswers(parts) : byScores(parts);
}

function byScores(parts: PpoFrontParts): PpoFront {
  const { config, options, rows, run, engine, base, reference, policy } = parts;
  const { train: { dimensions }, evaluationData: data } = rows;
  const limit = config.eval_limit;
  const context = { engine, base, reference, dimensions, config, limit, options };
  const evaluation = rows.evaluate(context);
  return {
    show: (present) =>
      showFront({ config, options, run, engine, data, evaluation, policy }, present),
    samples: () => evaluation.samples(policy),
  };
}

async function byAnswers(parts: PpoFrontParts): Promise<PpoFront> {
  const { config, options, rows, run, engine, base, decoder, rewards } = parts;
  const { train: { dimensions }, evaluationData: data } = rows;
  const { eval_limit: limit = null, seed } = config;
  const evaluation = rewardEvaluation({
    decoder,
    tokenizer: base.tokenizer,
    rewards,
    prompts: await testPrompts(data, { run: config, dimensions, limit, seed }),
    ...runLengths(config, base),
    maxNewTokens: config.max_new_tokens,
    options,
  });
  let samples: SampleAnswers[] = [];
  return {
    async show({ name, adapterConfig, tensors, source }) {
      const stored = { config: adapterConfig, parametersHash: hashParameters(tensors) };
      const wanted = { ...config, limit: config.eval_limit };
      const responses = await responseSettings(wanted, {
        config: adapterConfig,
        run: config,
        data,
      });
      const settings = composeSettings(wanted, { ...stored, run: config, data, responses });
      const found = await evaluation.measure(decoder.loadAdapter(source), gridOf(settings));
      samples = found.samples;
      const report = reportFront(found.measured, {
        adapter: run.path,
        settings,
        remarks: {
          step: adapterConfig.steps,
          dataset: data.dataset,
          trainingRows: adapterConfig.dataset_fingerprint,
          rewardModel: config.reward_model,
          decoder: "onnxruntime",
          ...{ engine: engine.name, engineDtype: engine.dtype },
        },
      });
      const files = await writeFront(run.path, name, report);
      options.onEvent({ type: "front", report, files });
      return report;
    },
    samples: () => Promise.resolve(samples),
  };
}
