import assert from "node:assert/strict";
import fc from "fast-check";
import { Random } from "../../../core/random.ts";
import type { TokenizedPair } from "../../../core/text/example.ts";
import { ExampleSampler, SamplerState } from "../../../core/text/sampler.ts";

type Label = 0 | 1 | null;

function pairsOf(labels: Label[][]): TokenizedPair[] {
  const ids = Int32Array.of(1);
  return labels.map((better) => ({ prompt: ids, responses: [ids, ids], better }));
}

/** `helpful` pairs of dimension 0, then `harmless` pairs of dimension 1, as HH's files are. */
function separate(helpful: number, harmless: number): TokenizedPair[] {
  return pairsOf([
    ...Array.from({ length: helpful }, (): Label[] => [0, null]),
    ...Array.from({ length: harmless }, (): Label[] => [null, 1]),
  ]);
}

function sampler(pairs: TokenizedPair[], seed = 1): ExampleSampler {
  return new ExampleSampler(pairs, pairs[0]?.better.length ?? 0, new Random(seed));
}

Deno.test("ExampleSampler shares one pool where every pair carries every label", () => {
  const both = sampler(pairsOf([[0, 1], [1, 1], [0, 0], [1, 0]]));
  assert.equal(both.state().pools.length, 1);
  assert.equal(both.next(2, 1).indices.length, 2);
  assert.equal(sampler(separate(3, 3)).state().pools.length, 2);
  // dimensions 0 and 2 label the same pairs, dimension 1 others
  const three = sampler(pairsOf([[0, null, 1], [1, null, 0], [null, 1, null]]));
  assert.equal(three.state().pools.length, 2);
});

Deno.test("next() draws from every pool, labelled pairs only, spread over all groups", () => {
  const pairs = separate(5, 7);
  const draws = sampler(pairs);
  for (let step = 0; step < 20; step++) {
    const { indices, groups } = draws.next(4, 2);
    assert(indices.slice(0, 4).every((index) => index < 5));
    assert(indices.slice(4).every((index) => index >= 5));
    assert.deepEqual(groups, [0, 0, 1, 1, 0, 0, 1, 1]); // each λ meets both dimensions
  }
});

Deno.test("groupCount() is one group a pair for 0, and never more groups than pairs", () => {
  assert.equal(ExampleSampler.groupCount(6, 0), 6);
  assert.equal(ExampleSampler.groupCount(6, 1), 1);
  assert.equal(ExampleSampler.groupCount(6, 9), 6);
});

Deno.test("next() gives every group pairs of every pool", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 12 }),
    fc.integer({ min: 0, max: 12 }),
    (size, wanted) => {
      const G = ExampleSampler.groupCount(size, wanted);
      const { indices, groups } = sampler(separate(5, 7)).next(size, G);
      for (const isHelpful of [true, false]) {
        const seen = new Set(groups.filter((_, i) => (indices[i] ?? 0) < 5 === isHelpful));
        assert.deepEqual([...seen].sort((a, b) => a - b), Array.from({ length: G }, (_, g) => g));
      }
    },
  ));
});

Deno.test("next() passes over each pool without replacement, in a new order each epoch", () => {
  const draws = sampler(separate(6, 4));
  const helpful: number[] = [];
  const harmless: number[] = [];
  for (let step = 0; step < 12; step++) {
    const { indices } = draws.next(1, 1);
    helpful.push(indices[0] ?? -1);
    harmless.push(indices[1] ?? -1);
  }
  const epoch = (draws: number[], size: number, n: number) => draws.slice(n * size, (n + 1) * size);
  for (const n of [0, 1]) assert.deepEqual(epoch(helpful, 6, n).sort(), [0, 1, 2, 3, 4, 5]);
  for (const n of [0, 1, 2]) assert.deepEqual(epoch(harmless, 4, n).sort(), [6, 7, 8, 9]);
  assert.notDeepEqual(epoch(helpful, 6, 0), epoch(helpful, 6, 1));
});

Deno.test("a batch larger than a pool still uses all its pairs equally often", () => {
  const { indices } = sampler(separate(3, 1)).next(6, 1);
  assert.deepEqual(indices.slice(0, 6).sort(), [0, 0, 1, 1, 2, 2]);
  assert.deepEqual(indices.slice(6), [3, 3, 3, 3, 3, 3]);
});

Deno.test("restore() continues exactly where state() stood, through JSON", () => {
  fc.assert(fc.property(
    fc.nat({ max: 30 }),
    fc.integer({ min: 1, max: 5 }),
    fc.nat({ max: 1000 }),
    (before, size, seed) => {
      const pairs = separate(7, 5);
      const original = sampler(pairs, seed);
      for (let i = 0; i < before; i++) original.next(size, 1);
      const stored = SamplerState.parse(JSON.parse(JSON.stringify(original.state())));
      const resumed = sampler(pairs, seed);
      resumed.restore(stored);
      for (let i = 0; i < 8; i++) assert.deepEqual(resumed.next(size, 1), original.next(size, 1));
    },
  ));
});

Deno.test("restore() refuses the state of data with other pools", () => {
  const { pools } = sampler(separate(3, 3)).state();
  assert.throws(() => sampler(pairsOf([[0, 1]])).restore({ pools }), RangeError);
});

Deno.test("the same seed draws the same pairs, another seed others; its stream does not advance", () => {
  const pairs = separate(20, 20);
  const random = new Random(5);
  const before = random.state();
  const first = new ExampleSampler(pairs, 2, random).next(8, 1);
  assert.deepEqual(random.state(), before);
  assert.deepEqual(new ExampleSampler(pairs, 2, random).next(8, 1), first);
  assert.notDeepEqual(sampler(pairs, 6).next(8, 1), first);
});

Deno.test("stepsPerEpoch() counts the largest pool", () => {
  assert.equal(sampler(separate(7, 3)).stepsPerEpoch(2), 4);
  assert.equal(sampler(separate(8, 3)).stepsPerEpoch(2), 4);
});

Deno.test("usedPairs() names the pairs that the same number of draws sees", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 1, max: 4 }), (n, size) => {
      const pairs = separate(9, 6);
      const options = { dimensions: 2, random: new Random(3), draws: n, perDimension: size };
      const draws = new ExampleSampler(pairs, 2, new Random(3));
      const seen = new Set(Array.from({ length: n }, () => draws.next(size, 1).indices).flat());
      assert.deepEqual(ExampleSampler.used(pairs, options), [...seen].sort((a, b) => a - b));
    }),
  );
});

Deno.test("ExampleSampler refuses a dimension without labelled pairs, naming it", () => {
  assert.throws(() => sampler(pairsOf([[0, null], [1, null]])), /dimension 1 has no label/);
});
