// A whole batch through the policy: forward for every sequence, then back with one slope for each.
// Between core/train.ts, which needs the numbers of a whole batch at once (a Tchebycheff or group loss
// does not split), and the policy, which computes one pack at a time.
import { addGradients } from "./gradients.ts";
import type { Policy } from "./policy.ts";
import { type Pack, packSequences, type Sequence } from "./text/pack.ts";
import type { TokenTrace } from "./token_pass.ts";
import type { BlockGradients } from "./block_stack.ts";

/**
 * The trained model as train.ts asks it: K numbers for each sequence. Parameters are read at each
 * call of `forward`.
 */
export interface BatchPass {
  /** The numbers of the batch's sequences; `preferences[s]` belongs to sequence s. */
  forward(sequences: Sequence[], preferences: number[][]): Promise<BatchTrace>;
}

/** A forward pass that can be taken back. Call backward or dispose exactly once. */
export interface BatchTrace {
  /** (S·K) on the host: log π of every sequence's response (K = 1), or M scores of each (K = M). */
  readonly values: Float32Array;
  /** Gradients by block of Σ slopes[i] · values[i], for slopes (S·K). Caller disposes them. */
  backward(slopes: Float32Array): Promise<BlockGradients[]>;
  dispose(): void;
}

/** Passes of a policy on this thread, one pack after the other. `maxTokens` bounds a pack, and so the memory. */
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
  const values = new Float32Array(preferences.length);
  const traces: { pack: Pack; trace: TokenTrace }[] = [];
  const dispose = () => traces.forEach(({ trace }) => trace.dispose());
  try {
    for (const pack of packs) {
      const trace = await policy.logProbsWithGradient(pack, preferences);
      traces.push({ pack, trace });
      pack.owners.forEach((s, n) => values[s] = (values[s] ?? 0) + (trace.values[n] ?? 0));
      onPack();
    }
  } catch (error) {
    dispose();
    throw error;
  }
  return {
    values,
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
