// Fronts by rewards of generated responses: the base model on ONNX Runtime, the adapter as its input,
// and a reward source, which gets the base model on the engine too where it wants one. Loaded only
// for such fronts: no other session of a job may open ONNX Runtime.
import { RunConfig } from "../core/config.ts";
import type { Engine } from "../core/engine/mod.ts";
import { graphFolder, openDecoder } from "./decoders.ts";
import { gridOf } from "./front_report.ts";
import { rewardSpec } from "./front_settings.ts";
import type { FrontSubject, Measurement } from "./front_subject.ts";
import { type HeldBase, loadBase, startEngine } from "./machine.ts";
import type { SessionOptions } from "./protocol.ts";
import { rewardEvaluation } from "./reward_evaluation.ts";
import { openRewards, type SharedBase } from "./rewards/mod.ts";
import { checkBase, fromTensors, restoreAdapter } from "./stored_adapter.ts";
import { testPrompts } from "./test_prompts.ts";

/** Generates the responses to the test prompts and has them judged. */
export async function byResponses(
  { request, stored, run, data, settings }: FrontSubject,
  options: SessionOptions,
): Promise<Measurement> {
  const { config } = stored;
  const { dimensions } = config;
  const { limit, seed, maxLength, responses } = settings;
  const { rollout_format, overlong, max_new_tokens } = RunConfig.parse(run ?? {});
  const model = { model: config.base_model, revision: run?.revision ?? "main" };
  const spec = rewardSpec(request, { run, data });
  const prompts = await testPrompts(data, { run, dimensions, limit, seed });
  await using shared = sharedBase({ request, run, model }, options);
  await using rewards = await openRewards(spec, {
    dimensions,
    shared: shared.open,
    options,
    maxTokens: request.maxTokensPerPass,
    threads: request.threads,
  });
  const { decoder, tokenizer, fingerprint } = await openDecoder({
    ...model,
    format: request.rollout_format ?? rollout_format,
    threads: request.threads,
    cacheFolder: graphFolder(options),
    env: options.env,
    onEvent: options.onEvent,
  });
  try {
    checkBase(config, { fingerprint, tokenizer }, request.adapter);
    const evaluation = rewardEvaluation({
      decoder,
      tokenizer,
      rewards,
      prompts,
      maxLength,
      maxNewTokens: responses?.maxNewTokens ?? max_new_tokens,
      overlong,
      options,
    });
    const adapter = decoder.loadAdapter({
      id: stored.parametersHash,
      adapter: restoreAdapter(config),
      objectives: dimensions.length,
      parameters: fromTensors(stored.tensors),
    });
    const { measured, samples } = await evaluation.measure(adapter, gridOf(settings));
    const engine = shared.engine();
    return {
      measured,
      samples,
      remarks: {
        rewardModel: spec,
        decoder: "onnxruntime",
        ...engine && { engine: engine.name, engineDtype: engine.dtype },
      },
    };
  } finally {
    await decoder.dispose();
  }
}

/** The base model on the engine, opened when a reward source first asks for it. */
function sharedBase(
  { request, run, model }: Pick<FrontSubject, "request" | "run"> & {
    model: { model: string; revision: string };
  },
  options: SessionOptions,
) {
  let opened: { engine: Engine; base: HeldBase } | undefined;
  return {
    async open(): Promise<SharedBase> {
      opened ??= await load();
      const { engine, base: { decoder, fingerprint, tokenizer } } = opened;
      return { engine, decoder, fingerprint, tokenizer };
    },
    engine: () => opened?.engine,
    [Symbol.asyncDispose]() {
      opened?.base.decoder.dispose();
      opened?.engine.dispose();
      return Promise.resolve();
    },
  };

  async function load() {
    const dtype = request.dtype ?? RunConfig.parse(run ?? {}).dtype;
    const engine = await startEngine({ ...request, dtype }, options);
    try {
      return { engine, base: await loadBase(engine, model, options) };
    } catch (error) {
      engine.dispose();
      throw error;
    }
  }
}
