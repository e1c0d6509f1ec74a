// A whole batch through a model that gives one number per response token: the log-probabilities of a
// policy, the values of a critic. Between PPO, which needs the numbers of all tokens at once and hands
// back a slope for each, and the model, which computes one pack at a time.
import { addGradients } from "./gradients.ts";
import type { Policy } from "./policy.ts";
import { type Pack, packSequences, type Sequence } from "./text/pack.ts";
import type { BlockGradients } from "./block_stack.ts";

/** A model as token passes ask it; parameters are read at each call. `preferences[i]`: sequence i's. */
export interface TokenModel {
  /** One number at each of pack.predicting (N). */
  values(pack: Pack, preferences: number[][]): Promise<Float32Array>;
  /** The same, keeping what the gradient needs. */
  forward(pack: Pack, preferences: number[][]): Promise<TokenTrace>;
}

/** A forward pass that can be taken back. Call backward once, or dispose; dispose twice is once. */
export interface TokenTrace {
  /** One number at each of pack.predicting (N), on the host. */
  readonly values: Float32Array;
  /** Gradients by block of Σ slopes[n] · values[n]. Caller disposes them. */
  backward(slopes: Float32Array): BlockGradients[];
  dispose(): void;
}

export interface TokenPass {
  /** The numbers of a batch; `preferences[s]` belongs to sequence s. */
  forward(sequences: Sequence[], preferences: number[][]): Promise<TokenBatch>;
  /** The same without a gradient: (S) of (learned tokens of response s). */
  values(sequences: Sequence[], preferences: number[][]): Promise<Float32Array[]>;
}

/** A batch that can be taken back. Call backward once, or dispose; dispose twice is once. */
export interface TokenBatch {
  /** (S) of (learned tokens of response s) */
  readonly values: Float32Array[];
  /** Gradients by block of Σ slopes[s][t] · values[s][t]. Caller disposes them. */
  backward(slopes: Float32Array[]): Promise<BlockGradients[]>;
  dispose(): void;
}

/** log π of every response token. */
export function policyTokens(policy: Policy): TokenModel {
  return { values: policy.logProbs, forward: policy.logProbsWithGradient };
}

/** Passes on this thread, one pack after the other. `maxTokens` bounds a pack, and so the memory. */
export function tokenPass(
  model: TokenModel,
  { rowLength, maxTokens }: { rowLength: number; maxTokens: number },
): TokenPass {
  const packed = (sequences: Sequence[], preferences: number[][]) =>
    packSequences(sequences, { rowLength, maxTokens, preferences });

  return {
    async values(sequences, preferences) {
      const packs = packed(sequences, preferences);
      const values: Float32Array[] = [];
      for (const pack of packs) values.push(await model.values(pack, preferences));
      return bySequence(packs, values, sequences.length);
    },

    async forward(sequences, preferences) {
      const packs = packed(sequences, preferences);
      const traces: TokenTrace[] = [];
      const dispose = () => traces.forEach((trace) => trace.dispose());
      try {
        for (const pack of packs) traces.push(await model.forward(pack, preferences));
      } catch (error) {
        dispose();
        throw error;
      }
      return {
        values: bySequence(packs, traces.map(({ values }) => values), sequences.length),
        dispose,
        backward(slopes) {
          let gradients: BlockGradients[] | null = null;
          byPack(packs, slopes).forEach((weights, i) => {
            gradients = addGradients(gradients, traces[i]?.backward(weights) ?? []);
          });
          return Promise.resolve(gradients ?? []);
        },
      };
    },
  };
}

/** The packs' numbers sorted to their sequences; the tokens of one are in order in its pack. */
function bySequence(packs: Pack[], values: Float32Array[], count: number): Float32Array[] {
  const sorted = Array.from({ length: count }, (): number[] => []);
  packs.forEach(({ owners }, i) => {
    owners.forEach((s, n) => sorted[s]?.push(values[i]?.[n] ?? NaN));
  });
  return sorted.map((numbers) => Float32Array.from(numbers));
}

/** The way back: for each pack one slope for each of its numbers. */
function byPack(packs: Pack[], slopes: Float32Array[]): Float32Array[] {
  const next = slopes.map(() => 0);
  return packs.map(({ owners }) =>
    Float32Array.from(owners, (s) => {
      const t = next[s] ?? 0;
      next[s] = t + 1;
      return slopes[s]?.[t] ?? 0;
    })
  );
}
