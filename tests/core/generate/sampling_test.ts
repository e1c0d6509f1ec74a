import assert from "node:assert/strict";
import fc from "fast-check";
import { DivergedError } from "../../../core/errors.ts";
import { logProbOf, sampleToken, type Sampling } from "../../../core/generate/sampling.ts";
import { Random } from "../../../core/random.ts";
import golden from "../../golden/sampling.json" with { type: "json" };

/** A generator that always gives the same number. */
class Fixed extends Random {
  constructor(private readonly value: number) {
    super(1);
  }
  override uniform(): number {
    return this.value;
  }
}

const all = { temperature: 1, topP: 1 };

function sampleAt(logits: number[] | Float32Array, u: number, how: Sampling = all): number {
  return sampleToken(Float32Array.from(logits), how, new Fixed(u));
}

Deno.test("sampleToken() cuts [0, 1) as the weights of a softmax do", () => {
  // exp(ln 6) : exp(ln 3) : exp(ln 1) = 6 : 3 : 1; the more probable come first
  const logits = [Math.log(1), Math.log(6), Math.log(3)];
  for (
    const [u, token] of [[0, 1], [0.599, 1], [0.601, 2], [0.899, 2], [0.901, 0], [1 - 2e-16, 0]]
  ) {
    assert.equal(sampleAt(logits, u ?? 0), token, `u = ${u}`);
  }
  // at temperature 1/2 the weights are squared: 36 : 9 : 1, cuts at 36/46 = 0.7826 and 45/46
  const sharp = { temperature: 0.5, topP: 1 };
  assert.deepEqual([0.78, 0.785, 0.977, 0.979].map((u) => sampleAt(logits, u, sharp)), [
    1,
    2,
    2,
    0,
  ]);
});

Deno.test("sampleToken() draws among the fewest tokens that reach top_p", () => {
  const logits = [5, 3, 1, 1].map(Math.log); // probabilities 0.5, 0.3, 0.1, 0.1
  const tokens = (topP: number) =>
    new Set(
      Array.from({ length: 400 }, (_, i) => sampleAt(logits, i / 400, { temperature: 1, topP })),
    );
  assert.deepEqual(tokens(0.45), new Set([0]));
  assert.deepEqual(tokens(0.55), new Set([0, 1]));
  assert.deepEqual(tokens(0.85), new Set([0, 1, 2])); // of equal tokens the smaller id
  assert.deepEqual(tokens(0.95), new Set([0, 1, 2, 3]));
  // {0, 1} renormalised: the cut is at 5/8
  assert.deepEqual([0.62, 0.63].map((u) => sampleAt(logits, u, { temperature: 1, topP: 0.55 })), [
    0,
    1,
  ]);
});

Deno.test("sampleToken() at temperature 0 takes the smallest id of the largest and draws nothing", () => {
  const random = new Random(3);
  const before = random.state();
  assert.equal(sampleToken(Float32Array.of(1, 7, 7, 2), { temperature: 0, topP: 1 }, random), 1);
  assert.equal(
    sampleToken(Float32Array.of(1, 7, 7, 2), { temperature: 1e-320, topP: 0.5 }, random),
    1,
  );
  assert.deepEqual(random.state(), before);
});

Deno.test("sampleToken() draws one number a token, whatever the settings", () => {
  for (const how of [all, { temperature: 0.1, topP: 1 }, { temperature: 2, topP: 0.3 }]) {
    const [random, expected] = [new Random(5), new Random(5)];
    expected.uniform();
    sampleToken(Float32Array.of(1, 2, 3), how, random);
    assert.deepEqual(random.state(), expected.state());
  }
});

Deno.test("sampleToken() gives each token the share that transformers gives it", () => {
  const points = 20_000;
  for (const { logits, temperature, topP, probabilities } of golden.cases) {
    const shares = new Float64Array(logits.length);
    for (let i = 0; i < points; i++) {
      const token = sampleAt(logits, (i + 0.5) / points, { temperature, topP });
      shares[token] = (shares[token] ?? 0) + 1 / points;
    }
    // A token's interval of u holds its share of a grid to within one point.
    probabilities.forEach((p, token) => {
      const off = Math.abs((shares[token] ?? 0) - p);
      assert.ok(off < 1.01 / points, `T ${temperature}, top_p ${topP}, token ${token}: off ${off}`);
      assert.equal((shares[token] ?? 0) === 0 || p > 0, true);
    });
  }
});

Deno.test("sampleToken() passes a chi-square test against the softmax of 49152 logits", () => {
  const source = new Random(11);
  const logits = Float32Array.from({ length: 49152 }, () => 2 * source.normal());
  for (let i = 0; i < 12; i++) logits[source.integer(logits.length)] = 9 + source.uniform();
  const max = logits.reduce((a, b) => Math.max(a, b));
  for (const how of [all, { temperature: 1.3, topP: 0.8 }]) {
    const weights = Array.from(
      logits,
      (l, id) => ({ id, w: Math.exp((l - max) / how.temperature) }),
    )
      .sort((a, b) => b.w - a.w);
    const total = weights.reduce((sum, { w }) => sum + w, 0);
    const kept: typeof weights = [];
    for (let mass = 0; mass < how.topP * total && kept.length < weights.length;) {
      const next = weights[kept.length];
      if (!next) break;
      kept.push(next);
      mass += next.w;
    }
    const mass = kept.reduce((sum, { w }) => sum + w, 0);
    // The most probable tokens each, and the rest in 20 groups by id.
    const single = new Map(kept.slice(0, 30).map(({ id }, cell) => [id, cell]));
    const cellOf = (id: number) => single.get(id) ?? 30 + (id % 20);
    const expected = new Float64Array(50);
    const found = new Float64Array(50);
    const draws = 4000;
    for (const { id, w } of kept) {
      expected[cellOf(id)] = (expected[cellOf(id)] ?? 0) + draws * w / mass;
    }
    const random = new Random(12);
    const allowed = new Set(kept.map(({ id }) => id));
    for (let i = 0; i < draws; i++) {
      const id = sampleToken(logits, how, random);
      assert.ok(allowed.has(id));
      found[cellOf(id)] = (found[cellOf(id)] ?? 0) + 1;
    }
    const chi = expected.reduce((sum, e, i) => sum + ((found[i] ?? 0) - e) ** 2 / e, 0);
    // 49 degrees of freedom: mean 49, deviation √98; 99.9 % lie below 85.4
    assert.ok(chi > 20 && chi < 85.4, `chi-square ${chi}`);
  }
});

Deno.test("sampleToken() gives a token with weight, for any logits, settings and u", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.double({ min: -1e6, max: 1e6, noNaN: true }),
          fc.constant(-Infinity),
          fc.constant(3),
        ),
        {
          minLength: 1,
          maxLength: 50,
        },
      ).filter((logits) => logits.some(Number.isFinite)),
      fc.double({ min: 0, max: 2, noNaN: true }),
      fc.double({ min: 1e-9, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (values, temperature, topP, u) => {
        const logits = Float32Array.from(values);
        const token = sampleAt(logits, u, { temperature, topP });
        const max = Math.max(...logits);
        assert.ok(Number.isInteger(token) && token >= 0 && token < logits.length);
        assert.ok(max - (logits[token] ?? NaN) <= 48 * temperature);
        if (topP < 1e-3 && logits.length < 50) assert.equal(token, logits.indexOf(max));
      },
    ),
    { numRuns: 2000 },
  );
});

Deno.test("sampleToken() refuses logits without a finite one", () => {
  for (const logits of [[NaN, NaN], [-Infinity], [0, Infinity], []]) {
    assert.throws(() => sampleAt(logits, 0.5), DivergedError);
  }
});

Deno.test("sampleToken() costs little: a row of 49152 takes less than two passes of exp", () => {
  // exp alone over the row is what a softmax would cost; both sides in turn, the best of many.
  const random = new Random(2);
  const logits = Float32Array.from({ length: 49152 }, () => 3 * random.normal());
  let sum = 0;
  const best = { exp: Infinity, sample: Infinity };
  for (let round = 0; round < 60; round++) {
    const start = performance.now();
    for (const logit of logits) sum += Math.exp(logit - 12);
    const middle = performance.now();
    sum += sampleToken(logits, { temperature: 1, topP: 0.9 }, random);
    best.exp = Math.min(best.exp, middle - start);
    best.sample = Math.min(best.sample, performance.now() - middle);
  }
  assert.ok(Number.isFinite(sum) && best.sample < 2 * best.exp, JSON.stringify(best));
});

Deno.test("logProbOf() is the log-softmax in double precision", () => {
  const ln = [Math.log(1), Math.log(6), Math.log(3)];
  const logits = Float32Array.from(ln); // weights 1 : 6 : 3
  [0.1, 0.6, 0.3].forEach((p, token) => {
    assert.ok(Math.abs(logProbOf(logits, token) - Math.log(p)) < 1e-6, `${token}`);
  });
  const random = new Random(4);
  for (const spread of [0.1, 3, 40]) { // 40: most tokens are far beyond the table
    const row = Float32Array.from({ length: 5000 }, () => spread * random.normal());
    const max = row.reduce((a, b) => Math.max(a, b));
    const sum = row.reduce((total, logit) => total + Math.exp(logit - max), 0);
    for (const token of [0, 17, 4999]) {
      const wanted = (row[token] ?? NaN) - max - Math.log(sum);
      assert.ok(Math.abs(logProbOf(row, token) - wanted) < 1e-7, `${spread}: ${token}`);
    }
  }
});
