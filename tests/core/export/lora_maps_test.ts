import assert from "node:assert/strict";
import fc from "fast-check";
import type { Adapter, ParameterValues } from "../../../core/adapters/adapter.ts";
import { storedAdapters } from "../../../core/adapters/mod.ts";
import { svdLora } from "../../../core/adapters/svd_lora.ts";
import { type Lora, loraAt, type LoraMap, splitLora } from "../../../core/export/lora_maps.ts";
import { Random } from "../../../core/random.ts";
import { assertNear } from "../../near.ts";

const M = 3;
const corners = Array.from(
  { length: M },
  (_, i) => Array.from({ length: M }, (_, j) => +(i === j)),
);
const shape = { in: 5, out: 4 };
const modules = ["model.layers.0.mlp.up_proj", "model.layers.1.mlp.up_proj"];

function create(kind: string): Adapter {
  const adapter = storedAdapters[kind]?.({
    ...{ rank: 2, objectives: M, alpha: 7, init: "gaussian" },
    members: corners,
  });
  assert(adapter);
  return adapter;
}

/** Two maps of the same shape with random parameters. */
function adaptedBy(adapter: Adapter) {
  const parameters = new Map<string, ParameterValues>();
  const random = new Random(5);
  for (const module of modules) {
    const fresh = adapter.init(shape, random);
    adapter.parameterNames.forEach((name, i) => {
      const own = fresh[i]?.shape ?? [];
      const values = Float32Array.from(fresh[i]?.values ?? [], () => random.normal());
      parameters.set(`${module}.${name}`, { shape: own, values });
    });
  }
  return { adapter, parameters, modules };
}

/** (B·A)ᵀ (in, out), summed in double precision. */
function increment({ A, B, ...map }: LoraMap, rank: number): Float64Array {
  const W = new Float64Array(map.in * map.out);
  for (let i = 0; i < map.in; i++) {
    for (let o = 0; o < map.out; o++) {
      for (let r = 0; r < rank; r++) {
        const at = i * map.out + o;
        W[at] = (W[at] ?? NaN) + (A[r * map.in + i] ?? NaN) * (B[o * rank + r] ?? NaN);
      }
    }
  }
  return W;
}

/** λ on the simplex over M dimensions. */
const preferences = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: M, maxLength: M })
  .filter((parts) => parts.some((part) => part > 0))
  .map((parts) => parts.map((part) => part / parts.reduce((sum, other) => sum + other)));

Deno.test("loraAt() gives A = Vᵀ and B with scale, σ, s and λ inside", () => {
  // k = 1, m = 2, alpha 6: scale 6/3 = 2. d(λ) = [σ, s·λ₁, s·λ₂] = [0.5, 2·0.25, 2·0.75].
  const adapter = svdLora({ rank: 1, objectives: 2, alpha: 6, init: "gaussian" });
  const module = "model.layers.0.mlp.up_proj";
  const parameters = new Map<string, ParameterValues>([
    [`${module}.V`, { shape: [2, 3], values: Float32Array.of(1, 2, 3, 4, 5, 6) }],
    [`${module}.U`, { shape: [3, 2], values: Float32Array.of(1, 0, 0, 1, 1, 1) }],
    [`${module}.sigma`, { shape: [1], values: Float32Array.of(0.5) }],
    [`${module}.s`, { shape: [1], values: Float32Array.of(2) }],
  ]);
  const adapted = { adapter, parameters, modules: [module] };
  assert.deepEqual(loraAt(adapted, [0.25, 0.75]), {
    rank: 3,
    maps: [{
      module,
      in: 2,
      out: 2,
      A: Float32Array.of(1, 4, 2, 5, 3, 6), // Vᵀ
      // rows of U times 2·d(λ): [1, 0], [0, 1], [3, 3]; transposed
      B: Float32Array.of(1, 0, 3, 0, 1, 3),
    }],
  });
  // At a corner the column of the other dimension is gone: 2·[0.5, 2·1] → [1, 0], [0, 4].
  const [map] = loraAt(adapted, [1, 0]).maps;
  assert.deepEqual(map?.A, Float32Array.of(1, 4, 2, 5));
  assert.deepEqual(map?.B, Float32Array.of(1, 0, 0, 4));
  // One LoRA of rank k and one of rank 1 for each dimension.
  const parts = splitLora(adapted, 2);
  assert.deepEqual(parts.map(({ dimension, lora }) => [dimension, lora.rank]), [[null, 1], [0, 1], [
    1,
    1,
  ]]);
  assert.deepEqual(parts.map(({ lora }) => [...lora.maps[0]?.B ?? []]), [[1, 0], [0, 4], [4, 4]]);
});

for (const kind of Object.keys(storedAdapters)) {
  const adapted = adaptedBy(create(kind));
  const { adapter, parameters } = adapted;
  const merged = (module: string, preference: number[]) =>
    adapter.merge(
      adapter.parameterNames.flatMap((name) => parameters.get(`${module}.${name}`) ?? []),
      preference,
    );

  Deno.test(`loraAt() is the merged increment at every λ: ${kind}`, () => {
    fc.assert(fc.property(preferences, (preference) => {
      const { rank, maps } = loraAt(adapted, preference);
      assert(rank <= adapter.width);
      assert.deepEqual(maps.map(({ module }) => module), modules);
      for (const map of maps) {
        assertNear(increment(map, rank), merged(map.module, preference), { tolerance: 1e-5 });
      }
    }));
  });

  if (!adapter.affine) continue;
  Deno.test(`splitLora(): the parts times 1 and λ are the merged increment: ${kind}`, () => {
    const parts = splitLora(adapted, M);
    const scaleOf = (dimension: number | null, preference: number[]) =>
      dimension === null ? 1 : preference[dimension] ?? NaN;
    fc.assert(fc.property(preferences, (preference) => {
      modules.forEach((module, m) => {
        const sum = new Float64Array(shape.in * shape.out);
        for (const { dimension, lora } of parts) {
          increment(lora.maps[m] as LoraMap, lora.rank).forEach((value, i) => {
            sum[i] = (sum[i] ?? NaN) + scaleOf(dimension, preference) * value;
          });
        }
        assertNear(sum, merged(module, preference), { tolerance: 1e-5 });
      });
    }));
  });
}

Deno.test("adapters say rightly whether their row factors are affine in λ", () => {
  const middle = Array(M).fill(1 / M);
  for (const kind of Object.keys(storedAdapters)) {
    const adapter = create(kind);
    const mean = new Float32Array(adapter.width);
    for (const corner of corners) {
      adapter.rowFactors(corner).forEach((value, r) => mean[r] = (mean[r] ?? NaN) + value / M);
    }
    const own = adapter.rowFactors(middle);
    const isAffine = mean.every((value, r) => Math.abs(value - (own[r] ?? NaN)) < 1e-6);
    assert.equal(adapter.affine, isAffine, kind);
  }
});

Deno.test("splitLora() has parts of the ranks that λ scales", () => {
  const ranks = (lora: { dimension: number | null; lora: Lora }[]) =>
    lora.map(({ dimension, lora }) => [dimension, lora.rank]);
  const parts = (kind: string) => ranks(splitLora(adaptedBy(create(kind)), M));
  assert.deepEqual(parts("svd_lora"), [[null, 2], [0, 1], [1, 1], [2, 1]]);
  assert.deepEqual(parts("lora"), [[null, 2]]); // no preference moves it
  assert.deepEqual(parts("rewarded_soups"), [[0, 3], [1, 3], [2, 3]]); // nothing that λ leaves alone
});

Deno.test("splitLora() refuses policies of which one answers, and parameters that are not all there", () => {
  const discrete = adaptedBy(create("discrete_policies"));
  assert.equal(loraAt(discrete, [0.9, 0.1, 0]).rank, 3); // one member's rank
  assert.throws(() => splitLora(discrete, M), {
    name: "InputError",
    message:
      /^Cannot export the adapter for every λ: expected one that is affine in λ, got policies/,
  });
  const adapted = adaptedBy(create("svd_lora"));
  adapted.parameters.delete(`${modules[1]}.U`);
  assert.throws(() => loraAt(adapted, [1, 0, 0]), {
    name: "InputError",
    message: `Cannot export the adapter: expected ${modules[1]}.U, got none`,
  });
});
