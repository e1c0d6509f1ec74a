// Supervised fine-tuning: the mean negative log-probability of the tokens to learn (the answers'
// own, no prompt), as one loss for one dimension.
import * as tf from "@tensorflow/tfjs-core";
import { learnedTokens, type Sequence } from "../text/pack.ts";
import type { Objective } from "./objective.ts";

/** SFT on single sequences; M is 1 and the preference is (1). */
export function sft(): Objective<Sequence> {
  return {
    needs: { reference: false },

    sequences: (example) => [example],

    losses(logProbs, _reference, { examples, groups, preferences }) {
      const G = preferences.length;
      const weights = new Float32Array(G * examples.length); // (G, S): −1 / tokens of the group
      const tokens = new Float32Array(G);
      examples.forEach((example, s) => {
        const group = groups[s] ?? 0;
        tokens[group] = (tokens[group] ?? 0) + learnedTokens(example);
      });
      examples.forEach((_, s) => {
        const group = groups[s] ?? 0;
        weights[group * examples.length + s] = -1 / (tokens[group] ?? 1);
      });
      return tf.tidy(() =>
        tf.matMul(
          tf.tensor2d(weights, [G, examples.length]),
          tf.reshape(logProbs, [examples.length, 1]),
        )
      );
    },

    accuracies: () => [NaN],
  };
}
