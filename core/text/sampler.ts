// Which examples a step sees. Every dimension has a pool of those that carry its label; dimensions
// whose pools are the same share one (both labels on one pair: PKU-SafeRLHF), the others are
// drawn side by side (HH), so that every preference group meets every dimension.
import { z } from "zod";
import { Random } from "../random.ts";
import type { Labelled } from "./example.ts";

/** Where the sampler stands, as JSON: epoch and next place of each pool. */
export const SamplerState = z.strictObject({
  pools: z.array(z.strictObject({
    epoch: z.number().int().nonnegative(),
    next: z.number().int().nonnegative(),
  })),
});
export type SamplerState = z.infer<typeof SamplerState>;

interface Pool {
  members: number[]; // indices of examples
  order: Int32Array; // permutation of members in this epoch
  epoch: number;
  next: number;
}

/** Draws grouped examples without replacement within an epoch of each pool. */
export class ExampleSampler {
  #pools: Pool[];

  /** `random` is not advanced: each pool and epoch has a stream of its own. */
  constructor(examples: Labelled[], dimensions: number, private readonly random: Random) {
    this.#pools = distinctPools(examples, dimensions).map((members, i) => ({
      members,
      order: this.#shuffled(i, 0, members.length),
      epoch: 0,
      next: 0,
    }));
  }

  /** Steps until the largest pool is used up, `perDimension` examples a step. */
  stepsPerEpoch(perDimension: number): number {
    const largest = Math.max(...this.#pools.map(({ members }) => members.length));
    return Math.ceil(largest / perDimension);
  }

  /** Preference groups of a step: `wanted`, or one for every example of a dimension when 0. */
  static groupCount(perDimension: number, wanted: number): number {
    return wanted === 0 ? perDimension : Math.min(wanted, perDimension);
  }

  /** The next examples: indices and the group 0 … G−1 of each; every pool spreads over all groups. */
  next(perDimension: number, groupCount: number): { indices: number[]; groups: number[] } {
    const indices: number[] = [];
    const groups: number[] = [];
    this.#pools.forEach((pool, i) => {
      for (let n = 0; n < perDimension; n++) {
        indices.push(this.#draw(pool, i));
        groups.push(Math.floor(n * groupCount / perDimension));
      }
    });
    return { indices, groups };
  }

  /** Indices of the examples that the first `draws` calls of `next` use, in rising order. */
  static used(
    examples: Labelled[],
    { dimensions, random, draws, perDimension }: {
      dimensions: number;
      random: Random;
      draws: number;
      perDimension: number;
    },
  ): number[] {
    const sampler = new ExampleSampler(examples, dimensions, random);
    const used = new Set<number>();
    for (let i = 0; i < draws && used.size < examples.length; i++) {
      sampler.next(perDimension, 1).indices.forEach((index) => used.add(index));
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
        `Cannot resume: expected ${this.#pools.length} pools of examples, got ${state.pools.length}`,
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
    if (member === undefined) throw new RangeError("Cannot draw an example: the pool is empty");
    return member;
  }

  #shuffled(pool: number, epoch: number, length: number): Int32Array {
    return this.random.fork(`pool ${pool} epoch ${epoch}`).shuffle(length);
  }
}

function distinctPools(examples: Labelled[], dimensions: number): number[][] {
  const pools = new Map<string, number[]>();
  for (let i = 0; i < dimensions; i++) {
    const members = examples.flatMap(({ better }, p) => (better[i] ?? null) === null ? [] : [p]);
    if (members.length === 0) {
      throw new RangeError(`Cannot sample examples: dimension ${i} has no label`);
    }
    pools.set(members.join(","), members);
  }
  return [...pools.values()];
}
