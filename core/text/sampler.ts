// Which pairs a step sees. Every dimension has a pool of the pairs that carry its label; dimensions
// whose pools are the same pairs share one (both labels on one pair: PKU-SafeRLHF), the others are
// drawn side by side (HH), so that every preference group meets every dimension.
import { z } from "zod";
import { Random } from "../random.ts";
import type { TokenizedPair } from "./example.ts";

/** Where the sampler stands, as JSON: epoch and next place of each pool. */
export const SamplerState = z.strictObject({
  pools: z.array(z.strictObject({
    epoch: z.number().int().nonnegative(),
    next: z.number().int().nonnegative(),
  })),
});
export type SamplerState = z.infer<typeof SamplerState>;

interface Pool {
  members: number[]; // indices of pairs
  order: Int32Array; // permutation of members in this epoch
  epoch: number;
  next: number;
}

/** Draws grouped pairs without replacement within an epoch of each pool. */
export class PairSampler {
  #pools: Pool[];

  /** `random` is not advanced: each pool and epoch has a stream of its own. */
  constructor(pairs: TokenizedPair[], dimensions: number, private readonly random: Random) {
    this.#pools = distinctPools(pairs, dimensions).map((members, i) => ({
      members,
      order: this.#shuffled(i, 0, members.length),
      epoch: 0,
      next: 0,
    }));
  }

  /** Pairs that one step of `pairsPerDimension` uses up of the largest pool, as steps an epoch. */
  stepsPerEpoch(pairsPerDimension: number): number {
    const largest = Math.max(...this.#pools.map(({ members }) => members.length));
    return Math.ceil(largest / pairsPerDimension);
  }

  /** Preference groups of a step: `wanted`, or one for every pair of a dimension when 0. */
  static groupCount(pairsPerDimension: number, wanted: number): number {
    return wanted === 0 ? pairsPerDimension : Math.min(wanted, pairsPerDimension);
  }

  /** The next pairs: indices and the group 0 … G−1 of each; every pool spreads over all groups. */
  next(pairsPerDimension: number, groupCount: number): { indices: number[]; groups: number[] } {
    const indices: number[] = [];
    const groups: number[] = [];
    this.#pools.forEach((pool, i) => {
      for (let n = 0; n < pairsPerDimension; n++) {
        indices.push(this.#draw(pool, i));
        groups.push(Math.floor(n * groupCount / pairsPerDimension));
      }
    });
    return { indices, groups };
  }

  /** Indices of the pairs that the first `draws` calls of `next` use, in rising order. */
  static usedPairs(
    pairs: TokenizedPair[],
    { dimensions, random, draws, pairsPerDimension }: {
      dimensions: number;
      random: Random;
      draws: number;
      pairsPerDimension: number;
    },
  ): number[] {
    const sampler = new PairSampler(pairs, dimensions, random);
    const used = new Set<number>();
    for (let i = 0; i < draws && used.size < pairs.length; i++) {
      sampler.next(pairsPerDimension, 1).indices.forEach((index) => used.add(index));
    }
    return [...used].sort((a, b) => a - b);
  }

  state(): SamplerState {
    return { pools: this.#pools.map(({ epoch, next }) => ({ epoch, next })) };
  }

  /** Continues where `state` stood. Throws RangeError when it belongs to other data. */
  restore(state: SamplerState): void {
    if (state.pools.length !== this.#pools.length) {
      throw new RangeError(
        `Cannot resume: expected ${this.#pools.length} pools of pairs, got ${state.pools.length}`,
      );
    }
    this.#pools.forEach((pool, i) => {
      const { epoch, next } = state.pools[i] ?? { epoch: 0, next: 0 };
      Object.assign(pool, { epoch, next, order: this.#shuffled(i, epoch, pool.members.length) });
    });
  }

  #draw(pool: Pool, index: number): number {
    if (pool.next >= pool.members.length) {
      pool.epoch++;
      pool.next = 0;
      pool.order = this.#shuffled(index, pool.epoch, pool.members.length);
    }
    const member = pool.members[pool.order[pool.next++] ?? 0];
    if (member === undefined) throw new RangeError("Cannot draw a pair: the pool is empty");
    return member;
  }

  #shuffled(pool: number, epoch: number, length: number): Int32Array {
    return this.random.fork(`pool ${pool} epoch ${epoch}`).shuffle(length);
  }
}

function distinctPools(pairs: TokenizedPair[], dimensions: number): number[][] {
  const pools = new Map<string, number[]>();
  for (let i = 0; i < dimensions; i++) {
    const members = pairs.flatMap(({ better }, p) => (better[i] ?? null) === null ? [] : [p]);
    if (members.length === 0) {
      throw new RangeError(`Cannot sample pairs: dimension ${i} has no labelled pair`);
    }
    pools.set(members.join(","), members);
  }
  return [...pools.values()];
}
