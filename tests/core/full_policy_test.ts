import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import { disposeParameters } from "../../core/adapters/parameters.ts";
import { batchPass } from "../../core/batch_pass.ts";
import { scoreSequences } from "../../core/front/evaluate.ts";
import { createFullPolicy, loadWeights, weightBlocks } from "../../core/full_policy.ts";
import type { DecoderConfig } from "../../core/models/config.ts";
import { familyOf } from "../../core/models/families.ts";
import { holdDecoder } from "../../core/models/held.ts";
import { createPolicy } from "../../core/policy.ts";
import { Random } from "../../core/random.ts";
import { packSequences, type Sequence } from "../../core/text/pack.ts";
import { openModel } from "../../data/models.ts";
import { eachEngine } from "../engines.ts";
import golden from "../golden/full.json" with { type: "json" };
import { countingSequences, tinyDecoder as config } from "./tiny_decoder.ts";

/** Large enough weights that every part of the decoder shows in the numbers. */
function spreadWeights(config: DecoderConfig, seed: number): Map<string, Float32Array> {
  const random = new Random(seed);
  const weights = new Map<string, Float32Array>();
  for (const [name, shape] of familyOf(config).weightShapes(config)) {
    const size = shape.reduce((product, dim) => product * dim, 1);
    const value = shape.length === 1
      ? () => 1 + 0.3 * random.normal()
      : () => 0.3 * random.normal();
    weights.set(name, Float32Array.from({ length: size }, value));
  }
  return weights;
}

function load(config: DecoderConfig, weights: Map<string, Float32Array>) {
  return loadWeights(config, (name) => weights.get(name) as Float32Array);
}

/** A gradient's values by weight name; disposes it. */
async function byName(config: DecoderConfig, gradients: tf.Tensor[][]) {
  const values = new Map<string, Float32Array>();
  for (const [i, names] of weightBlocks(config).entries()) {
    for (const [j, name] of names.entries()) {
      values.set(name, await gradients[i]?.[j]?.data() as Float32Array);
    }
  }
  tf.dispose(gradients.flat());
  return values;
}

function weightedSum(slopes: Float32Array, values: Float32Array): number {
  return slopes.reduce((sum, slope, n) => sum + slope * (values[n] ?? NaN), 0);
}

eachEngine(
  "logProbsWithGradient(): loss and gradients of all weights are PyTorch's",
  async (engine) => {
    const sequences = golden.sequences.map(({ prompt, response }) => ({
      prompt: Int32Array.from(prompt),
      response: Int32Array.from(response),
    }));
    const [pack] = packSequences(sequences, { rowLength: 32, maxTokens: 32 }); // both in one row
    assert.ok(pack);
    for (const [name, expected] of Object.entries(golden.cases)) {
      const folder = fileURLToPath(new URL(`../golden/${name}`, import.meta.url));
      const model = await openModel(folder);
      const parameters = await loadWeights(model.config, model.weights.read);
      model.close();
      const slopes = new Float32Array(pack.targets.length).fill(-1 / pack.targets.length);
      const trace = await createFullPolicy(engine, model.config, parameters)
        .logProbsWithGradient(pack, []);
      const loss = weightedSum(slopes, trace.values);
      assert.ok(Math.abs(loss - expected.loss) < 1e-4, `${name}: ${loss} ≠ ${expected.loss}`);
      const gradients = await byName(model.config, trace.backward(slopes));
      disposeParameters(parameters);
      const wanted: Record<string, { norm: number; picks: number[]; values: number[] }> =
        expected.gradients;
      assert.deepEqual([...gradients.keys()].sort(), Object.keys(wanted).sort());
      for (const [weight, own] of gradients) {
        const { norm, picks, values } = wanted[weight] ?? { norm: NaN, picks: [], values: [] };
        assert.ok(Math.abs(Math.hypot(...own) - norm) < 1e-4 * norm + 1e-6, `${name} ${weight}`);
        picks.forEach((at, k) => {
          const gap = Math.abs((own[at] ?? NaN) - (values[k] ?? NaN));
          assert.ok(gap < 1e-4 * norm + 1e-6, `${name} ${weight}[${at}] differs by ${gap}`);
        });
      }
    }
  },
);

eachEngine("backward(): gradients agree with finite differences", async (engine) => {
  const random = new Random(9);
  const weights = spreadWeights(config, 5);
  const [pack] = packSequences(countingSequences(5), { rowLength: 16, maxTokens: 64 });
  assert.ok(pack);
  const slopes = Float32Array.from(pack.targets, () => random.normal());
  const parameters = await load(config, weights);
  const policy = createFullPolicy(engine, config, parameters);
  const trace = await policy.logProbsWithGradient(pack, []);
  const plain = await policy.logProbs(pack, []);
  trace.values.forEach((value, n) => assert.ok(Math.abs(value - (plain[n] ?? NaN)) < 1e-5));
  const gradients = await byName(config, trace.backward(slopes));
  disposeParameters(parameters);

  // Along a random direction per weight tensor: central differences in float32 carry 2 to 3 digits.
  for (const [name, exact] of gradients) {
    const direction = exact.map(() => random.normal());
    const slope = weightedSum(direction, exact);
    const step = 2e-3;
    const sums: number[] = [];
    for (const sign of [1, -1]) {
      const moved = new Map(weights);
      const own = weights.get(name) as Float32Array;
      moved.set(name, own.map((value, j) => value + sign * step * (direction[j] ?? 0)));
      const shifted = await load(config, moved);
      sums.push(
        weightedSum(slopes, await createFullPolicy(engine, config, shifted).logProbs(pack, [])),
      );
      disposeParameters(shifted);
    }
    const difference = ((sums[0] ?? NaN) - (sums[1] ?? NaN)) / (2 * step);
    const tolerance = 0.01 * Math.abs(slope) + 0.03;
    assert.ok(Math.abs(slope - difference) < tolerance, `${name}: ${slope} ≠ ${difference}`);
  }
});

/** A dialogue of two answers and what is said between them. */
const dialogue: Sequence = {
  prompt: Int32Array.of(0, 4, 5),
  response: Int32Array.of(6, 7, 1, 0, 9, 10, 11, 1),
  learned: Uint8Array.of(1, 1, 1, 0, 0, 0, 1, 1),
};

eachEngine(
  "a sequence alone and packed with others: same log-probabilities, same gradient",
  async (engine) => {
    const parameters = await load(config, spreadWeights(config, 6));
    const policy = createFullPolicy(engine, config, parameters);
    const sequences = [...countingSequences(11), dialogue];
    const options = { rowLength: 32, maxTokens: 128 };
    const none: number[] = [];

    /** Values, and the gradients of Σ slopes·values, of some of the sequences in one batch. */
    async function pass(members: number[], slopes: number[]) {
      const batch = members.map((s) => sequences[s] as Sequence);
      const trace = await batchPass(policy, options).forward(batch, batch.map(() => none));
      const { values } = trace;
      const own = Float32Array.from(members, (s) => slopes[s] ?? 0);
      return { values, gradients: await byName(config, await trace.backward(own)) };
    }
    const all = sequences.map((_, s) => s);
    const slopes = all.map((s) => 1 + s / 7);
    const together = await pass(all, slopes);
    const sums = new Map<string, Float32Array>();
    for (const s of all) {
      const alone = await pass([s], slopes);
      const gap = Math.abs((alone.values[0] ?? NaN) - (together.values[s] ?? NaN));
      assert.ok(gap < 1e-5, `sequence ${s}: differs by ${gap}`);
      for (const [name, own] of alone.gradients) {
        sums.set(name, own.map((value, i) => value + (sums.get(name)?.[i] ?? 0)));
      }
    }
    for (const [name, sum] of sums) {
      const own = together.gradients.get(name) as Float32Array;
      const norm = Math.hypot(...sum);
      const gap = Math.hypot(...sum.map((value, i) => value - (own[i] ?? NaN)));
      assert.ok(gap < 1e-5 * norm, `${name}: differs by ${gap} of ${norm}`);
    }
    disposeParameters(parameters);
  },
);

eachEngine("what is only read is in the context and not in the sum", async (engine) => {
  const parameters = await load(config, spreadWeights(config, 8));
  const policy = createFullPolicy(engine, config, parameters);
  const options = { rowLength: 16, maxTokens: 64 };
  const score = async (sequence: Sequence) =>
    (await scoreSequences(policy, [sequence], [[]], options))[0]?.[0] ?? NaN;
  // The second answer behind all that comes before it, and the first one alone.
  const second = await score({
    prompt: Int32Array.of(0, 4, 5, 6, 7, 1, 0, 9, 10),
    response: Int32Array.of(11, 1),
  });
  const first = await score({ prompt: dialogue.prompt, response: dialogue.response.slice(0, 3) });
  assert.ok(Math.abs(await score(dialogue) - (first + second)) < 1e-5);
  disposeParameters(parameters);
});

eachEngine("logProbs() are those of the policy on the same weights", async (engine) => {
  for (const tiedHead of [true, false]) {
    const own = { ...config, tiedHead };
    const weights = spreadWeights(own, 7);
    const shapes = familyOf(own).weightShapes(own);
    const parameters = await load(own, weights);
    const held = await holdDecoder(engine, {
      config: own,
      names: [...shapes.keys()],
      shape: (name) => shapes.get(name) ?? [],
      read: (name) => Promise.resolve(Float32Array.from(weights.get(name) ?? [])),
    });
    const [shared] = countingSequences(1);
    assert.ok(shared);
    const other = { prompt: shared.prompt, response: Int32Array.of(3, 1) };
    const sequences = [...countingSequences(9), shared, other];
    const preferences = sequences.map(() => own.eosTokenIds); // one array: two share a prompt
    const [pack] = packSequences(sequences, { rowLength: 16, maxTokens: 128, preferences });
    assert.ok(pack);
    const full = createFullPolicy(engine, own, parameters);
    const policy = createPolicy(engine, held, null);
    const expected = await policy.logProbs(pack, []);
    const found = await full.logProbs(pack, []);
    found.forEach((value, n) => assert.ok(Math.abs(value - (expected[n] ?? NaN)) < 1e-4));
    const states = [full.hidden(pack, []), policy.hidden(pack, [])];
    const gap = tf.tidy(() =>
      tf.max(tf.abs(tf.sub(states[0] as tf.Tensor, states[1] as tf.Tensor)))
    );
    assert.ok(((await gap.data())[0] ?? NaN) < 1e-4);
    tf.dispose([...states, gap]);
    disposeParameters(parameters);
    held.dispose();
  }
});

eachEngine("updates of the parameters take effect; a trace may be dropped", async (engine) => {
  const parameters = await load(config, spreadWeights(config, 3));
  const policy = createFullPolicy(engine, config, parameters);
  const [pack] = packSequences(countingSequences(3), { rowLength: 16, maxTokens: 64 });
  assert.ok(pack);
  const before = await policy.logProbs(pack, []);
  for (const block of parameters) {
    const doubled = block.tensors.map((tensor) => tf.mul(tensor, 2));
    tf.dispose(block.tensors);
    block.tensors = doubled;
  }
  const trace = await policy.logProbsWithGradient(pack, []);
  assert.ok(trace.values.some((value, n) => Math.abs(value - (before[n] ?? NaN)) > 0.1));
  trace.dispose();
  disposeParameters(parameters);
});

Deno.test("loadWeights() frees what it has when a weight cannot be read", async () => {
  await tf.ready();
  const before = tf.memory().numTensors;
  const broken = loadWeights(config, (name) => {
    if (name === "model.norm.weight") throw new TypeError("unreadable");
    const shape = familyOf(config).weightShapes(config).get(name) ?? [];
    return new Float32Array(tf.util.sizeFromShape(shape));
  });
  await assert.rejects(broken, /unreadable/);
  assert.equal(tf.memory().numTensors, before);
});
