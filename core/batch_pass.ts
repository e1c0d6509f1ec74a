// A whole batch through the policy: forward for every sequence, then back with one slope for each.
// Between core/train.ts, which needs all log-probabilities of a batch at once (a Tchebycheff or
// group loss does not split), and the policy, which computes one pack at a time.
import * as tf from "@tensorflow/tfjs-core";
import type { BlockGradients, Policy, TokenLogProbs } from "./policy.ts";
import { type Pack, packSequences, type Sequence } from "./text/pack.ts";

/** The trained policy as train.ts asks it; parameters are read at each call of `forward`. */
export interface BatchPass {
  /** Log-probabilities of the batch's sequences; `preferences[s]` belongs to sequence s. */
  forward(sequences: Sequence[], preferences: number[][]): Promise<BatchTrace>;
}

/** A forward pass that can be taken back. Call backward or dispose exactly once. */
export interface BatchTrace {
  /** log π of every sequence's response (S), on the host. */
  readonly logProbs: Float32Array;
  /** Gradients by block of Σ slopes[s] · logProbs[s]. Caller disposes them. */
  backward(slopes: Float32Array): Promise<BlockGradients[]>;
  dispose(): void;
}

/** Passes on this thread, one pack after the other. `maxTokens` bounds a pack, and so the memory. */
export function batchPass(
  policy: Policy,
  { rowLength, maxTokens }: { rowLength: number; maxTokens: number },
): BatchPass {
  return {
    forward(sequences, preferences) {
      const packs = packSequences(sequences, { rowLength, maxTokens, preferences });
      return forwardPacks(policy, packs, preferences);
    },
  };
}

/**
 * The packs of a batch, or some of them, through the policy. Sequences that no pack holds have a
 * log-probability of 0. `onPack` is called after each pack, on either way.
 */
export async function forwardPacks(
  policy: Policy,
  packs: Pack[],
  preferences: number[][],
  onPack: () => void = () => {},
): Promise<BatchTrace> {
  const logProbs = new Float32Array(preferences.length);
  const traces: { pack: Pack; trace: TokenLogProbs }[] = [];
  const dispose = () => traces.forEach(({ trace }) => trace.dispose());
  try {
    for (const pack of packs) {
      const trace = await policy.logProbsWithGradient(pack, preferences);
      traces.push({ pack, trace });
      pack.owners.forEach((s, n) => logProbs[s] = (logProbs[s] ?? 0) + (trace.values[n] ?? 0));
      onPack();
    }
  } catch (error) {
    dispose();
    throw error;
  }
  return {
    logProbs,
    dispose,
    backward(slopes) {
      let gradients: BlockGradients[] | null = null;
      for (const { pack, trace } of traces) {
        const weights = Float32Array.from(pack.owners, (s) => slopes[s] ?? 0);
        gradients = addGradients(gradients, trace.backward(weights));
        onPack();
      }
      return Promise.resolve(gradients ?? []);
    },
  };
}

/** The sum of two sets of gradients, which it disposes; `sum` null: nothing to add to. */
export function addGradients(
  sum: BlockGradients[] | null,
  gradients: BlockGradients[],
): BlockGradients[] {
  if (sum === null) return gradients;
  return gradients.map((block, i) =>
    block.map((gradient, j) => {
      const previous = sum[i]?.[j] as tf.Tensor;
      const added = tf.add(previous, gradient);
      previous.dispose();
      gradient.dispose();
      return added;
    })
  );
}
