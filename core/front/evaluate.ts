// Scores sequences under every preference of a grid, several preferences in one pass, and turns the
// scores of preference pairs into implicit-reward accuracy per dimension. Between core/models/policy
// and core/front/report.
// Source: Rafailov et al. 2023 (implicit reward β·log π/π_ref); panacea.md, Evaluation. Other losses
// than DPO's imply other rewards: core/objectives/pairwise_losses.ts.
import type { Scorer } from "../policy.ts";
import { prefers } from "../objectives/bradley_terry.ts";
import { implicitMargin, type PairwiseLoss } from "../objectives/pairwise_losses.ts";
import type { TokenizedPair } from "../text/example.ts";
import { packSequences, type Sequence } from "../text/pack.ts";
import type { Outcomes } from "./bootstrap.ts";

export interface ScoreOptions {
  rowLength: number;
  maxTokens: number; // of one pass
  onProgress?: (done: number, total: number) => void; // sequences × preferences
  signal?: AbortSignal;
}

/** Passes laid out together: enough that rows fill up, few enough to stay small in memory. */
const PASSES_PER_BLOCK = 32;

/**
 * Summed log π of every sequence under every preference: result[n][s] for grid point n. The
 * reference policy ignores the preference: give it a grid of one. Throws the signal's reason when
 * it aborts.
 */
export async function scoreSequences(
  policy: Scorer,
  sequences: Sequence[],
  grid: number[][],
  { rowLength, maxTokens, onProgress, signal }: ScoreOptions,
): Promise<Float32Array[]> {
  const scores = grid.map(() => new Float32Array(sequences.length));
  const total = sequences.length * grid.length;
  const budget = PASSES_PER_BLOCK * maxTokens;
  let done = 0;
  for (let start = 0; start < total;) {
    // Work item i is sequence ⌊i / N⌋ under preference i mod N.
    const items: number[] = [];
    for (let tokens = 0; start < total && (items.length === 0 || tokens < budget); start++) {
      items.push(start);
      const sequence = sequences[Math.floor(start / grid.length)];
      tokens += (sequence?.prompt.length ?? 0) + (sequence?.response.length ?? 0);
    }
    const block = items.map((i) => sequences[Math.floor(i / grid.length)] as Sequence);
    const preferences = items.map((i) => grid[i % grid.length] ?? []);
    for (const pack of packSequences(block, { rowLength, maxTokens, preferences })) {
      signal?.throwIfAborted();
      const values = await policy.logProbs(pack, preferences);
      pack.owners.forEach((owner, k) => {
        const item = items[owner] ?? 0;
        const [s, row] = [Math.floor(item / grid.length), scores[item % grid.length]];
        if (row !== undefined) row[s] = (row[s] ?? 0) + (values[k] ?? 0);
      });
      done += new Set(pack.owners).size; // a sequence lies in one pack
      onProgress?.(done, total);
      await new Promise((resolve) => setTimeout(resolve)); // signals and progress get a turn
    }
  }
  return scores;
}

/** The two sequences of every pair, in the order that scores and references use (2P). */
export function pairSequences(pairs: TokenizedPair[]): Sequence[] {
  return pairs.flatMap(({ prompt, responses }) =>
    responses.map((response) => ({ prompt, response }))
  );
}

/**
 * Per dimension, whether the implicit reward ranks each labelled pair as its label does (1 or 0),
 * at every grid point: the reward that `loss` trains. `scores[n]` and `reference` are of
 * pairSequences (2P). Ties are wrong: where a reference is needed, an untrained adapter scores 0.
 */
export function implicitAccuracies(
  pairs: TokenizedPair[],
  scores: Float32Array[],
  { loss, reference, dimensions }: {
    loss: Pick<PairwiseLoss, "needs" | "perToken">;
    reference: Float32Array; // not read where the loss needs none
    dimensions: number;
  },
): Outcomes[] {
  const prompts = promptNumbers(pairs);
  const marginIn = (logProbs: Float32Array, p: number) =>
    implicitMargin(loss, { logProbs, referenceLogProbs: reference, pairs }, p);
  return Array.from({ length: dimensions }, (_, i) => {
    const labelled = pairs.flatMap(({ better }, p) => {
      const label = better[i] ?? null;
      return label === null ? [] : [{ p, label }];
    });
    return {
      values: scores.map((row) =>
        labelled.map(({ p, label }) => prefers(marginIn(row, p), label) ? 1 : 0)
      ),
      prompts: labelled.map(({ p }) => prompts[p] ?? 0),
    };
  });
}

/** Equal prompts get equal numbers, so that the bootstrap resamples them together. */
function promptNumbers(pairs: TokenizedPair[]): number[] {
  const known = new Map<string, number>();
  return pairs.map(({ prompt }) => {
    const key = prompt.join(",");
    const number = known.get(key) ?? known.size;
    known.set(key, number);
    return number;
  });
}
