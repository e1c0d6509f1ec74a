import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { lora } from "../../core/adapters/lora.ts";
import {
  type BlockParameters,
  disposeParameters,
  readParameters,
} from "../../core/adapters/parameters.ts";
import type { BatchPass } from "../../core/batch_pass.ts";
import type { Engine } from "../../core/engine/mod.ts";
import { createScalarHead, SCORE_WEIGHT } from "../../core/models/scalar_head.ts";
import { reward } from "../../core/objectives/reward.ts";
import {
  featurePass,
  rewardFeatures,
  type RewardParts,
  rewardPass,
  scoreResponses,
} from "../../core/reward_pass.ts";
import type { TokenizedPair } from "../../core/text/example.ts";
import type { Sequence } from "../../core/text/pack.ts";
import { Random } from "../../core/random.ts";
import { createTrunk } from "../../core/trunk.ts";
import { eachEngine } from "../engines.ts";
import golden from "../golden/reward.json" with { type: "json" };
import { assertNear, assertSameBits } from "../near.ts";
import { formulaParameters, holdGolden, load, randomSequences } from "./models/golden_models.ts";

const M = 2;
const examples = golden.pairs.map(({ prompt, responses, better }): TokenizedPair => ({
  prompt: Int32Array.from(prompt),
  responses: responses.map((ids) => Int32Array.from(ids)) as [Int32Array, Int32Array],
  better,
}));
const objective = reward({ objectives: M });
const sequences = examples.flatMap(objective.sequences);
const sizes = { rowLength: 32, maxTokens: 64 };

interface Model extends RewardParts {
  width: number;
  /** The trunk's parameters by block, and the head's. */
  blocks: BlockParameters[];
}

/** The reward model of tests/golden/reward.py, with its adapter or on the bare trunk. */
async function withModel(
  engine: Engine,
  adapted: boolean,
  fn: (model: Model) => Promise<void>,
): Promise<void> {
  const decoder = await holdGolden(engine, "llama_tied");
  const { rank, alpha, headOrdinal } = golden;
  const adapter = lora({ rank, objectives: 1, alpha, init: "gaussian" });
  const parameters = load(adapter, decoder.config, formulaParameters(adapter, decoder.config));
  const width = decoder.config.width;
  const weight = Float32Array.from(
    { length: M * width },
    (_, i) => 0.3 * Math.sin(1 + 0.7 * i + 0.9 * headOrdinal),
  );
  const score = { maps: [], names: [SCORE_WEIGHT], tensors: [tf.tensor2d(weight, [M, width])] };
  const blocks = [...parameters, score];
  await fn({
    trunk: createTrunk(engine, decoder, adapted ? { adapter, objectives: 1, parameters } : null),
    head: createScalarHead(engine, decoder),
    score,
    width,
    blocks: adapted ? blocks : [score],
  });
  disposeParameters(blocks);
  decoder.dispose();
}

/** Losses (M) of the golden pairs, and the gradients of their sum by parameter name. */
async function lossesAndGradients(pass: BatchPass, blocks: BlockParameters[]) {
  const batch = { examples, groups: examples.map(() => 0), preferences: [[0.5, 0.5]] };
  const trace = await pass.forward(sequences, []);
  const { losses, slopes } = tf.tidy(() => {
    const none = tf.zeros<tf.Rank.R1>([0]);
    let losses: number[] = [];
    const gradient = tf.grad((x) => {
      const table = objective.losses(x as tf.Tensor1D, none, batch);
      losses = [...table.dataSync()];
      return tf.sum(table);
    })(tf.tensor1d(trace.values));
    return { losses, slopes: gradient.dataSync() as Float32Array };
  });
  const accuracies = objective.accuracies(trace.values, new Float32Array(), batch);
  const gradients = (await trace.backward(slopes)).map((tensors, i) => ({
    names: blocks[i]?.names ?? [],
    tensors,
  }));
  const named = await readParameters(gradients);
  disposeParameters(gradients);
  return { losses, accuracies, named, values: trace.values };
}

eachEngine("scores, losses and gradients of a reward model equal PyTorch's", async (engine) => {
  await withModel(engine, true, async (model) => {
    const { losses, named, values, accuracies } = await lossesAndGradients(
      rewardPass(engine, model, sizes),
      model.blocks,
    );
    assertNear(values, golden.scores.flat(2), { tolerance: 1e-5 });
    assertNear(losses, golden.losses, { tolerance: 1e-5 });
    // Dimension 0 labels pairs 0 (right), 1 (wrong), 3 (right) and most of 4 (wrong); dimension 1
    // labels 0 and 2 (right), 3 and 4 (wrong).
    assert.deepEqual(accuracies, [0.5, 0.5]);
    assert.deepEqual([...named.keys()].sort(), Object.keys(golden.gradients).sort());
    for (const [name, { norm, entries }] of Object.entries(golden.gradients)) {
      const found = named.get(name)?.values ?? new Float32Array();
      const own = Math.sqrt(found.reduce((sum, value) => sum + value * value, 0));
      assertNear([own], [norm], { tolerance: 2e-5, what: name });
      for (const [i, value] of Object.entries(entries)) {
        assertNear([found[Number(i)] ?? NaN], [value], { tolerance: 2e-5, what: `${name} ${i}` });
      }
    }
  });
});

eachEngine("the loss of one dimension is that of TRL's RewardTrainer", async (engine) => {
  await withModel(engine, true, async (model) => {
    const used = examples.filter(({ better: [label] }) => label === 0 || label === 1);
    const single = reward({ objectives: 1 });
    const scores = await scoreResponses(engine, model, {
      sequences: used.flatMap(single.sequences),
      ...sizes,
    });
    const first = scores.filter((_, i) => i % M === 0);
    const losses = tf.tidy(() =>
      single.losses(tf.tensor1d(first), tf.tensor1d([]), {
        examples: used.map((example) => ({ ...example, better: example.better.slice(0, 1) })),
        groups: used.map(() => 0),
        preferences: [[1]],
      }).dataSync()
    );
    assertNear(losses, [golden.trlLoss], { tolerance: 1e-5 });
  });
});

eachEngine(
  "features kept from a frozen trunk give the same scores and gradients",
  async (engine) => {
    await withModel(engine, false, async (model) => {
      const through = await lossesAndGradients(rewardPass(engine, model, sizes), [
        { maps: [], names: [], tensors: [] },
        { maps: [], names: [], tensors: [] },
        ...model.blocks,
      ]);
      const features = await rewardFeatures(engine, model, { sequences, ...sizes });
      let asked = 0;
      const pass = featurePass(model, () => Promise.resolve((asked++, features)));
      assert.equal(asked, 0);
      const kept = await lossesAndGradients(pass, model.blocks);
      assertSameBits(kept.values, through.values, "scores");
      const name = SCORE_WEIGHT;
      assertNear(kept.named.get(name)?.values ?? [], through.named.get(name)?.values ?? []);
      const strange = { prompt: Int32Array.of(5), response: Int32Array.of(5, 2) };
      await assert.rejects(
        pass.forward([strange], []),
        /Cannot score sequence 0: expected one whose features are kept/,
      );
    });
  },
);

eachEngine("gradients of a reward pass agree with finite differences", async (engine) => {
  await withModel(engine, true, async (model) => {
    const pass = rewardPass(engine, model, sizes);
    const total = async () =>
      (await lossesAndGradients(pass, model.blocks)).losses
        .reduce((sum, loss) => sum + loss, 0);
    const { named } = await lossesAndGradients(pass, model.blocks);
    for (const [block, i, j] of [[2, 0, 3], [1, 5, 2], [0, 0, 7]] as const) {
      const { tensors, names } = model.blocks[block] as BlockParameters;
      const original = tensors[i] as tf.Tensor;
      const values = await original.data() as Float32Array;
      const at = async (step: number) => {
        const moved = tf.tensor(values.map((v, k) => k === j ? v + step : v), original.shape);
        tensors[i] = moved;
        const loss = await total();
        moved.dispose();
        return loss;
      };
      const h = 1e-2;
      const difference = (await at(h) - await at(-h)) / (2 * h);
      tensors[i] = original;
      const exact = named.get(names[i] ?? "")?.values[j] ?? NaN;
      assert.ok(
        Math.abs(difference - exact) < 2e-3 + 0.02 * Math.abs(exact),
        `${difference} ${exact}`,
      );
    }
  });
});

eachEngine(
  "a score depends on its own tokens alone: not on packing, batch or order",
  async (engine) => {
    await withModel(engine, true, async (model) => {
      const lengths = Array.from(
        { length: 30 },
        (_, i): [number, number] => [1 + i % 7, 1 + i % 5],
      );
      const many = [...sequences, ...randomSequences(new Random(3), lengths)];
      const all = await scoreResponses(engine, model, { sequences: many, ...sizes });
      const turned = await scoreResponses(engine, model, {
        sequences: many.toReversed(),
        rowLength: 64,
        maxTokens: 64,
      });
      const alone: number[] = [];
      for (const sequence of many) {
        alone.push(...await scoreResponses(engine, model, { sequences: [sequence], ...sizes }));
      }
      const backwards = many.flatMap((
        _,
        s,
      ) => [...turned.subarray((many.length - 1 - s) * M, (many.length - s) * M)]);
      assertNear(all, alone, { tolerance: 2e-5 });
      assertNear(backwards, alone, { tolerance: 2e-5 });
    });
  },
);

eachEngine("scoreResponses() stops when its signal aborts", async (engine) => {
  await withModel(engine, true, async (model) => {
    const signal = AbortSignal.abort(new Error("stopped"));
    await assert.rejects(scoreResponses(engine, model, { sequences, ...sizes, signal }), /stopped/);
    const none: Sequence[] = [];
    assert.equal((await scoreResponses(engine, model, { sequences: none, ...sizes })).length, 0);
  });
});
