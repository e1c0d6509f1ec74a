import assert from "node:assert/strict";
import fc from "fast-check";
import { Random, RandomState } from "../../core/random.ts";
import golden from "../golden/xoroshiro.json" with { type: "json" };

function draw(n: number, next: () => number): number[] {
  return Array.from({ length: n }, next);
}

function moments(values: number[]): { mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, variance };
}

Deno.test("Random equals the Python generator: state, fork and uniform numbers", () => {
  for (const { seed, words, label, forkWords, uniforms } of golden.seeds) {
    const random = new Random(seed);
    assert.deepEqual(random.state().words, words);
    assert.deepEqual(random.fork(label).state().words, forkWords);
    assert.deepEqual(draw(uniforms.length, () => random.uniform()), uniforms);
  }
});

Deno.test("Random continues from its state after a trip through JSON", () => {
  const calls: ((random: Random) => unknown)[] = [
    (random) => random.uniform(),
    (random) => random.normal(),
    (random) => random.integer(1000),
    (random) => random.gamma(0.3),
    (random) => random.gamma(2.5),
    (random) => [...random.shuffle(7)],
    (random) => random.fork("step").uniform(),
  ];
  fc.assert(fc.property(
    fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    fc.array(fc.integer({ min: 0, max: calls.length - 1 }), { maxLength: 20 }),
    fc.nat(20),
    (seed, sequence, cut) => {
      const whole = new Random(seed);
      const expected = sequence.map((i) => calls[i]?.(whole));
      let resumed = new Random(seed);
      const actual = sequence.map((i, k) => {
        if (k === cut) resumed = new Random(JSON.parse(JSON.stringify(resumed.state())));
        return calls[i]?.(resumed);
      });
      assert.deepEqual(actual, expected);
    },
  ));
});

Deno.test("Random has the moments of its distributions", () => {
  const random = new Random(5);
  const n = 200_000;
  const uniform = moments(draw(n, () => random.uniform()));
  assert.ok(Math.abs(uniform.mean - 1 / 2) < 0.003, `mean ${uniform.mean}`);
  assert.ok(Math.abs(uniform.variance - 1 / 12) < 0.001, `variance ${uniform.variance}`);
  const normal = moments(draw(n, () => random.normal()));
  assert.ok(Math.abs(normal.mean) < 0.01, `mean ${normal.mean}`);
  assert.ok(Math.abs(normal.variance - 1) < 0.02, `variance ${normal.variance}`);
  for (const shape of [0.2, 1, 3.5]) {
    const gamma = moments(draw(n, () => random.gamma(shape))); // mean and variance are the shape
    assert.ok(Math.abs(gamma.mean - shape) < 0.02, `mean of ${shape}: ${gamma.mean}`);
    assert.ok(Math.abs(gamma.variance / shape - 1) < 0.05, `variance of ${shape}`);
  }
});

Deno.test("gamma() follows the distribution function where it is known in closed form", () => {
  // Gamma(1) is the exponential distribution: P(x ≤ t) = 1 − e^−t. Gamma(1/2) is half a squared
  // normal number: P(x ≤ 0.227468) = P(|z| ≤ 0.67449) = 1/2.
  const random = new Random(11);
  const n = 100_000;
  const share = (values: number[], t: number) => values.filter((value) => value <= t).length / n;
  const exponential = draw(n, () => random.gamma(1));
  for (const t of [0.1, 0.7, 2]) {
    assert.ok(Math.abs(share(exponential, t) - (1 - Math.exp(-t))) < 0.006, `t ${t}`);
  }
  assert.ok(Math.abs(share(draw(n, () => random.gamma(0.5)), 0.227468) - 0.5) < 0.006);
});

Deno.test("normal() puts 68.27 % and 95.45 % within one and two deviations", () => {
  const random = new Random(3);
  const values = draw(100_000, () => random.normal());
  const within = (d: number) => values.filter((value) => Math.abs(value) <= d).length / 100_000;
  assert.ok(Math.abs(within(1) - 0.6827) < 0.006);
  assert.ok(Math.abs(within(2) - 0.9545) < 0.003);
});

Deno.test("shuffle() gives permutations, each of 3 elements equally often", () => {
  const random = new Random(8);
  assert.deepEqual([...random.shuffle(0)], []);
  assert.deepEqual(
    [...random.shuffle(100)].sort((a, b) => a - b),
    draw(
      100,
      (() => {
        let i = 0;
        return () => i++;
      })(),
    ),
  );
  const counts = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const key = random.shuffle(3).join("");
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  assert.equal(counts.size, 6);
  for (const count of counts.values()) assert.ok(Math.abs(count - 1000) < 150, `count ${count}`);
});

Deno.test("fork() leaves its parent alone, and labels, parents and seeds give other streams", () => {
  const random = new Random(1);
  const before = random.state();
  const streams = ["a", "b", "ab", "ba", ""].map((label) => random.fork(label).uniform());
  assert.deepEqual(random.state(), before);
  assert.equal(random.fork("a").uniform(), streams[0]);
  streams.push(new Random(2).fork("a").uniform(), random.uniform(), random.fork("a").uniform());
  assert.equal(new Set(streams).size, streams.length);
});

Deno.test("neighbouring seeds start without correlation", () => {
  const first = draw(
    2000,
    (() => {
      let seed = 0;
      return () => new Random(seed++).uniform();
    })(),
  );
  const { mean, variance } = moments(first);
  const lag =
    first.slice(1).reduce((sum, value, i) => sum + (value - mean) * ((first[i] ?? 0) - mean), 0) /
    (first.length * variance);
  assert.ok(Math.abs(mean - 0.5) < 0.03 && Math.abs(lag) < 0.08, `mean ${mean}, lag ${lag}`);
});

Deno.test("Random refuses what it cannot use", () => {
  const random = new Random(0);
  assert.throws(() => new Random(-1), RangeError);
  assert.throws(() => new Random(1.5), RangeError);
  assert.throws(() => new Random(2 ** 32), RangeError);
  assert.throws(
    () => new Random({ generator: "xoroshiro128plus", words: [0, 0, 0, 0] }),
    /^RangeError: Cannot restore a random state: expected four 32-bit words/,
  );
  assert.throws(() => random.integer(0), RangeError);
  assert.throws(() => random.gamma(0), RangeError);
  assert.throws(() => random.shuffle(-1), RangeError);
  assert.ok(RandomState.safeParse(random.state()).success);
});
