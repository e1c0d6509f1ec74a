import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import type { ParameterValues } from "../../../core/adapters/adapter.ts";
import { type CompositeOptions, memberParameter } from "../../../core/adapters/composite.ts";
import { discretePolicies } from "../../../core/adapters/discrete_policies.ts";
import { compositeAdapters } from "../../../core/adapters/mod.ts";
import {
  adaptedMaps,
  disposeParameters,
  loadParameters,
} from "../../../core/adapters/parameters.ts";
import { plainSvdLora } from "../../../core/adapters/plain_svd_lora.ts";
import { rewardedSoups } from "../../../core/adapters/rewarded_soups.ts";
import { InputError } from "../../../core/errors.ts";
import { createPolicy } from "../../../core/policy.ts";
import { latticeGrid } from "../../../core/preference.ts";
import { Random } from "../../../core/random.ts";
import { eachEngine } from "../../engines.ts";
import golden from "../../golden/soups.json" with { type: "json" };
import { assertNear, assertSameBits, largestDifference } from "../../near.ts";
import {
  decodeTogether,
  engineLogits,
  modelPath,
  randomIds,
  randomParameters,
  withDecoder,
} from "../generate/decoders.ts";
import { holdModel } from "../models/golden_models.ts";

const corners = [[1, 0], [0, 1]];
const options: CompositeOptions = {
  rank: 2,
  objectives: 2,
  alpha: 6,
  init: "orthonormal",
  members: corners,
};
/** The same settings with members that every kind of two accepts. */
const kinds = Object.entries(compositeAdapters);

/** Random parameters of one map for `count` members. */
function randomMembers(
  count: number,
  { shape, seed }: { shape: { in: number; out: number }; seed: number },
): ParameterValues[] {
  const random = new Random(seed);
  const total = options.rank + 1;
  return Array.from({ length: count }, () => [[shape.in, total], [total, shape.out], [total]])
    .flat().map((dims) => ({
      shape: dims,
      values: Float32Array.from({ length: tf.util.sizeFromShape(dims) }, () => random.normal()),
    }));
}

function tensorsOf(parameters: ParameterValues[]): tf.Tensor[] {
  return parameters.map(({ values, shape }) => tf.tensor(values, shape));
}

eachEngine("rewarded_soups interpolates as PEFT does: increment() and merge()", async (engine) => {
  void engine;
  const { rank, alpha, x } = golden;
  const adapter = rewardedSoups({ ...options, rank: rank - 1, alpha });
  // golden/soups.py: parameter o of the layer is sin(1 + 0.7 i + 0.9 o)
  const shapes = [[5, rank], [rank, 4], [rank]];
  const parameters = [...shapes, ...shapes].map((shape, o) => ({
    shape,
    values: Float32Array.from(
      { length: tf.util.sizeFromShape(shape) },
      (_, i) => Math.sin(1 + 0.7 * i + 0.9 * o),
    ),
  }));
  for (const { preference, merged, increment } of golden.cases) {
    const found = tf.tidy(() =>
      adapter.increment(
        tf.tensor2d(x),
        tensorsOf(parameters),
        tf.tensor2d([preference, preference]),
      )
    );
    assertNear(await found.data(), increment.flat(), { tolerance: 2e-6 });
    assertNear(adapter.merge(parameters, preference), merged.flat(), { tolerance: 2e-6 });
    found.dispose();
  }
});

eachEngine("increment() of both kinds, worked by hand", async (engine) => {
  void engine;
  const own = { ...options, rank: 1, alpha: 4 }; // scale 4/(1+1) = 2
  const first = [[[1, 0], [0, 1]], [[1, 0], [0, 1]], [1, 3]]; // ΔW_1 = 2·diag(1, 3)
  const second = [[[0, 1], [1, 0]], [[1, 0], [0, 1]], [1, 1]]; // ΔW_2 = 2·[[0, 1], [1, 0]]
  const run = (kind: typeof rewardedSoups) =>
    tf.tidy(() =>
      kind(own).increment(
        tf.tensor2d([[1, 2], [1, 2], [1, 2]]),
        [...first, ...second].map((values) => tf.tensor(values)),
        tf.tensor2d([[0.25, 0.75], [0.75, 0.25], [0.5, 0.5]]),
      )
    );
  // x·ΔW_1 = [2, 12], x·ΔW_2 = [4, 2]
  const soup = run(rewardedSoups); // 0.25·[2, 12] + 0.75·[4, 2] = [3.5, 4.5] and so on
  assertNear(await soup.data(), [3.5, 4.5, 2.5, 9.5, 3, 7]);
  const nearest = run(discretePolicies); // a tie goes to the first member
  assertNear(await nearest.data(), [4, 2, 2, 12, 2, 12]);
  [soup, nearest].forEach((tensor) => tensor.dispose());
});

for (const [name, create] of kinds) {
  eachEngine(`${name}: factors(), rowFactors() and merge() make up increment()`, async (engine) => {
    void engine;
    const adapter = create(options);
    const shape = { in: 7, out: 5 };
    const parameters = randomMembers(2, { shape, seed: 4 });
    const { V, U } = adapter.factors(parameters);
    for (const preference of [[1, 0], [0.3, 0.7], [0.5, 0.5]]) {
      const [increment, product] = tf.tidy(() => {
        const rows = Array.from({ length: shape.in }, () => preference);
        const scaled = rows.map((λ) => [...adapter.rowFactors(λ)]);
        const low = tf.mul(tf.tensor2d(V, [shape.in, adapter.width]), tf.tensor2d(scaled));
        return [
          adapter.increment(tf.eye(shape.in), tensorsOf(parameters), tf.tensor2d(rows)),
          tf.matMul(low as tf.Tensor2D, tf.tensor2d(U, [adapter.width, shape.out])),
        ];
      });
      assertNear(await product.data(), await increment.data(), { tolerance: 1e-5 });
      assertNear(adapter.merge(parameters, preference), await increment.data(), {
        tolerance: 1e-5,
      });
      [increment, product].forEach((tensor) => tensor.dispose());
    }
  });

  eachEngine(`${name} at a member's preference is that member, bit for bit`, async (engine) => {
    void engine;
    const adapter = create(options);
    const member = plainSvdLora(options);
    const shape = { in: 6, out: 5 };
    const parameters = randomMembers(2, { shape, seed: 8 });
    const random = new Random(1);
    const x = Array.from({ length: 3 }, () => Array.from({ length: 6 }, () => random.normal()));
    for (const [i, preference] of corners.entries()) {
      const own = parameters.slice(3 * i, 3 * i + 3);
      const [whole, alone] = tf.tidy(() => {
        const λ = tf.tensor2d([preference, preference, preference]);
        return [
          adapter.increment(tf.tensor2d(x), tensorsOf(parameters), λ),
          member.increment(tf.tensor2d(x), tensorsOf(own), λ),
        ];
      });
      assertSameBits(
        await whole.data() as Float32Array,
        await alone.data() as Float32Array,
        `member ${i}`,
      );
      assertSameBits(
        adapter.merge(parameters, preference),
        member.merge(own, preference),
        `merged member ${i}`,
      );
      [whole, alone].forEach((tensor) => tensor.dispose());
    }
  });

  eachEngine(`${name}: gradient and penalty are those of the members, by their shares`, async (
    engine,
  ) => {
    void engine;
    const adapter = create(options);
    const shape = { in: 4, out: 3 };
    const parameters = randomMembers(2, { shape, seed: 5 });
    const preference = [0.8, 0.2];
    const x = [[0.3, -1, 0.5, 2]];
    const value = (values: ParameterValues[]) =>
      tf.tidy(() =>
        tf.sum(tf.square(
          adapter.increment(tf.tensor2d(x), tensorsOf(values), tf.tensor2d([preference])),
        )).dataSync()[0] ?? NaN
      );
    const gradients = tf.tidy(() =>
      tf.grads((...tensors) =>
        tf.sum(tf.square(
          adapter.increment(tf.tensor2d(x), tensors as tf.Tensor[], tf.tensor2d([preference])),
        ))
      )(tensorsOf(parameters)).map((gradient) => Array.from(gradient.dataSync()))
    );
    const step = 1e-2;
    for (const [p, { values }] of parameters.entries()) {
      for (const i of [0, values.length - 1]) {
        const moved = (by: number) =>
          value(parameters.map((own, q) => {
            if (q !== p) return own;
            const changed = own.values.slice();
            changed[i] = (changed[i] ?? 0) + by;
            return { ...own, values: changed };
          }));
        const slope = (moved(step) - moved(-step)) / (2 * step);
        assertNear([gradients[p]?.[i] ?? NaN], [slope], { tolerance: 2e-2, what: `${p}, ${i}` });
      }
    }
    const member = plainSvdLora(options);
    const [whole, sum] = tf.tidy(() => [
      adapter.penalty(tensorsOf(parameters)),
      tf.add(
        member.penalty(tensorsOf(parameters.slice(0, 3))),
        member.penalty(tensorsOf(parameters.slice(3))),
      ),
    ]);
    assertNear(await whole.data(), await sum.data(), { tolerance: 1e-5 });
    [whole, sum].forEach((tensor) => tensor.dispose());
    await Promise.resolve();
  });

  Deno.test(`${name}: names, fresh parameters and refusals`, () => {
    const adapter = create(options);
    assert.deepEqual(
      adapter.parameterNames,
      [0, 1].flatMap((i) => ["V", "U", "sigma"].map((part) => memberParameter(i, part))),
    );
    const fresh = adapter.init({ in: 6, out: 5 }, new Random(2));
    assert.deepEqual(fresh.map(({ shape }) => shape), [[6, 3], [3, 5], [3], [6, 3], [3, 5], [3]]);
    assert.notDeepEqual(fresh[0], fresh[3]);
    assert(adapter.merge(fresh, [0.4, 0.6]).every((value) => value === 0));
    assert.throws(() => adapter.merge(fresh.slice(1), [1, 0]), /expected 6 parameters, got 5/);
    assert.throws(() => create({ ...options, members: [] }), InputError);
    assert.throws(() => create({ ...options, members: [[1], [1]] }), InputError);
  });
}

Deno.test("rewarded_soups refuses members that are not the corners in their order", () => {
  for (const members of [[[0, 1], [1, 0]], [[1, 0]], [[1, 0], [0.5, 0.5]], [...corners, [1, 0]]]) {
    assert.throws(
      () => rewardedSoups({ ...options, members }),
      /expected one member for each of 2/,
    );
  }
});

Deno.test("rewarded_soups: merge() is affine in λ", () => {
  const adapter = rewardedSoups(options);
  const parameters = randomMembers(2, { shape: { in: 4, out: 6 }, seed: 3 });
  const [first, second] = corners.map((λ) => adapter.merge(parameters, λ));
  fc.assert(fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (share) => {
    const expected = first?.map((value, i) => share * value + (1 - share) * (second?.[i] ?? NaN));
    assertNear(adapter.merge(parameters, [share, 1 - share]), expected ?? [], { tolerance: 1e-5 });
  }));
});

eachEngine("discrete_policies serves the nearest member, on the engine as on the host", async (
  engine,
) => {
  void engine;
  for (const [objectives, pointsPerEdge] of [[2, 11], [2, 5], [3, 4]] as const) {
    const members = latticeGrid(objectives, pointsPerEdge);
    const adapter = discretePolicies({ ...options, rank: 1, objectives, members });
    const random = new Random(pointsPerEdge);
    // a finer lattice, whose points fall on members, between them and half way, and random points
    const rows = [
      ...latticeGrid(objectives, 2 * pointsPerEdge - 1),
      ...Array.from({ length: 40 }, () => {
        const weights = Array.from({ length: objectives }, () => random.gamma(1));
        const sum = weights.reduce((a, b) => a + b);
        return weights.map((weight) => weight / sum);
      }),
    ];
    // Member i adds i to its one output: V = [1 0], U = [i; 0], σ = [1 0], scale made 1.
    const scale = 2 / options.alpha;
    const parameters = members.flatMap((_, i) => [
      { shape: [1, 2], values: Float32Array.of(1, 0) },
      { shape: [2, 1], values: Float32Array.of(i * scale, 0) },
      { shape: [2], values: Float32Array.of(1, 0) },
    ]);
    const served = tf.tidy(() =>
      adapter.increment(
        tf.ones([rows.length, 1]) as tf.Tensor2D,
        tensorsOf(parameters),
        tf.tensor2d(rows),
      )
    );
    const onHost = rows.map((λ) => adapter.merge(parameters, λ)[0] ?? NaN);
    assertNear(await served.data(), onHost, { tolerance: 1e-6 });
    served.dispose();
    rows.forEach((λ, n) => {
      const squared = members.map((own) =>
        own.reduce((sum, w, j) => sum + (w - (λ[j] ?? NaN)) ** 2, 0)
      );
      const least = Math.min(...squared);
      const found = Math.round(onHost[n] ?? NaN);
      assert((squared[found] ?? NaN) <= least + 1e-6, `[${λ}] is served by [${members[found]}]`);
      const earlier = squared.slice(0, found).some((distance) => distance <= least + 1e-7);
      assert(!earlier, `[${λ}]: an earlier member is as near as [${members[found]}]`);
    });
  }
  // 0.05 and 0.95 lie half way: the first of the lattice, with the smaller λ_1, serves.
  const members = latticeGrid(2, 11);
  const adapter = discretePolicies({ ...options, rank: 1, members });
  const firstUsed = (λ: number[]) =>
    Math.floor(adapter.rowFactors(λ).findIndex((factor) => factor !== 0) / 2);
  assert.deepEqual([[0.05, 0.95], [0.95, 0.05], [0.051, 0.949]].map(firstUsed), [0, 9, 1]);
});

for (const [name, create] of kinds) {
  eachEngine(`${name} in the decoder: the training engine's logits at five λ`, async (engine) => {
    const members = corners;
    const adapter = create({ ...options, alpha: 5, members });
    const held = await holdModel(engine, modelPath("builtin"));
    const { config } = held;
    const parameters = randomParameters(adapter, config, { seed: 1, pattern: "(q|down)_proj" });
    const maps = adaptedMaps(config, "(q|down)_proj");
    const loaded = loadParameters(adapter, maps, parameters);
    const policy = createPolicy(engine, held, { adapter, objectives: 2, parameters: loaded });
    const V = config.vocabSize;
    const [first = 0, ...rest] = randomIds(12, { seed: 2, vocabSize: V });
    const preferences = [[1, 0], [0.75, 0.25], [0.5, 0.5], [0.3, 0.7], [0, 1]];
    const expected: Float32Array[] = [];
    for (const preference of preferences) {
      const ids = [first, ...rest];
      expected.push(
        await engineLogits(engine, { held, policy }, { ids, preference, rowLength: 16 }),
      );
    }
    assert(largestDifference(expected[0] ?? [], expected[4] ?? []) > 0.1, "λ has no effect");
    await withDecoder("builtin", {}, async (decoder) => {
      const decodeAdapter = decoder.loadAdapter({ id: name, adapter, objectives: 2, parameters });
      const courses = preferences.map((preference) => ({
        adapter: decodeAdapter,
        preference,
        prompt: [first],
        tokens: rest,
      }));
      const found = await decodeTogether(decoder, courses); // all λ share their steps
      found.forEach((rows, n) =>
        rows.forEach((logits, t) => {
          const off = largestDifference(logits, expected[n]?.subarray(t * V, (t + 1) * V) ?? []);
          assert(off <= 1e-4, `logits at λ [${preferences[n]}], step ${t}, differ by ${off}`);
        })
      );
    });
    disposeParameters(loaded);
    held.dispose();
  });
}
