// What every trained adapter must do, over the table.
import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import type { AdapterOptions, ParameterValues } from "../../../core/adapters/adapter.ts";
import { lora } from "../../../core/adapters/lora.ts";
import { adapters } from "../../../core/adapters/mod.ts";
import {
  adaptedMaps,
  disposeParameters,
  initParameters,
} from "../../../core/adapters/parameters.ts";
import { plainSvdLora } from "../../../core/adapters/plain_svd_lora.ts";
import { svdLora } from "../../../core/adapters/svd_lora.ts";
import { createPolicy } from "../../../core/policy.ts";
import { Random } from "../../../core/random.ts";
import { packSequences } from "../../../core/text/pack.ts";
import { policyTokens, tokenPass } from "../../../core/token_pass.ts";
import { eachEngine } from "../../engines.ts";
import golden from "../../golden/adapters.json" with { type: "json" };
import { assertNear, assertSameBits, largestDifference } from "../../near.ts";
import { formulaParameters, holdGolden, load, randomSequences } from "../models/golden_models.ts";

const options: AdapterOptions = { rank: 3, objectives: 2, alpha: 20, init: "orthonormal" };

/** Every kind, and SVD-LoRA with a fixed factor, which has other parameters. */
const kinds: Record<string, AdapterOptions & { kind: keyof typeof adapters }> = {
  ...Object.fromEntries(
    Object.keys(adapters).map((
      kind,
    ) => [kind, { ...options, kind: kind as keyof typeof adapters }]),
  ),
  "svd_lora with a fixed factor": { ...options, scalingFactor: 0.25, kind: "svd_lora" },
};

/** Parameters of one map with no zeros. */
function randomParameters(
  adapter: ReturnType<typeof svdLora>,
  shape: { in: number; out: number },
): ParameterValues[] {
  const random = new Random(3);
  return adapter.init(shape, random).map(({ shape, values }) => ({
    shape,
    values: values.map(() => random.normal()),
  }));
}

function tensorsOf(parameters: ParameterValues[]): tf.Tensor[] {
  return parameters.map(({ values, shape }) => tf.tensor(values, shape));
}

for (const [name, own] of Object.entries(kinds)) {
  const adapter = adapters[own.kind](own);

  eachEngine(`${name}: factors() and rowFactors() make up increment()`, async (engine) => {
    void engine;
    const parameters = randomParameters(adapter, { in: 7, out: 5 });
    const preferences = [[1, 0], [0.3, 0.7]];
    const x = tf.randomNormal([2, 7], 0, 1, "float32", 1) as tf.Tensor2D;
    const { V, U } = adapter.factors(parameters);
    const [increment, product] = tf.tidy(() => {
      const rows = tf.tensor2d(preferences.map((λ) => [...adapter.rowFactors(λ)]));
      const low = tf.mul(tf.matMul(x, tf.tensor2d(V, [7, adapter.width])), rows);
      return [
        adapter.increment(x, tensorsOf(parameters), tf.tensor2d(preferences)),
        tf.matMul(low as tf.Tensor2D, tf.tensor2d(U, [adapter.width, 5])),
      ];
    });
    assertNear(await product.data(), await increment.data(), { tolerance: 1e-5 });
    [x, increment, product].forEach((tensor) => tensor.dispose());
  });

  eachEngine(`${name}: merge() is increment() as a matrix`, async (engine) => {
    void engine;
    const parameters = randomParameters(adapter, { in: 8, out: 6 });
    for (const preference of [[1, 0], [0.2, 0.8]]) {
      const increment = tf.tidy(() => {
        const rows = tf.tensor2d(Array<number[]>(8).fill(preference));
        return adapter.increment(tf.eye(8), tensorsOf(parameters), rows);
      });
      const merged = adapter.merge(parameters, preference);
      assertNear(merged, await increment.data(), { tolerance: 1e-5 });
      increment.dispose();
    }
  });

  eachEngine(`${name}: the preference moves it or does not, as its kind says`, async (engine) => {
    void engine;
    const parameters = randomParameters(adapter, { in: 8, out: 6 });
    const [one, other] = [adapter.merge(parameters, [1, 0]), adapter.merge(parameters, [0, 1])];
    if (own.kind === "svd_lora") assert(largestDifference(one, other) > 0.1);
    else assertSameBits(one, other, "λ moves nothing");
    await Promise.resolve();
  });

  Deno.test(`${name}: the wrong number of parameters is refused, named`, () => {
    const names = adapter.parameterNames.join(", ");
    assert.throws(() => adapter.merge([], [1, 0]), new RegExp(`\\(${names}\\), got 0$`));
  });

  for (const dtype of ["float32", "bfloat16"] as const) {
    eachEngine(
      `${name}: fresh, it leaves the base as it is, bit for bit, ${dtype}`,
      async (engine) => {
        const decoder = await holdGolden(engine, "llama_tied");
        const { config } = decoder;
        const sequences = randomSequences(new Random(1), [[4, 9], [3, 5], [8, 8]]);
        const [pack] = packSequences(sequences, { rowLength: 32, maxTokens: 128 });
        assert(pack);
        const reference = await createPolicy(engine, decoder, null).logProbs(pack, []);
        for (const init of ["orthonormal", "gaussian"] as const) {
          const fresh = adapters[own.kind]({ ...own, init });
          const maps = adaptedMaps(config, "layers.");
          const stored = initParameters(fresh, maps, { config, random: new Random(2) });
          const parameters = load(fresh, config, stored);
          const policy = createPolicy(engine, decoder, {
            adapter: fresh,
            objectives: 2,
            parameters,
          });
          for (const λ of [[1, 0], [0.3, 0.7]]) {
            assertSameBits(await policy.logProbs(pack, [λ, λ, λ]), reference, `${init}, λ [${λ}]`);
          }
          disposeParameters(parameters);
        }
        decoder.dispose();
      },
      { dtype, ...dtype === "bfloat16" && { engines: ["tensorflow"] } },
    );
  }

  eachEngine(`${name}: fresh, the first gradient moves every map`, async (engine) => {
    const decoder = await holdGolden(engine, "llama_tied");
    const { config } = decoder;
    const stored = initParameters(adapter, adaptedMaps(config, "layers."), {
      config,
      random: new Random(2),
    });
    const parameters = load(adapter, config, stored);
    const policy = createPolicy(engine, decoder, { adapter, objectives: 2, parameters });
    const pass = tokenPass(policyTokens(policy), { rowLength: 32, maxTokens: 256 });
    const sequences = randomSequences(new Random(1), [[4, 9], [3, 5]]);
    const batch = await pass.forward(sequences, [[0.3, 0.7], [0.6, 0.4]]);
    const gradients = await batch.backward(batch.values.map((values) => values.map(() => 1)));
    for (const [layer, block] of gradients.entries()) {
      const width = adapter.parameterNames.length;
      for (const [m, map] of (parameters[layer]?.maps ?? []).entries()) {
        const own = block.slice(m * width, (m + 1) * width);
        const sizes = await Promise.all(own.map(async (g) => Math.hypot(...await g.data())));
        assert(Math.max(...sizes) > 1e-6, `${map} of block ${layer} gets no gradient: ${sizes}`);
      }
    }
    gradients.flat().forEach((tensor) => tensor.dispose());
    disposeParameters(parameters);
    decoder.dispose();
  });
}

for (const [kind, { logProbs, gradients }] of Object.entries(golden.cases)) {
  eachEngine(
    `${kind}: log-probabilities and gradients of every token are PEFT's`,
    async (engine) => {
      const { rank, objectives, alpha, factor } = golden;
      const adapter = adapters[kind as keyof typeof adapters]({
        rank,
        objectives,
        alpha,
        init: "gaussian",
        ...kind === "svd_lora" && { scalingFactor: factor },
      });
      const decoder = await holdGolden(engine, "llama_tied");
      const parameters = load(adapter, decoder.config, formulaParameters(adapter, decoder.config));
      const policy = createPolicy(engine, decoder, { adapter, objectives, parameters });
      const sequences = golden.sequences.map(({ prompt, response }) => ({
        prompt: Int32Array.from(prompt),
        response: Int32Array.from(response),
      }));
      const preferences = golden.sequences.map(({ preference }) => preference);
      const pass = tokenPass(policyTokens(policy), { rowLength: 32, maxTokens: 64 });
      const batch = await pass.forward(sequences, preferences);
      batch.values.forEach((values, s) =>
        assertNear(values, logProbs[s] ?? [], { tolerance: 1e-5 })
      );
      let n = 0;
      const found = await batch.backward(
        batch.values.map((values) => values.map(() => Math.sin(1 + n++))),
      );
      const names = parameters.flatMap(({ names }) => names);
      assert.deepEqual(names.toSorted(), Object.keys(gradients).sort());
      for (const [i, gradient] of found.flat().entries()) {
        const values = await gradient.data();
        const expected = gradients[names[i] as keyof typeof gradients] as {
          norm: number;
          entries: Record<string, number>;
        };
        const bound = 1e-4 * Math.max(expected.norm, 0.01);
        assert(Math.abs(Math.hypot(...values) - expected.norm) <= bound, `${names[i]}`);
        for (const [at, value] of Object.entries(expected.entries)) {
          assert(Math.abs((values[Number(at)] ?? NaN) - value) <= bound, `${names[i]}[${at}]`);
        }
      }
      found.flat().forEach((tensor) => tensor.dispose());
      disposeParameters(parameters);
      decoder.dispose();
    },
  );
}

/** x = [1, 2]; V or A (2, 2); U or B (2, 2): x·V = [1, 4]. */
const byHand = [
  { shape: [2, 2], values: Float32Array.of(1, 0, 0, 2) },
  { shape: [2, 2], values: Float32Array.of(1, 1, 0, 1) },
];

async function incrementOf(
  adapter: ReturnType<typeof svdLora>,
  parameters: ParameterValues[],
): Promise<ArrayLike<number>> {
  const increment = tf.tidy(() =>
    adapter.increment(
      tf.tensor2d([[1, 2]]),
      tensorsOf(parameters),
      tf.tensor2d([[0.25, 0.75]]),
    )
  );
  const values = await increment.data();
  increment.dispose();
  return values;
}

eachEngine("increments worked by hand", async (engine) => {
  void engine;
  // ([1, 4]·B) · alpha/k = [1, 1 + 4] · 6/2 = [3, 15]
  assertNear(await incrementOf(lora({ ...options, rank: 2, alpha: 6 }), byHand), [3, 15]);
  // k + 1 = 2: ([1, 4] ⊙ [0.5, 0.25])·U · 6/2 = [0.5, 0.5 + 1] · 3 = [1.5, 4.5]
  const sigma = { shape: [2], values: Float32Array.of(0.5, 0.25) };
  const plain = plainSvdLora({ ...options, rank: 1, alpha: 6 });
  assertNear(await incrementOf(plain, [...byHand, sigma]), [1.5, 4.5]);
  // k = 1, M = 1: d(λ) = [σ, factor·λ₁] with σ = 0.5, factor 0.1, λ₁ = 0.25, here M = 1 of one weight
  const fixed = svdLora({ ...options, rank: 1, objectives: 1, alpha: 6, scalingFactor: 0.1 });
  const one = { shape: [1], values: Float32Array.of(0.5) };
  const increment = tf.tidy(() =>
    fixed.increment(tf.tensor2d([[1, 2]]), tensorsOf([...byHand, one]), tf.tensor2d([[0.25]]))
  );
  // ([1, 4] ⊙ [0.5, 0.025])·U · 6/2 = [0.5, 0.5 + 0.1] · 3 = [1.5, 1.8]
  assertNear(await increment.data(), [1.5, 1.8]);
  increment.dispose();
});

Deno.test("lora starts as PEFT's does: A by Kaiming's uniform rule, B zero", () => {
  const width = 400;
  const [A, B] = lora({ ...options, rank: 50 }).init({ in: width, out: 7 }, new Random(1));
  assert.deepEqual([A?.shape, B?.shape], [[width, 50], [50, 7]]);
  assert(B?.values.every((value) => value === 0));
  const values = [...A?.values ?? []]; // uniform in ±1/√400: variance 0.05²/3, 20,000 draws
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + value * value, 0) / values.length;
  assert(values.every((value) => Math.abs(value) <= 0.05));
  assert(Math.max(...values) > 0.0499 && Math.min(...values) < -0.0499);
  assertNear([mean, Math.sqrt(variance)], [0, 0.05 / Math.sqrt(3)], { tolerance: 1e-3 });
});

Deno.test("a fixed factor: no parameter s, and only U's λ rows start at zero", () => {
  const fixed = svdLora({ ...options, init: "gaussian", scalingFactor: 1e-3 });
  assert.deepEqual(fixed.parameterNames, ["V", "U", "sigma"]);
  const [V, U, sigma] = fixed.init({ in: 6, out: 4 }, new Random(1));
  const learned = svdLora({ ...options, init: "gaussian" }).init({ in: 6, out: 4 }, new Random(1));
  assert.deepEqual(V, learned[0]);
  assert.deepEqual(U?.values.subarray(0, 12), learned[1]?.values.subarray(0, 12)); // (3, 4)
  assert(U?.values.subarray(12).every((value) => value === 0));
  assert(sigma?.values.every((value) => value === 0));
});

eachEngine("lora has no penalty; plain_svd_lora has svd_lora's", async (engine) => {
  void engine;
  const sigma = { shape: [2], values: Float32Array.of(7, 7) };
  const [none, some] = tf.tidy(() => [
    lora({ ...options, rank: 2 }).penalty(tensorsOf(byHand)),
    plainSvdLora({ ...options, rank: 1 }).penalty(tensorsOf([...byHand, sigma])),
  ]);
  assertNear(await none.data(), [0]);
  // VᵀV = diag(1, 4): 3² = 9; UUᵀ = [[2, 1], [1, 1]]: 1² + 1² + 1² = 3
  assertNear(await some.data(), [12]);
  [none, some].forEach((tensor) => tensor.dispose());
});
