// Every family on both engines: logits, an adapter's gradient and full tuning, against PyTorch and
// against the same sequences alone.
import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import {
  disposeParameters,
  readParameters,
  type StoredParameters,
} from "../../../core/adapters/parameters.ts";
import { svdLora } from "../../../core/adapters/svd_lora.ts";
import type { Engine } from "../../../core/engine/mod.ts";
import { createFullPolicy, loadWeights, weightBlocks } from "../../../core/full_policy.ts";
import type { HeldDecoder } from "../../../core/models/held.ts";
import { createPolicy } from "../../../core/policy.ts";
import { Random } from "../../../core/random.ts";
import { packSequences, type Sequence } from "../../../core/text/pack.ts";
import { openModel } from "../../../data/models.ts";
import { eachEngine } from "../../engines.ts";
import { assertNear, assertSameBits, largestDifference } from "../../near.ts";
import { familyModels, goldens, oneOfEach } from "./family_checkpoints.ts";
import { formulaParameters, holdGolden, load, logitsOf } from "./golden_models.ts";

const { objectives, rank, alpha, ids } = goldens;
const adapter = svdLora({ rank, objectives, alpha, init: "gaussian" });

/** A policy on a checkpoint with the script's adapter parameters, or without an adapter. */
async function withPolicy(
  engine: Engine,
  { decoder, adapted = true }: { decoder: HeldDecoder; adapted?: boolean },
  fn: (policy: ReturnType<typeof createPolicy>, names: string[][]) => Promise<void>,
): Promise<void> {
  if (!adapted) return await fn(createPolicy(engine, decoder, null), []);
  const parameters = load(adapter, decoder.config, formulaParameters(adapter, decoder.config));
  const policy = createPolicy(engine, decoder, { adapter, objectives, parameters });
  await fn(policy, parameters.map(({ names }) => names));
  disposeParameters(parameters);
}

/** The script's sequences, in one row. */
const sequences = goldens.sequences.map(({ prompt, response }): Sequence => ({
  prompt: Int32Array.from(prompt),
  response: Int32Array.from(response),
}));
const preferences = goldens.sequences.map(({ preference }) => preference);
const slopes = goldens.sequences.map(({ slope }) => slope);

/** Σ log π by sequence, and the gradients of Σ slopes[s]·log π(sequence s) by parameter. */
async function gradientsOf(
  policy: ReturnType<typeof createPolicy>,
  names: string[][],
  batch: {
    sequences: Sequence[];
    preferences: number[][];
    slopes: number[];
    rowLength?: number;
    share?: boolean;
  },
): Promise<{ sums: number[]; gradients: StoredParameters; tokens: number }> {
  const { rowLength = 32, share = false } = batch;
  const [pack, more] = packSequences(batch.sequences, {
    rowLength,
    maxTokens: 4096,
    ...share && { preferences: batch.preferences },
  });
  assert(pack && more === undefined);
  const trace = await policy.logProbsWithGradient(pack, batch.preferences);
  const sums = batch.sequences.map(() => 0);
  pack.owners.forEach((owner, n) => sums[owner] = (sums[owner] ?? 0) + (trace.values[n] ?? NaN));
  const blocks = trace.backward(Float32Array.from(pack.owners, (s) => batch.slopes[s] ?? NaN))
    .map((tensors, i) => ({ names: names[i] ?? [], tensors }));
  const gradients = await readParameters(blocks);
  disposeParameters(blocks);
  return { sums, gradients, tokens: pack.segments.filter((segment) => segment > 0).length };
}

eachEngine("logits of every family equal transformers'", async (engine, t) => {
  for (const [path, { logits: expected }] of Object.entries(familyModels)) {
    await t.step(path, async () => {
      const decoder = await holdGolden(engine, path);
      await withPolicy(engine, { decoder, adapted: false }, async (policy) => {
        const prompt = Int32Array.from(ids.slice(0, 1));
        const response = Int32Array.from(ids.slice(1));
        const options = { rowLength: ids.length, maxTokens: ids.length };
        const [pack] = packSequences([{ prompt, response }], options);
        assert(pack);
        const hidden = policy.hidden(pack, []);
        const logits = logitsOf(engine, decoder, hidden);
        const off = largestDifference(await logits.data(), expected.flat());
        assert(off <= 1e-4, `logits differ by ${off}`);
        [hidden, logits].forEach((tensor) => tensor.dispose());
      });
      decoder.dispose();
    });
  }
});

eachEngine("an adapter's gradient on every family equals PyTorch's", async (engine, t) => {
  for (const [path, golden] of Object.entries(familyModels)) {
    await t.step(path, async () => {
      const decoder = await holdGolden(engine, path);
      await withPolicy(engine, { decoder }, async (policy, names) => {
        const found = await gradientsOf(policy, names, { sequences, preferences, slopes });
        assertNear(found.sums, golden.logProbs, { tolerance: 1e-4, what: "log-probabilities" });
        assert.deepEqual([...found.gradients.keys()], Object.keys(golden.gradients));
        for (const [name, { norm, at, value }] of Object.entries(golden.gradients)) {
          const { values = new Float32Array() } = found.gradients.get(name) ?? {};
          const tolerance = 1e-4 * Math.max(norm, 0.01);
          const offNorm = Math.abs(Math.hypot(...values) - norm);
          assert(offNorm <= tolerance, `${name}: norm is off by ${offNorm} of ${norm}`);
          const off = Math.abs((values[at] ?? NaN) - value);
          assert(off <= tolerance, `${name}[${at}] is off by ${off} of ${norm}`);
        }
      });
      decoder.dispose();
    });
  }
});

eachEngine(
  "an adapter's gradient has the same bits whether residuals are kept or not: every family",
  async (engine) => {
    for (const path of oneOfEach) {
      const decoder = await holdGolden(engine, path);
      await withPolicy(engine, { decoder }, async (policy, names) => {
        const batch = { sequences, preferences, slopes };
        const kept = await gradientsOf(policy, names, batch);
        const { left } = engine.residualBytes;
        assert(engine.residualBytes.take(left)); // nothing is left for a pass
        const anew = await gradientsOf(policy, names, batch);
        engine.residualBytes.giveBack(left);
        for (const [name, { values }] of kept.gradients) {
          const again = anew.gradients.get(name)?.values ?? new Float32Array();
          assertSameBits(again as Float32Array, values as Float32Array, `${path} ${name}`);
        }
      });
      decoder.dispose();
    }
  },
);

eachEngine("weights held in bfloat16 stay near exact ones in every family", async (engine) => {
  for (const [path, { logProbs }] of Object.entries(familyModels)) {
    const decoder = await holdGolden(engine, path);
    await withPolicy(engine, { decoder }, async (policy, names) => {
      const { sums } = await gradientsOf(policy, names, { sequences, preferences, slopes });
      // sums of 7 and 9 tokens whose logits reach ±10, with 8 bits of mantissa
      const off = largestDifference(sums, logProbs);
      assert(off > 1e-4 && off <= 1, `${path}: ${off}`);
    });
    decoder.dispose();
  }
}, { engines: ["tensorflow"], dtype: "bfloat16" });

/** Several responses to one prompt, sequences of their own, all longer than the windows. */
function crowd(vocabSize: number): { sequences: Sequence[]; preferences: number[][] } {
  const random = new Random(4);
  const draw = (count: number) =>
    Int32Array.from({ length: count }, () => random.integer(vocabSize));
  const prompt = draw(7);
  const shared = [6, 9, 1].map((count) => ({ prompt, response: draw(count) }));
  const others = [[3, 9], [10, 4], [1, 2]].map(([before = 0, after = 0]) => ({
    prompt: draw(before),
    response: draw(after),
  }));
  const one = [0.3, 0.7]; // one array: its sequences may share their prompt
  return {
    sequences: [...shared, ...others],
    preferences: [one, one, one, [0.9, 0.1], [0.5, 0.5], [0, 1]],
  };
}

eachEngine(
  "a row of several sequences, prompts shared or not, gives what each gives alone: every family",
  async (engine, t) => {
    for (const path of oneOfEach) {
      await t.step(path, async () => {
        const decoder = await holdGolden(engine, path);
        const { sequences, preferences } = crowd(decoder.config.vocabSize);
        const slopes = sequences.map((_, s) => 1 - s / 2.5);
        await withPolicy(engine, { decoder }, async (policy, names) => {
          const sums: number[] = [];
          const gradients = new Map<string, Float32Array>();
          for (const [s, sequence] of sequences.entries()) {
            const alone = await gradientsOf(policy, names, {
              sequences: [sequence],
              preferences: [preferences[s] ?? []],
              slopes: [slopes[s] ?? NaN],
              rowLength: sequence.prompt.length + sequence.response.length,
            });
            sums.push(...alone.sums);
            for (const [name, { values }] of alone.gradients) {
              const before = gradients.get(name);
              gradients.set(name, values.map((value, i) => value + (before?.[i] ?? 0)));
            }
          }
          const batch = { sequences, preferences, slopes, rowLength: 64 };
          const apart = await gradientsOf(policy, names, batch);
          const shared = await gradientsOf(policy, names, { ...batch, share: true });
          assert(shared.tokens < apart.tokens, "no prompt was shared");
          for (const found of [apart, shared]) {
            assertNear(found.sums, sums, { tolerance: 1e-5 });
            for (const [name, expected] of gradients) {
              const { values } = found.gradients.get(name) ?? { values: new Float32Array() };
              const off = largestDifference(values, expected);
              assert(off <= 1e-5 * Math.max(1, Math.hypot(...expected)), `${name}: ${off}`);
            }
          }
        });
        decoder.dispose();
      });
    }
  },
);

eachEngine(
  "full tuning of every family: values and gradients of all weights",
  async (engine, t) => {
    for (const path of oneOfEach) {
      await t.step(path, () => checkFullTuning(engine, path));
    }
  },
);

/** Against the frozen policy, and along a random direction of every weight, central differences. */
async function checkFullTuning(engine: Engine, path: string): Promise<void> {
  const random = new Random(7);
  const opened = await openModel(new URL(`../../golden/${path}`, import.meta.url).pathname);
  const { config, weights } = opened;
  const read = new Map<string, Float32Array>();
  for (const name of weights.names) read.set(name, await weights.read(name));
  opened.close();
  const [pack] = packSequences(sequences, { rowLength: 32, maxTokens: 32 });
  assert(pack);
  const slopes = Float32Array.from(pack.targets, () => random.normal());
  const weighted = (values: Float32Array) =>
    values.reduce((sum, value, n) => sum + value * (slopes[n] ?? NaN), 0);
  const valueOf = async (own: Map<string, Float32Array>) => {
    const parameters = await loadWeights(config, (name) => own.get(name) ?? new Float32Array());
    const values = await createFullPolicy(engine, config, parameters).logProbs(pack, []);
    disposeParameters(parameters);
    return values;
  };

  const parameters = await loadWeights(config, (name) => read.get(name) ?? new Float32Array());
  const trace = await createFullPolicy(engine, config, parameters).logProbsWithGradient(pack, []);
  const decoder = await holdGolden(engine, path);
  assertNear(trace.values, await createPolicy(engine, decoder, null).logProbs(pack, []), {
    tolerance: 1e-5,
  });
  decoder.dispose();
  const blocks = trace.backward(slopes);
  disposeParameters(parameters);
  const names = weightBlocks(config);
  assert.deepEqual(names.flat().toSorted(), weights.names.toSorted());
  const checked = new Set([...names[0] ?? [], ...names.at(-1) ?? []]);
  for (const [b, block] of blocks.entries()) {
    for (const [i, tensor] of block.entries()) {
      const name = names[b]?.[i] ?? "";
      if (!checked.has(name)) continue;
      const own = read.get(name) ?? new Float32Array();
      const gradient = await tensor.data() as Float32Array;
      const direction = own.map(() => random.normal());
      const norm = Math.hypot(...direction);
      const step = 4e-3 / norm;
      const moved = async (by: number) =>
        weighted(
          await valueOf(
            new Map(read).set(name, own.map((value, j) => value + by * (direction[j] ?? 0))),
          ),
        );
      const difference = (await moved(step) - await moved(-step)) / (2 * step * norm);
      const slope = gradient.reduce((sum, value, j) => sum + value * (direction[j] ?? 0), 0) / norm;
      const off = Math.abs(slope - difference);
      assert(off <= 0.01 * Math.abs(slope) + 0.02, `${name}: ${slope}, difference ${difference}`);
    }
  }
  tf.dispose(blocks);
}
