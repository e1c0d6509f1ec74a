import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import type { Engine } from "../../../core/engine/mod.ts";
import { DivergedError } from "../../../core/errors.ts";
import { scoreSequences } from "../../../core/front/evaluate.ts";
import type { DecoderConfig } from "../../../core/models/config.ts";
import { createFullDecoder, type FullDecoder, initialWeights } from "../../../core/models/full.ts";
import { holdDecoder } from "../../../core/models/held.ts";
import { createPolicy } from "../../../core/policy.ts";
import { pretrain, type PretrainOptions, tokenLoss } from "../../../core/pretrain.ts";
import { Random } from "../../../core/random.ts";
import { packSequences, type Sequence } from "../../../core/text/pack.ts";
import { openModel } from "../../../data/models.ts";
import { eachEngine } from "../../engines.ts";
import golden from "../../golden/full.json" with { type: "json" };

const config: DecoderConfig = {
  family: "llama",
  vocabSize: 24,
  width: 16,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 4,
  mlpWidth: 20,
  normEpsilon: 1e-5,
  tiedHead: true,
  maxPositions: 32,
  ropeTheta: 10000,
  ropeScaling: null,
  bosTokenId: null,
  eosTokenIds: [1],
};

/** Large enough weights that every part of the decoder shows in the numbers. */
function spreadWeights(decoder: FullDecoder, seed: number): Map<string, Float32Array> {
  const random = new Random(seed);
  return new Map(decoder.names.map((name, i) => {
    const shape = decoder.shapes[i] ?? [];
    const size = shape.reduce((product, dim) => product * dim, 1);
    const value = shape.length === 1
      ? () => 1 + 0.3 * random.normal()
      : () => 0.3 * random.normal();
    return [name, Float32Array.from({ length: size }, value)];
  }));
}

function toTensors(decoder: FullDecoder, weights: Map<string, Float32Array>): tf.Tensor[] {
  return decoder.names.map((name, i) =>
    tf.tensor(weights.get(name) as Float32Array, decoder.shapes[i])
  );
}

/** Sequences in which each response token follows from the one before it. */
function countingSequences(count: number, seed = 3): Sequence[] {
  const random = new Random(seed);
  return Array.from({ length: count }, () => {
    const first = 2 + random.integer(10);
    const length = 2 + random.integer(4);
    return {
      prompt: Int32Array.from([0, first, first + 1]),
      response: Int32Array.from({ length }, (_, t) => t === length - 1 ? 1 : first + 2 + t),
    };
  });
}

function dispose(tensors: tf.Tensor[]): void {
  tensors.forEach((tensor) => tensor.dispose());
}

eachEngine(
  "weightedSum(): loss and gradients are those of PyTorch transformers",
  async (engine) => {
    const sequences = golden.sequences.map(({ prompt, response }) => ({
      prompt: Int32Array.from(prompt),
      response: Int32Array.from(response),
    }));
    const [pack] = packSequences(sequences, { rowLength: 32, maxTokens: 32 }); // both in one row
    assert.ok(pack);
    for (const [name, expected] of Object.entries(golden.cases)) {
      const folder = fileURLToPath(new URL(`../../golden/${name}`, import.meta.url));
      const model = await openModel(folder);
      const decoder = createFullDecoder(engine, model.config);
      const weights: tf.Tensor[] = [];
      for (const weight of decoder.names) {
        weights.push(tf.tensor(await model.weights.read(weight), model.weights.shape(weight)));
      }
      model.close();
      const slopes = new Float32Array(pack.targets.length).fill(-1 / pack.targets.length);
      const { value, gradients } = decoder.weightedSum(weights, pack, slopes);
      const [loss = NaN] = await value.data();
      assert.ok(Math.abs(loss - expected.loss) < 1e-4, `${name}: ${loss} ≠ ${expected.loss}`);
      const byName: Record<string, { norm: number; picks: number[]; values: number[] }> =
        expected.gradients;
      assert.deepEqual([...decoder.names].sort(), Object.keys(byName).sort());
      for (const [i, weight] of decoder.names.entries()) {
        const own = await gradients[i]?.data() ?? [];
        const { norm, picks, values } = byName[weight] ?? { norm: NaN, picks: [], values: [] };
        assert.ok(Math.abs(Math.hypot(...own) - norm) < 1e-4 * norm + 1e-6, `${name} ${weight}`);
        picks.forEach((at, k) => {
          const gap = Math.abs((own[at] ?? NaN) - (values[k] ?? NaN));
          assert.ok(gap < 1e-4 * norm + 1e-6, `${name} ${weight}[${at}] differs by ${gap}`);
        });
      }
      dispose([value, ...gradients, ...weights]);
    }
  },
);

eachEngine("weightedSum(): gradients agree with finite differences", async (engine) => {
  const decoder = createFullDecoder(engine, config);
  const weights = spreadWeights(decoder, 5);
  const random = new Random(9);
  const [pack] = packSequences(countingSequences(5), { rowLength: 16, maxTokens: 64 });
  assert.ok(pack);
  const slopes = Float32Array.from(pack.targets, () => random.normal());

  const tensors = toTensors(decoder, weights);
  const { value, gradients } = decoder.weightedSum(tensors, pack, slopes);
  const exact = await Promise.all(gradients.map((gradient) => gradient.data()));
  const [sum = NaN] = await value.data();
  const logProbs = await decoder.logProbs(tensors, pack);
  dispose([value, ...gradients, ...tensors]);
  const expected = slopes.reduce((total, slope, n) => total + slope * (logProbs[n] ?? NaN), 0);
  assert.ok(Math.abs(sum - expected) < 1e-4, `${sum} ≠ ${expected}`);

  // Along a random direction per weight tensor: central differences in float32 carry 2 to 3 digits.
  for (const [i, name] of decoder.names.entries()) {
    const direction = Float32Array.from(exact[i] ?? [], () => random.normal());
    const slope = direction.reduce((total, d, j) => total + d * (exact[i]?.[j] ?? NaN), 0);
    const step = 2e-3;
    const sums: number[] = [];
    for (const sign of [1, -1]) {
      const moved = new Map(weights);
      const own = weights.get(name) as Float32Array;
      moved.set(name, own.map((value, j) => value + sign * step * (direction[j] ?? 0)));
      const shifted = toTensors(decoder, moved);
      const values = await decoder.logProbs(shifted, pack);
      dispose(shifted);
      sums.push(slopes.reduce((total, s, n) => total + s * (values[n] ?? NaN), 0));
    }
    const difference = ((sums[0] ?? NaN) - (sums[1] ?? NaN)) / (2 * step);
    const tolerance = 0.01 * Math.abs(slope) + 0.03;
    assert.ok(Math.abs(slope - difference) < tolerance, `${name}: ${slope} ≠ ${difference}`);
  }
});

eachEngine("logProbs() of a sequence alone and packed with others are the same", async (engine) => {
  const decoder = createFullDecoder(engine, config);
  const weights = toTensors(decoder, spreadWeights(decoder, 6));
  const sequences = countingSequences(12);
  const policy = { logProbs: decoder.logProbs.bind(null, weights) };
  const options = { rowLength: 32, maxTokens: 128 };
  const [together = []] = await scoreSequences(policy, sequences, [[]], options);
  for (const [s, sequence] of sequences.entries()) {
    const [alone] = await scoreSequences(policy, [sequence], [[]], options);
    const gap = Math.abs((alone?.[0] ?? NaN) - (together[s] ?? NaN));
    assert.ok(gap < 1e-5, `sequence ${s}: differs by ${gap}`);
  }
  dispose(weights);
});

eachEngine("logProbs() refuses packs whose sequences share a prompt", async (engine) => {
  const decoder = createFullDecoder(engine, config);
  const prompt = Int32Array.of(0, 5);
  const sequences = [4, 6].map((token) => ({ prompt, response: Int32Array.of(token, 1) }));
  const none: number[] = [];
  const options = { rowLength: 16, maxTokens: 16, preferences: [none, none] };
  const [pack] = packSequences(sequences, options);
  assert.ok(pack);
  await assert.rejects(decoder.logProbs([], pack), RangeError);
});

eachEngine("logProbs() are those of the policy on the same weights", async (engine) => {
  for (const tiedHead of [true, false]) {
    const own = { ...config, tiedHead };
    const decoder = createFullDecoder(engine, own);
    const weights = spreadWeights(decoder, 7);
    const tensors = toTensors(decoder, weights);
    const held = await holdDecoder(engine, {
      config: own,
      names: decoder.names,
      shape: (name) => decoder.shapes[decoder.names.indexOf(name)] ?? [],
      read: (name) => Promise.resolve(Float32Array.from(weights.get(name) ?? [])),
    });
    const [pack] = packSequences(countingSequences(9), { rowLength: 16, maxTokens: 128 });
    assert.ok(pack);
    const full = await decoder.logProbs(tensors, pack);
    const policy = await createPolicy(engine, held, null).logProbs(pack, []);
    full.forEach((value, n) => assert.ok(Math.abs(value - (policy[n] ?? NaN)) < 1e-4));
    dispose(tensors);
    held.dispose();
  }
});

const options: PretrainOptions = {
  seed: 11,
  steps: 20,
  learningRate: 1e-2,
  warmupRatio: 0.1,
  weightDecay: 0.01,
  maxGradNorm: 1,
  rowLength: 16,
  maxTokens: 16 * 16,
};

async function train(engine: Engine, sequences: Sequence[], own: Partial<PretrainOptions> = {}) {
  const decoder = createFullDecoder(engine, config);
  const weights = toTensors(decoder, initialWeights(config, new Random(4)));
  const losses: number[] = [];
  const run = pretrain({ engine, decoder, weights, sequences }, { ...options, ...own });
  try {
    for await (const { loss } of run) losses.push(loss);
    const policy = { logProbs: decoder.logProbs.bind(null, weights) };
    const [scores] = await scoreSequences(policy, sequences, [[]], options);
    return { losses, after: tokenLoss(sequences, scores ?? new Float32Array()) };
  } finally {
    dispose(weights);
  }
}

eachEngine(
  "pretrain(): the loss starts at log V and falls; the same seed repeats it",
  async (engine) => {
    const sequences = countingSequences(40);
    const first = await train(engine, sequences);
    // Logits of a fresh decoder are small: nearly uniform over 24 tokens, log 24 = 3.178.
    assert.ok(Math.abs((first.losses[0] ?? NaN) - 3.178) < 0.05, `starts at ${first.losses[0]}`);
    assert.ok(first.after < 2.2, `ends at ${first.after}`);
    const second = await train(engine, sequences, { steps: 5 });
    assert.equal(second.losses[0], first.losses[0]);
    const other = await train(engine, sequences, { steps: 1, seed: 12 });
    assert.notEqual(other.losses[0], first.losses[0]);
  },
);

eachEngine("pretrain() stops before a value that is not finite", async (engine) => {
  const sequences = countingSequences(40);
  const broken = train(engine, sequences, { learningRate: 1e30 });
  await assert.rejects(
    broken,
    (error) => error instanceof DivergedError && /at step 2/.test(error.message),
  );
});

eachEngine("pretrain() refuses an empty corpus and sequences longer than a row", async (engine) => {
  await assert.rejects(train(engine, []), /Cannot train: expected at least one sequence/);
  const long = { prompt: new Int32Array(10).fill(3), response: new Int32Array(10).fill(4) };
  await assert.rejects(train(engine, [long]), /Cannot pack sequence 0: expected at most 16/);
});

Deno.test("tokenLoss() is −Σ log π / response tokens", () => {
  // Responses of 1 and 3 tokens with log π −1 and −5: (1 + 5) / 4 = 1.5.
  const sequences = [1, 3].map((length) => ({
    prompt: Int32Array.of(2),
    response: new Int32Array(length),
  }));
  assert.equal(tokenLoss(sequences, Float32Array.of(-1, -5)), 1.5);
});
