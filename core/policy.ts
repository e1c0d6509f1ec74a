// A policy: a frozen decoder's trunk, with an adapter (the trained policy) or without (the
// reference), and the model's own head on top: log-probabilities of response tokens.
import * as tf from "@tensorflow/tfjs-core";
import type { Engine } from "./engine/engine.ts";
import type { Pack } from "./text/pack.ts";
import { createHead } from "./models/head.ts";
import type { HeldDecoder } from "./models/held.ts";
import { hiddenGradient, predictingRows } from "./predicting.ts";
import type { TokenTrace } from "./token_pass.ts";
import { type AdaptedParts, createTrunk, type Trunk } from "./trunk.ts";

export interface Policy {
  /** log π of the response tokens of a pack (N). `preferences[i]` belongs to sequence i. */
  logProbs(pack: Pack, preferences: number[][]): Promise<Float32Array>;
  /** The same, keeping what the gradient needs. */
  logProbsWithGradient(pack: Pack, preferences: number[][]): Promise<TokenTrace>;
  /** Hidden states after the last block (B·T, D). Caller disposes. */
  hidden(pack: Pack, preferences: number[][]): tf.Tensor2D;
}

/** What scoring needs of a policy: no gradient. */
export type Scorer = Pick<Policy, "logProbs">;

/** The policy of `decoder` with an adapter, or the reference policy where `adapted` is null. */
export function createPolicy(
  engine: Engine,
  decoder: HeldDecoder,
  adapted: AdaptedParts | null,
): Policy {
  return policyOn(engine, decoder, createTrunk(engine, decoder, adapted));
}

/** The policy of a trunk of `decoder`'s blocks and `decoder`'s head. */
export function policyOn(engine: Engine, decoder: HeldDecoder, trunk: Trunk): Policy {
  const head = createHead(engine, decoder);

  return {
    hidden: trunk.hidden,

    async logProbs(pack, preferences) {
      const logProbs = tf.tidy(() => {
        const hidden = trunk.hidden(pack, preferences);
        return head.logProbs(predictingRows(engine, hidden, pack), pack.targets);
      });
      const values = await logProbs.data() as Float32Array;
      logProbs.dispose();
      return values;
    },

    async logProbsWithGradient(pack, preferences) {
      const trace = trunk.hiddenWithGradient(pack, preferences);
      const { logProbs, slopes } = tf.tidy(() =>
        head.logProbsAndSlopes(predictingRows(engine, trace.hidden, pack), pack.targets)
      );
      const values = await logProbs.data() as Float32Array;
      logProbs.dispose();
      return {
        values,
        backward(weights) {
          const dy = hiddenGradient(engine, { slopes, weights, pack });
          slopes.dispose();
          const gradients = trace.backward(dy);
          dy.dispose();
          return gradients;
        },
        dispose() {
          slopes.dispose();
          trace.dispose();
        },
      };
    },
  };
}
