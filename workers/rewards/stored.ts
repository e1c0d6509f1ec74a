// A reward model that `deno task train reward` stored: an adapter (or none) and a scalar head on a
// base model. Where the policy runs on the same base, its engine and frozen weights are used; another
// base of the same tokenizer is loaded beside them.
import { adaptedMaps, disposeParameters, loadParameters } from "../../core/adapters/parameters.ts";
import type { BlockParameters } from "../../core/adapters/parameters.ts";
import * as tf from "@tensorflow/tfjs-core";
import { InputError } from "../../core/errors.ts";
import { createScalarHead, SCORE_WEIGHT } from "../../core/models/scalar_head.ts";
import { SCORE_BIAS } from "../../core/rewards/centre.ts";
import { scoreResponses } from "../../core/reward_pass.ts";
import type { RewardSource, ScoredResponse } from "../../core/rewards/reward_source.ts";
import { rowLengthFor, type Sequence } from "../../core/text/pack.ts";
import { createTrunk } from "../../core/trunk.ts";
import { openAdapter } from "../../data/store/adapter_files.ts";
import type { AdapterConfig } from "../../data/store/adapter_config.ts";
import { runOf } from "../front_settings.ts";
import { loadBase } from "../machine.ts";
import { checkBase, fromTensors, restoreAdapter } from "../stored_adapter.ts";
import { requireDimensions, type RewardOptions, type SharedBase } from "./mod.ts";

const MAX_TOKENS = 4096;

/** Opens the reward model in `folder` for the dimensions asked for. Caller disposes. */
export async function openStoredRewards(
  folder: string,
  { dimensions, shared, options, maxTokens = MAX_TOKENS }: RewardOptions,
): Promise<RewardSource> {
  const stored = await openAdapter(folder, { format: "panacea-reward-model" });
  const { config } = stored;
  requireDimensions(config.dimensions, dimensions, folder);
  const policy = await shared();
  requireTokenizer(config, { tokenizer: policy.tokenizer, name: folder });
  const values = fromTensors(stored.tensors);
  const base = await baseOf(folder, { config, policy, options });
  const { engine, decoder } = base;
  const blocks: BlockParameters[] = [];
  const dispose = () => {
    disposeParameters(blocks);
    base.dispose();
    return Promise.resolve();
  };
  try {
    const adapted = config.modules.length === 0 ? null : {
      adapter: restoreAdapter(config),
      objectives: 1,
      parameters: loadParameters(
        restoreAdapter(config),
        adaptedMaps(decoder.config, config.target_modules),
        values,
      ),
    };
    blocks.push(...adapted?.parameters ?? []);
    const weight = values.get(SCORE_WEIGHT);
    const bias = values.get(SCORE_BIAS)?.values ?? new Float32Array(config.dimensions.length);
    const width = decoder.config.width;
    if (weight?.shape[0] !== config.dimensions.length || weight.shape[1] !== width) {
      throw new InputError(
        `Cannot use reward model ${folder}: expected a head of shape ` +
          `[${config.dimensions.length}, ${width}], got [${weight?.shape ?? ""}]`,
      );
    }
    const score = {
      maps: [],
      names: [SCORE_WEIGHT],
      tensors: [tf.tensor(weight.values, weight.shape)],
    };
    blocks.push(score);
    const parts = {
      trunk: createTrunk(engine, decoder, adapted),
      head: createScalarHead(engine, decoder),
      score,
    };
    const columns = dimensions.map((name) => config.dimensions.indexOf(name));
    return {
      dimensions,
      async score(responses) {
        if (responses.length === 0) return [];
        const sequences = responses.map((response) => ended(response, policy.tokenizer));
        const scores = await scoreResponses(engine, parts, {
          sequences,
          rowLength: rowLengthFor(sequences),
          maxTokens,
          signal: options.signal,
        });
        const M = config.dimensions.length;
        return responses.map((_, n) =>
          columns.map((i) => (scores[n * M + i] ?? NaN) + (bias[i] ?? 0))
        );
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** The base of the reward model: the policy's own, or another one loaded on its engine. */
async function baseOf(
  folder: string,
  { config, policy, options }: {
    config: AdapterConfig;
    policy: SharedBase;
    options: RewardOptions["options"];
  },
) {
  const { engine } = policy;
  if (config.base_fingerprint === policy.fingerprint) {
    return { engine, decoder: policy.decoder, dispose: () => {} };
  }
  const revision = (await runOf(folder))?.revision ?? "main";
  const base = await loadBase(engine, { model: config.base_model, revision }, options);
  try {
    checkBase(config, base, folder);
  } catch (error) {
    base.decoder.dispose();
    throw error;
  }
  return { engine, decoder: base.decoder, dispose: () => base.decoder.dispose() };
}

/** Token ids mean the same to both only with one tokenizer and chat template. */
function requireTokenizer(
  { template_fingerprint: own }: AdapterConfig,
  { tokenizer, name }: { tokenizer: { fingerprint: string }; name: string },
): void {
  if (own === tokenizer.fingerprint) return;
  throw new InputError(
    `Cannot use reward model ${name}: expected one trained with the policy's tokenizer and chat ` +
      `template (sha256 ${tokenizer.fingerprint.slice(0, 12)}…), got another ` +
      `(${own.slice(0, 12)}…)`,
  );
}

/** A response that was cut off is read as one that ends there: scores are learnt at end tokens. */
function ended(
  { sequence }: ScoredResponse,
  { endTokenId, endTokenIds }: SharedBase["tokenizer"],
): Sequence {
  const { prompt, response } = sequence;
  const last = response.at(-1);
  if (last !== undefined && endTokenIds.has(last)) return { prompt, response };
  return { prompt, response: Int32Array.from([...response, endTokenId]) };
}
