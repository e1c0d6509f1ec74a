// The critic of PPO: what a response is still going to earn, at every one of its tokens and under
// every preference. The policy's frozen base with an adapter of the critic's own, which sees λ as the
// policy's does, and a head that gives one number for each dimension and one for what λ does not
// weigh (the KL penalty): V = v₀ + Σ_i λ_i·v_i, as an aggregated reward is nearly linear in λ.
// Beside policy.ts; core/rlhf/rlhf.ts trains both.
import * as tf from "@tensorflow/tfjs-core";
import type { Adapter } from "./adapters/adapter.ts";
import {
  type BlockParameters,
  initParameters,
  loadParameters,
  type StoredParameters,
} from "./adapters/parameters.ts";
import type { Engine } from "./engine/engine.ts";
import { InputError } from "./errors.ts";
import type { DecoderConfig } from "./models/config.ts";
import type { HeldDecoder } from "./models/held.ts";
import { createScalarHead } from "./models/scalar_head.ts";
import { hiddenGradient, predictingRows } from "./predicting.ts";
import { Random } from "./random.ts";
import type { Pack } from "./text/pack.ts";
import type { TokenModel } from "./token_pass.ts";
import { type AdaptedParts, createTrunk } from "./trunk.ts";

/** Name of the head's weight (1 + M, D) among the critic's parameters. */
export const VALUE_WEIGHT = "value_head.weight";

/** What a critic is made for: its adapter, the maps it adapts by block, and its base. */
export interface CriticShape {
  adapter: Adapter;
  maps: string[][];
  objectives: number; // M
  config: DecoderConfig;
}

/** Parameters of a critic that says 0 everywhere. */
export function initCritic(
  { adapter, maps, objectives, config }: CriticShape,
  random: Random,
): StoredParameters {
  const shape = [1 + objectives, config.width];
  return initParameters(adapter, maps, { config, random })
    .set(VALUE_WEIGHT, { shape, values: new Float32Array((1 + objectives) * config.width) });
}

/**
 * Stored parameters on the current back end: the adapter's by block, then the head's. Throws
 * InputError, naming the parameter, where they are of another critic. Caller disposes.
 */
export function loadCritic(shape: CriticShape, stored: StoredParameters): BlockParameters[] {
  const { adapter, maps, config } = shape;
  for (const [name, { shape: wanted }] of initCritic(shape, new Random(0))) {
    const found = stored.get(name)?.shape;
    if (found?.join() === wanted.join()) continue;
    throw new InputError(
      `Cannot use the stored critic: expected ${name} of shape [${wanted.join(", ")}], got ` +
        (found === undefined ? "none" : `[${found.join(", ")}]`),
    );
  }
  const head = stored.get(VALUE_WEIGHT)?.values ?? new Float32Array();
  return [
    ...loadParameters(adapter, maps, stored),
    {
      maps: [],
      names: [VALUE_WEIGHT],
      tensors: [tf.tensor2d(head, [1 + shape.objectives, config.width])],
    },
  ];
}

/** The critic on `decoder`; its parameters are those of loadCritic. */
export function createCritic(
  engine: Engine,
  decoder: HeldDecoder,
  adapted: AdaptedParts,
): TokenModel {
  const trunk = createTrunk(engine, decoder, adapted);
  const head = createScalarHead(engine, decoder);
  const weight = () => adapted.parameters.at(-1)?.tensors[0] as tf.Tensor2D;

  /** What each number of the head counts (N, 1 + M): 1 and λ, at every predicting position. */
  function shares({ owners }: Pack, preferences: number[][]): tf.Tensor2D {
    const rows = Array.from(owners, (s) => [1, ...preferences[s] ?? []]);
    return tf.tensor2d(rows, [owners.length, 1 + adapted.objectives]);
  }

  /** V at every predicting position (N). */
  function valuesOf(hidden: tf.Tensor2D, pack: Pack, preferences: number[][]): tf.Tensor1D {
    return tf.tidy(() => {
      const each = head.values(predictingRows(engine, hidden, pack), weight()); // (N, 1 + M)
      return tf.sum<tf.Tensor1D>(tf.mul(each, shares(pack, preferences)), 1);
    });
  }

  return {
    async values(pack, preferences) {
      const values = tf.tidy(() => valuesOf(trunk.hidden(pack, preferences), pack, preferences));
      return await takeData(values);
    },

    async forward(pack, preferences) {
      const trace = trunk.hiddenWithGradient(pack, preferences);
      return {
        values: await takeData(valuesOf(trace.hidden, pack, preferences)),
        backward(slopes) {
          const { gradients, own } = tf.tidy(() => {
            const column = tf.tensor2d(slopes, [slopes.length, 1]);
            const each = tf.mul(column, shares(pack, preferences)) as tf.Tensor2D; // (N, 1 + M)
            const rows = predictingRows(engine, trace.hidden, pack); // (N, D)
            const { hidden, weight: own } = head.pullBack(rows, weight(), each);
            const weights = new Float32Array(slopes.length).fill(1); // the slopes are in `hidden`
            const dy = hiddenGradient(engine, { slopes: hidden, weights, pack }); // (B·T, D)
            return { gradients: dy, own };
          });
          const blocks = trace.backward(gradients);
          gradients.dispose();
          return [...blocks, [own]];
        },
        dispose: trace.dispose,
      };
    },
  };
}

async function takeData(tensor: tf.Tensor): Promise<Float32Array> {
  const values = await tensor.data() as Float32Array;
  tensor.dispose();
  return values;
}
