// A reward model that `deno task train reward` stored: an adapter (or none) and a scalar head on a
// base model, usually the one that the policy runs on.
import * as tf from "@tensorflow/tfjs-core";
import {
  adaptedMaps,
  type BlockParameters,
  disposeParameters,
  loadParameters,
} from "../../core/adapters/parameters.ts";
import { InputError } from "../../core/errors.ts";
import { createScalarHead, SCORE_WEIGHT } from "../../core/models/scalar_head.ts";
import { SCORE_BIAS } from "../../core/rewards/centre.ts";
import type { RewardSource, ScoredResponse } from "../../core/rewards/reward_source.ts";
import { type RewardParts, scoreResponses } from "../../core/reward_pass.ts";
import { rowLengthFor, type Sequence } from "../../core/text/pack.ts";
import { createTrunk } from "../../core/trunk.ts";
import { openAdapter, type StoredAdapter } from "../../data/store/adapter_files.ts";
import { fromTensors, restoreAdapter } from "../stored_adapter.ts";
import { requireDimensions, type SharedBase, type SourceOptions } from "./mod.ts";

const MAX_TOKENS = 4096;

/** Opens the reward model in `folder` for the dimensions asked for. Caller disposes. */
export async function openStoredRewards(
  folder: string,
  { dimensions, bases, options, rowLength = 0, maxTokens = MAX_TOKENS }: SourceOptions,
): Promise<RewardSource> {
  const stored = await openAdapter(folder, { format: "panacea-reward-model" });
  const known = stored.config.dimensions;
  requireDimensions(known, dimensions, folder);
  const base = await bases.find(folder, stored.config);
  const { parts, bias, held } = restore(folder, stored, base);
  const columns = dimensions.map((name) => known.indexOf(name));
  return {
    dimensions,
    async score(responses) {
      if (responses.length === 0) return [];
      const sequences = responses.map((response) => ended(response, base.tokenizer));
      const scores = await scoreResponses(base.engine, parts, {
        sequences,
        rowLength: Math.max(rowLength, rowLengthFor(sequences, maxTokens)),
        maxTokens,
        signal: options.signal,
      });
      return responses.map((_, n) =>
        columns.map((i) => (scores[n * known.length + i] ?? NaN) + (bias[i] ?? 0))
      );
    },
    [Symbol.asyncDispose]() {
      disposeParameters(held);
      return Promise.resolve();
    },
  };
}

/** The model on `base`; `held` is what to dispose of it. */
function restore(
  folder: string,
  { config, tensors }: StoredAdapter,
  { engine, decoder, trunk }: SharedBase,
): { parts: RewardParts; bias: Float32Array; held: BlockParameters[] } {
  const values = fromTensors(tensors);
  const weight = values.get(SCORE_WEIGHT);
  const shape = [config.dimensions.length, decoder.config.width];
  if (weight === undefined || `${weight.shape}` !== `${shape}`) {
    throw new InputError(
      `Cannot use reward model ${folder}: expected a head of shape [${shape.join(", ")}], got ` +
        (weight === undefined ? "none" : `[${weight.shape.join(", ")}]`),
    );
  }
  const adapter = config.modules.length === 0 ? null : restoreAdapter(config);
  const parameters = adapter === null
    ? []
    : loadParameters(adapter, adaptedMaps(decoder.config, config.target_modules), values);
  const score: BlockParameters = {
    maps: [],
    names: [SCORE_WEIGHT],
    tensors: [tf.tensor(weight.values, weight.shape)],
  };
  return {
    parts: {
      trunk: adapter === null
        ? trunk ?? createTrunk(engine, decoder, null)
        : createTrunk(engine, decoder, { adapter, objectives: 1, parameters }),
      head: createScalarHead(engine, decoder),
      score,
    },
    bias: values.get(SCORE_BIAS)?.values ?? new Float32Array(config.dimensions.length),
    held: [...parameters, score],
  };
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
