import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import type { Adapter } from "../../../core/adapters/adapter.ts";
import {
  adaptedMaps,
  disposeParameters,
  initParameters,
  readParameters,
  type StoredParameters,
} from "../../../core/adapters/parameters.ts";
import { svdLora } from "../../../core/adapters/svd_lora.ts";
import { aggregations } from "../../../core/aggregation/mod.ts";
import type { Engine } from "../../../core/engine/mod.ts";
import type { HeldDecoder } from "../../../core/models/held.ts";
import { createPolicy, type Policy } from "../../../core/policy.ts";
import { dpo } from "../../../core/objectives/dpo.ts";
import type { GroupedBatch } from "../../../core/objectives/objective.ts";
import { Random } from "../../../core/random.ts";
import type { TokenizedPair } from "../../../core/text/example.ts";
import { packSequences, type Sequence } from "../../../core/text/pack.ts";
import { eachEngine } from "../../engines.ts";
import golden from "../../golden/policy.json" with { type: "json" };
import { assertNear, assertSameBits, largestDifference } from "../../near.ts";
import { formulaParameters, holdGolden, load, randomSequences } from "./golden_models.ts";

const { rank, objectives, alpha, beta } = golden;
const adapter: Adapter = svdLora({ rank, objectives, alpha, init: "gaussian" });
const pattern = "layers.";

/** A policy on llama_tied whose adapter holds `stored`. */
function adaptedPolicy(engine: Engine, decoder: HeldDecoder, stored: StoredParameters) {
  const parameters = load(adapter, decoder.config, stored, pattern);
  const policy = createPolicy(engine, decoder, { adapter, objectives, parameters });
  return { policy, parameters, dispose: () => disposeParameters(parameters) };
}

/** Summed log π of each sequence (S), all of them packed into rows of `rowLength`. */
async function summed(
  policy: Policy,
  sequences: Sequence[],
  { preferences, rowLength = 32, maxTokens = 4096 }: {
    preferences: number[][];
    rowLength?: number;
    maxTokens?: number;
  },
): Promise<Float32Array> {
  const sums = new Float32Array(sequences.length);
  for (const pack of packSequences(sequences, { rowLength, maxTokens })) {
    const values = await policy.logProbs(pack, preferences);
    pack.owners.forEach((owner, n) => sums[owner] = (sums[owner] ?? 0) + (values[n] ?? 0));
  }
  return sums;
}

/** Values (S), and gradients by parameter name of Σ slopes[s]·log π(sequence s). */
async function gradientsOf(
  policy: Policy,
  names: string[][],
  { sequences, preferences, slopes, share = false }: {
    sequences: Sequence[];
    preferences: number[][];
    slopes: (values: Float32Array) => ArrayLike<number>;
    share?: boolean;
  },
): Promise<{ values: Float32Array; gradients: StoredParameters; tokens: number }> {
  const [pack, more] = packSequences(sequences, {
    rowLength: 32,
    maxTokens: 4096,
    ...share && { preferences },
  });
  assert(pack !== undefined && more === undefined);
  const trace = await policy.logProbsWithGradient(pack, preferences);
  const values = new Float32Array(sequences.length);
  pack.owners.forEach((owner, n) => {
    values[owner] = (values[owner] ?? 0) + (trace.values[n] ?? 0);
  });
  const weights = slopes(values);
  const blocks = trace.backward(Float32Array.from(pack.owners, (owner) => weights[owner] ?? 0))
    .map((tensors, layer) => ({ names: names[layer] ?? [], tensors }));
  const gradients = await readParameters(blocks);
  disposeParameters(blocks);
  return { values, gradients, tokens: pack.segments.filter((segment) => segment > 0).length };
}

/** Tokens of the golden batch: sequences in the order that DPO expects, and its examples. */
function goldenBatch(): { batch: GroupedBatch<TokenizedPair>; preferences: number[][] } {
  const examples = golden.pairs.map(({ prompt, responses, better }): TokenizedPair => ({
    prompt: Int32Array.from(prompt),
    responses: responses.map((ids) => Int32Array.from(ids)) as [Int32Array, Int32Array],
    better: better as (0 | 1 | null)[],
  }));
  const groups = golden.pairs.map(({ group }) => group);
  const preferences = groups.flatMap((group) => {
    const preference = golden.preferences[group] ?? [];
    return [preference, preference];
  });
  return { batch: { examples, groups, preferences: golden.preferences }, preferences };
}

eachEngine("logProbs() of SVD-LoRA equals PyTorch's, a preference per sequence", async (engine) => {
  const decoder = await holdGolden(engine, "llama_tied");
  const { batch, preferences } = goldenBatch();
  const sequences = batch.examples.flatMap(dpo({ beta, objectives }).sequences);
  const reference = createPolicy(engine, decoder, null);
  const adapted = adaptedPolicy(engine, decoder, formulaParameters(adapter, decoder.config));
  assertNear(await summed(reference, sequences, { preferences }), golden.reference.flat(), {
    tolerance: 1e-5,
  });
  assertNear(await summed(adapted.policy, sequences, { preferences }), golden.policy.flat(), {
    tolerance: 1e-5,
  });
  adapted.dispose();
  decoder.dispose();
});

for (const kind of ["ls", "tche"] as const) {
  eachEngine(`backward() of the ${kind} DPO loss equals PyTorch's gradient`, async (engine) => {
    const decoder = await holdGolden(engine, "llama_tied");
    const { batch, preferences } = goldenBatch();
    const objective = dpo({ beta, objectives });
    const stored = formulaParameters(adapter, decoder.config);
    const adapted = adaptedPolicy(engine, decoder, stored);
    let losses: number[] = [];
    let total = NaN;
    const { gradients } = await gradientsOf(
      adapted.policy,
      adapted.parameters.map(({ names }) => names),
      {
        sequences: batch.examples.flatMap(objective.sequences),
        preferences,
        slopes: (values) =>
          tf.tidy(() => {
            const reference = tf.tensor1d(golden.reference.flat());
            const { value, grad } = tf.valueAndGrad((x) => {
              const table = objective.losses(x as tf.Tensor1D, reference, batch);
              losses = Array.from(table.dataSync());
              return tf.mean(aggregations[kind]().loss(table, tf.tensor2d(golden.preferences)));
            })(tf.tensor1d(values));
            total = value.dataSync()[0] ?? NaN;
            return grad.dataSync();
          }),
      },
    );
    assertNear(losses, golden.losses.flat(), { tolerance: 1e-5, what: "losses (G, M)" });
    assertNear([total], [golden.totals[kind]], { tolerance: 1e-5, what: "aggregated loss" });
    for (const [name, { norm, entries }] of Object.entries(golden.gradients[kind])) {
      const { values = new Float32Array() } = gradients.get(name) ?? {};
      const found = Math.hypot(...values);
      assert(Math.abs(found - norm) <= 1e-4 * Math.max(norm, 0.01), `${name}: ${found}, ${norm}`);
      for (const [at, expected] of Object.entries(entries)) {
        const off = Math.abs((values[Number(at)] ?? NaN) - expected);
        assert(off <= 1e-4 * Math.max(norm, 0.01), `${name}[${at}] is off by ${off}`);
      }
    }
    assert.equal(gradients.size, Object.keys(golden.gradients[kind]).length);
    adapted.dispose();
    decoder.dispose();
  });
}

eachEngine(
  "backward() agrees with finite differences in every kind of parameter",
  async (engine) => {
    const decoder = await holdGolden(engine, "llama_untied_sharded");
    const random = new Random(5);
    const sequences = randomSequences(random, [[3, 4], [1, 6], [5, 2]]);
    const preferences = [[0.2, 0.8], [1, 0], [0.6, 0.4]];
    const slopes = [0.7, -1.1, 0.4];
    const stored = formulaParameters(adapter, decoder.config);
    const names = adaptedMaps(decoder.config, pattern);
    const fresh = adaptedPolicy(engine, decoder, stored);
    const { gradients } = await gradientsOf(
      fresh.policy,
      fresh.parameters.map(({ names }) => names),
      { sequences, preferences, slopes: () => slopes },
    );
    fresh.dispose();
    assert.equal(names.length, 2);

    /** Σ slopes·log π with entry `at` of a parameter moved by `shift`. */
    async function moved(name: string, at: number, shift: number): Promise<number> {
      const values = stored.get(name)?.values.slice() ?? new Float32Array();
      values[at] = (values[at] ?? 0) + shift;
      const shape = stored.get(name)?.shape ?? [];
      const changed = new Map(stored).set(name, { shape, values });
      const { policy, dispose } = adaptedPolicy(engine, decoder, changed);
      const sums = await summed(policy, sequences, { preferences });
      dispose();
      return sums.reduce((total, sum, s) => total + sum * (slopes[s] ?? 0), 0);
    }

    const h = 1e-2;
    const checked = ["self_attn.k_proj", "mlp.down_proj"].flatMap((map) =>
      adapter.parameterNames.map((parameter, i) => `model.layers.${i % 2}.${map}.${parameter}`)
    );
    for (const name of checked) {
      const gradient = gradients.get(name)?.values ?? new Float32Array();
      const at = Math.floor(gradient.length / 2);
      const difference = (await moved(name, at, h) - await moved(name, at, -h)) / (2 * h);
      const off = Math.abs((gradient[at] ?? NaN) - difference);
      // a central difference is off by h²·f‴/6, and by float32 rounding of 20 divided by 2h: ~ 2e-4
      assert(off <= 2e-3 * Math.max(1, Math.abs(difference)), `${name}[${at}]: ${off}`);
    }
    decoder.dispose();
  },
);

eachEngine("logProbs(): a sequence scores alone as it does among others", async (engine) => {
  const decoder = await holdGolden(engine, "llama_tied");
  const sequences = randomSequences(new Random(1), [[4, 5], [2, 9], [7, 3], [1, 1], [6, 6], [
    3,
    8,
  ]]);
  const preferences = sequences.map((_, s) => [s / 5, 1 - s / 5]);
  const adapted = adaptedPolicy(engine, decoder, formulaParameters(adapter, decoder.config));
  const packed = await summed(adapted.policy, sequences, { preferences });
  for (const [s, sequence] of sequences.entries()) {
    const rowLength = sequence.prompt.length + sequence.response.length; // no padding at all
    const [alone] = await summed(adapted.policy, [sequence], {
      preferences: [preferences[s] ?? []],
      rowLength,
    });
    assertNear([alone ?? NaN], [packed[s] ?? NaN], { tolerance: 1e-5, what: `sequence ${s}` });
  }
  const small = await summed(adapted.policy, sequences, { preferences, maxTokens: 32 });
  assertNear(small, packed, { tolerance: 1e-5, what: "one row a pack" });
  adapted.dispose();
  decoder.dispose();
});

eachEngine(
  "a prompt shared by responses gives the log-probabilities and gradients of its copies",
  async (engine) => {
    const decoder = await holdGolden(engine, "llama_tied");
    const [first, second, ...answers] = randomSequences(
      new Random(8),
      [[4, 5], [3, 1], [1, 4], [1, 1], [1, 6]],
    );
    assert(first && second);
    const sequences = [
      first,
      second,
      ...answers.map(({ response }) => ({ prompt: first.prompt, response })),
      { prompt: second.prompt, response: first.response },
    ];
    const [one, other] = [[0.3, 0.7], [0.9, 0.1]];
    const preferences = [one, one, one, other, one, other];
    const slopes = [1, -0.5, 2, 0.7, -1.3, 0.4];
    const adapted = adaptedPolicy(engine, decoder, formulaParameters(adapter, decoder.config));
    const names = adapted.parameters.map(({ names }) => names);
    const options = { sequences, preferences, slopes: () => slopes };
    const copies = await gradientsOf(adapted.policy, names, options);
    const shared = await gradientsOf(adapted.policy, names, { ...options, share: true });
    assert(shared.tokens < copies.tokens, "no prompt was shared");
    assertNear(shared.values, copies.values, { tolerance: 1e-5 });
    for (const [name, { values }] of copies.gradients) {
      assertNear(shared.gradients.get(name)?.values ?? [], values, { tolerance: 1e-4, what: name });
    }
    adapted.dispose();
    decoder.dispose();
  },
);

eachEngine("logProbs(): rows of other preferences do not change a row's score", async (engine) => {
  const decoder = await holdGolden(engine, "llama_tied");
  const sequences = randomSequences(new Random(2), [[4, 5], [4, 5], [4, 5], [2, 9]]);
  const mixed = [[0, 1], [0.5, 0.5], [1, 0], [0.25, 0.75]];
  const adapted = adaptedPolicy(engine, decoder, formulaParameters(adapter, decoder.config));
  const together = await summed(adapted.policy, sequences, { preferences: mixed });
  for (const [s, preference] of mixed.entries()) {
    const uniform = await summed(adapted.policy, sequences, {
      preferences: sequences.map(() => preference),
    });
    assertNear([uniform[s] ?? NaN], [together[s] ?? NaN], { tolerance: 1e-5, what: `λ ${s}` });
  }
  const other = await summed(adapted.policy, sequences, { preferences: mixed.toReversed() });
  assert(largestDifference(other, together) > 0.01, "the preference has no effect");
  adapted.dispose();
  decoder.dispose();
});

eachEngine("backward(): gradients of a batch are the sum of its sequences'", async (engine) => {
  const decoder = await holdGolden(engine, "llama_tied");
  const sequences = randomSequences(new Random(3), [[4, 5], [2, 9], [7, 3]]);
  const preferences = [[0, 1], [0.5, 0.5], [1, 0]];
  const slopes = [1, -2, 0.5];
  const adapted = adaptedPolicy(engine, decoder, formulaParameters(adapter, decoder.config));
  const names = adapted.parameters.map(({ names }) => names);
  const whole = await gradientsOf(adapted.policy, names, {
    sequences,
    preferences,
    slopes: () => slopes,
  });
  const sums = new Map<string, Float32Array>();
  for (const [s, sequence] of sequences.entries()) {
    const { gradients } = await gradientsOf(adapted.policy, names, {
      sequences: [sequence],
      preferences: [preferences[s] ?? []],
      slopes: () => [slopes[s] ?? 0],
    });
    for (const [name, { values }] of gradients) {
      const sum = sums.get(name) ?? new Float32Array(values.length);
      sums.set(name, sum.map((value, i) => value + (values[i] ?? NaN)));
    }
  }
  for (const [name, { values }] of whole.gradients) {
    assertNear(values, sums.get(name) ?? [], { tolerance: 1e-4, what: name });
  }
  adapted.dispose();
  decoder.dispose();
});

eachEngine(
  "logProbsWithGradient() gives the values of logProbs() and frees what it kept",
  async (engine) => {
    const decoder = await holdGolden(engine, "llama_tied");
    const [pack] = packSequences(randomSequences(new Random(4), [[4, 5], [2, 9]]), {
      rowLength: 32,
      maxTokens: 64,
    });
    assert(pack);
    const preferences = [[0.4, 0.6], [0.1, 0.9]];
    const adapted = adaptedPolicy(engine, decoder, formulaParameters(adapter, decoder.config));
    const values = await adapted.policy.logProbs(pack, preferences);
    const before = engine.liveTensors();
    const trace = await adapted.policy.logProbsWithGradient(pack, preferences);
    assertNear(trace.values, values, { tolerance: 1e-6 });
    assert(engine.liveTensors() > before);
    trace.dispose();
    assert.equal(engine.liveTensors(), before);
    adapted.dispose();
    decoder.dispose();
  },
);

eachEngine("logProbs() takes new parameters at its next call", async (engine) => {
  const decoder = await holdGolden(engine, "llama_tied");
  const { config } = decoder;
  const sequences = randomSequences(new Random(6), [[4, 5]]);
  const preferences = [[0.4, 0.6]];
  const fresh = initParameters(adapter, adaptedMaps(config, pattern), {
    config,
    random: new Random(0),
  });
  const adapted = adaptedPolicy(engine, decoder, fresh);
  const before = await summed(adapted.policy, sequences, { preferences });
  disposeParameters(adapted.parameters);
  const changed = load(adapter, config, formulaParameters(adapter, config));
  adapted.parameters.forEach((block, i) => block.tensors = changed[i]?.tensors ?? []);
  const after = await summed(adapted.policy, sequences, { preferences });
  assert(largestDifference(before, after) > 0.01);
  adapted.dispose();
  decoder.dispose();
});

eachEngine("the reference policy ignores the preference, bit for bit", async (engine) => {
  const decoder = await holdGolden(engine, "llama_tied");
  const sequences = randomSequences(new Random(7), [[4, 5], [2, 9]]);
  const reference = createPolicy(engine, decoder, null);
  const none = await summed(reference, sequences, { preferences: [] });
  const some = await summed(reference, sequences, { preferences: [[1, 0], [0.5, 0.5]] });
  assertSameBits(some, none, "reference log-probabilities");
  decoder.dispose();
});
