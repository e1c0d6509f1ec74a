import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import type { AdapterOptions, ParameterValues } from "../../../core/adapters/adapter.ts";
import { adapters } from "../../../core/adapters/mod.ts";
import {
  adaptedMaps,
  disposeParameters,
  initParameters,
} from "../../../core/adapters/parameters.ts";
import { svdLora } from "../../../core/adapters/svd_lora.ts";
import type { Engine } from "../../../core/engine/mod.ts";
import { blockMaps } from "../../../core/models/linear_maps.ts";
import { type HeldDecoder, holdDecoder } from "../../../core/models/held.ts";
import { createPolicy } from "../../../core/policy.ts";
import { Random } from "../../../core/random.ts";
import { packSequences } from "../../../core/text/pack.ts";
import { openModel } from "../../../data/models.ts";
import { eachEngine } from "../../engines.ts";
import { assertNear, largestDifference } from "../../near.ts";
import { formulaParameters, holdGolden, load, randomSequences } from "../models/golden_models.ts";

const options: AdapterOptions = { rank: 3, objectives: 2, alpha: 20, init: "orthonormal" };

/** Parameters of one map as tensors of a scope. */
function tensorsOf(parameters: ParameterValues[]): tf.Tensor[] {
  return parameters.map(({ values, shape }) => tf.tensor(values, shape));
}

/** Parameters of one map with no zeros. */
function randomParameters(
  shape: { in: number; out: number },
  { rank, objectives }: AdapterOptions,
  random: Random,
): ParameterValues[] {
  const total = rank + objectives;
  return [[shape.in, total], [total, shape.out], [rank], [1]].map((dims) => ({
    shape: dims,
    values: Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => random.normal()),
  }));
}

eachEngine("increment() of one row, worked by hand", async (engine) => {
  void engine;
  const adapter = svdLora({ ...options, rank: 1, objectives: 2, alpha: 6 });
  const increment = tf.tidy(() =>
    adapter.increment(tf.tensor2d([[1, 2]]), [
      tf.tensor2d([[1, 0, 2], [0, 1, -1]]), // V (2, 3): x·V = [1, 2, 0]
      tf.tensor2d([[1, 0], [0, 1], [5, 5]]), // U (3, 2)
      tf.tensor1d([0.5]), // σ
      tf.tensor1d([2]), // s
    ], tf.tensor2d([[0.25, 0.75]]))
  );
  // d(λ) = [0.5, 2·0.25, 2·0.75] = [0.5, 0.5, 1.5]; (x·V) ⊙ d = [0.5, 1, 0];
  // times U = [0.5, 1]; times alpha/(k+m) = 6/3 = 2: [1, 2]
  assertNear(await increment.data(), [1, 2]);
  increment.dispose();
});

eachEngine("increment() with λ per row equals the same rows one λ at a time", async (engine) => {
  void engine;
  const adapter = svdLora(options);
  const random = new Random(1);
  const parameters = randomParameters({ in: 6, out: 5 }, options, random);
  const rows = Array.from({ length: 4 }, () => Array.from({ length: 6 }, () => random.normal()));
  const preferences = [[1, 0], [0, 1], [0.3, 0.7], [0.5, 0.5]];
  const run = (x: number[][], λ: number[][]) =>
    tf.tidy(() => {
      const out = adapter.increment(tf.tensor2d(x), tensorsOf(parameters), tf.tensor2d(λ));
      return out.arraySync();
    });
  const together = run(rows, preferences);
  for (const [n, row] of rows.entries()) {
    const alone = run([row], [preferences[n] ?? []]);
    assertNear(alone[0] ?? [], together[n] ?? [], { tolerance: 1e-5 });
  }
  await Promise.resolve();
});

eachEngine("merge() is increment() as a matrix", async (engine) => {
  void engine;
  for (const objectives of [1, 2, 3]) {
    const own = { ...options, objectives };
    const adapter = svdLora(own);
    const parameters = randomParameters({ in: 4, out: 6 }, own, new Random(objectives));
    const preference = [[1], [0.2, 0.8], [0.1, 0.6, 0.3]][objectives - 1] ?? [];
    // rows of the identity give the rows of the matrix
    const rows = tf.tidy(() =>
      adapter.increment(
        tf.eye(4),
        tensorsOf(parameters),
        tf.tensor2d([preference, preference, preference, preference]),
      )
    );
    assertNear(adapter.merge(parameters, preference), await rows.data(), { tolerance: 1e-5 });
    rows.dispose();
  }
  assert.throws(() => svdLora(options).merge([], [1, 0]), TypeError);
});

Deno.test("merge() is affine in λ: half way between two preferences lies the mean", () => {
  const adapter = svdLora(options);
  const parameters = randomParameters({ in: 4, out: 6 }, options, new Random(3));
  fc.assert(fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (share) => {
    const [first, second] = [adapter.merge(parameters, [1, 0]), adapter.merge(parameters, [0, 1])];
    const between = adapter.merge(parameters, [share, 1 - share]);
    const expected = first.map((value, i) => share * value + (1 - share) * (second[i] ?? NaN));
    assertNear(between, expected, { tolerance: 1e-4 });
  }));
});

eachEngine("penalty() worked by hand, and its gradient", async (engine) => {
  void engine;
  const adapter = svdLora({ ...options, rank: 1, objectives: 1 });
  const V = [[1, 0], [0, 2], [0, 0]]; // VᵀV = diag(1, 4): ‖VᵀV − I‖² = 3² = 9
  const U = [[1, 1], [0, 1]]; // UUᵀ = [[2, 1], [1, 1]]: 1² + 1² + 1² = 3
  const rest = [tf.tensor1d([7]), tf.tensor1d([7])];
  const { value, grads } = tf.tidy(() =>
    tf.valueAndGrads((v, u) => adapter.penalty([v as tf.Tensor, u as tf.Tensor, ...rest]))([
      tf.tensor2d(V),
      tf.tensor2d(U),
    ])
  );
  assertNear(await value.data(), [12]);
  // d‖VᵀV − I‖²/dV = 4·V·(VᵀV − I) = 4·V·diag(0, 3): [0, 0; 0, 24; 0, 0]
  assertNear(await grads[0]?.data() ?? [], [0, 0, 0, 24, 0, 0], { tolerance: 1e-5 });
  // d‖UUᵀ − I‖²/dU = 4·(UUᵀ − I)·U = 4·[[1, 1], [1, 0]]·[[1, 1], [0, 1]] = 4·[[1, 2], [1, 1]]
  assertNear(await grads[1]?.data() ?? [], [4, 8, 4, 4], { tolerance: 1e-5 });
  [value, ...grads, ...rest].forEach((tensor) => tensor.dispose());
});

eachEngine(
  "init() orthonormal: rows of U and columns of V, so that the penalty is zero",
  async (engine) => {
    void engine;
    const adapter = svdLora(options);
    const parameters = adapter.init({ in: 40, out: 12 }, new Random(9));
    assert.deepEqual(parameters.map(({ shape }) => shape), [[40, 5], [5, 12], [3], [1]]);
    const penalty = tf.tidy(() => adapter.penalty(tensorsOf(parameters)));
    assertNear(await penalty.data(), [0], { tolerance: 1e-10 });
    penalty.dispose();
    for (const { values } of parameters.slice(2)) assert(values.every((value) => value === 0));
    assert.throws(() => adapter.init({ in: 4, out: 12 }, new Random(9)), RangeError);
  },
);

Deno.test("init() gaussian has standard deviation 0.02; the same seed gives the same numbers", () => {
  const adapter = svdLora({ ...options, init: "gaussian" });
  const [V] = adapter.init({ in: 4000, out: 4 }, new Random(1));
  const values = [...V?.values ?? []]; // 20,000 draws: the estimate is good to 0.02/√40000 = 1e-4
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const std = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
  assertNear([mean, std], [0, 0.02], { tolerance: 5e-4 });
  assert.deepEqual(adapter.init({ in: 4000, out: 4 }, new Random(1))[0], V);
  assert.notDeepEqual(adapter.init({ in: 4000, out: 4 }, new Random(2))[0], V);
});

Deno.test("adaptedMaps() filters by pattern, block by block", async () => {
  const { config } = await tiedConfig();
  assert.deepEqual(adaptedMaps(config, "layers."), [[...blockMaps], [...blockMaps]]);
  assert.deepEqual(adaptedMaps(config, "self_attn\\.(q|v)_proj"), [
    ["self_attn.q_proj", "self_attn.v_proj"],
    ["self_attn.q_proj", "self_attn.v_proj"],
  ]);
  assert.deepEqual(adaptedMaps(config, "layers\\.1\\.mlp"), [
    [],
    ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"],
  ]);
  assert.throws(() => adaptedMaps(config, "attention"), /lora_target_modules.*"attention"/);
});

Deno.test("initParameters(): one more map changes no other's start", async () => {
  const { config } = await tiedConfig();
  const adapter = adapters.svd_lora(options);
  const random = new Random(4);
  const few = initParameters(adapter, adaptedMaps(config, "q_proj"), { config, random });
  const all = initParameters(adapter, adaptedMaps(config, "layers."), { config, random });
  assert.equal(few.size, 2 * 4);
  assert.equal(all.size, 2 * 7 * 4);
  for (const [name, value] of few) assert.deepEqual(all.get(name), value);
  const [first, second] = [...few.values()].filter(({ shape }) => shape.length === 2);
  assert.notDeepEqual(first, second);
});

eachEngine("merge(λ) in the base's weights scores as the adapter does", async (engine) => {
  for (const [objectives, λ] of [[2, [0.3, 0.7]], [1, [1]], [3, [0.2, 0.5, 0.3]]] as const) {
    const adapter = svdLora({ ...options, objectives });
    const decoder = await holdGolden(engine, "llama_tied");
    const { config } = decoder;
    const stored = formulaParameters(adapter, config, "(q|down)_proj");
    const parameters = load(adapter, config, stored, "(q|down)_proj");
    const [pack] = packSequences(randomSequences(new Random(1), [[4, 9], [3, 5]]), {
      rowLength: 32,
      maxTokens: 128,
    });
    assert(pack);
    const preferences = [[...λ], [...λ]];
    const unmerged = await createPolicy(engine, decoder, { adapter, objectives, parameters })
      .logProbs(pack, preferences);
    const merged = await holdMerged(engine, (name) => {
      const own = adapter.parameterNames.map((parameter) => stored.get(`${name}.${parameter}`));
      return own[0] === undefined ? null : adapter.merge(own as ParameterValues[], [...λ]);
    });
    const plain = await createPolicy(engine, merged, null).logProbs(pack, []);
    assertNear(plain, unmerged, { tolerance: 1e-4 });
    const base = await createPolicy(engine, decoder, null).logProbs(pack, []);
    assert(largestDifference(base, unmerged) > 0.05, "the adapter has no effect");
    disposeParameters(parameters);
    [merged, decoder].forEach((held) => held.dispose());
  }
});

/** llama_tied with an increment (in, out) added to the weights (out, in) that have one. */
async function holdMerged(
  engine: Engine,
  incrementOf: (module: string) => Float32Array | null,
): Promise<HeldDecoder> {
  const { weights } = await tiedModel();
  return await holdDecoder(engine, {
    ...weights,
    async read(name) {
      const values = await weights.read(name);
      const increment = incrementOf(name.replace(/\.weight$/, ""));
      if (increment === null) return values;
      const [out = 0, width = 0] = weights.shape(name);
      increment.forEach((value, at) => {
        const [i, o] = [Math.floor(at / out), at % out];
        values[o * width + i] = (values[o * width + i] ?? 0) + value;
      });
      return values;
    },
  });
}

async function tiedConfig() {
  const { config } = await tiedModel();
  return { config };
}

/** Weights of llama_tied, read into memory so that its file is closed. */
async function tiedModel() {
  const opened = await openModel(new URL("../../golden/llama_tied", import.meta.url).pathname);
  const { weights, config } = opened;
  const values = new Map<string, Float32Array<ArrayBuffer>>();
  for (const name of weights.names) values.set(name, await weights.read(name));
  opened.close();
  const read = (name: string) => Promise.resolve(values.get(name)?.slice() ?? new Float32Array());
  return { config, weights: { ...weights, read } };
}
