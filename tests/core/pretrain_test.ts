import assert from "node:assert/strict";
import { disposeParameters } from "../../core/adapters/parameters.ts";
import type { Engine } from "../../core/engine/mod.ts";
import { DivergedError } from "../../core/errors.ts";
import { scoreSequences } from "../../core/front/evaluate.ts";
import { createFullPolicy, loadWeights } from "../../core/full_policy.ts";
import { initialWeights } from "../../core/models/initial_weights.ts";
import { pretrain, type PretrainOptions, tokenLoss } from "../../core/pretrain.ts";
import { Random } from "../../core/random.ts";
import type { Sequence } from "../../core/text/pack.ts";
import { eachEngine } from "../engines.ts";
import { countingSequences, tinyDecoder as config } from "./tiny_decoder.ts";

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
  const initial = initialWeights(config, new Random(4));
  const parameters = await loadWeights(config, (name) => initial.get(name) as Float32Array);
  const policy = createFullPolicy(engine, config, parameters);
  const losses: number[] = [];
  const run = pretrain({ engine, policy, parameters, sequences }, { ...options, ...own });
  try {
    for await (const { loss } of run) losses.push(loss);
    const [scores] = await scoreSequences(policy, sequences, [[]], options);
    return { losses, after: tokenLoss(sequences, scores ?? new Float32Array()) };
  } finally {
    disposeParameters(parameters);
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

Deno.test("tokenLoss() is −Σ log π / learned tokens", () => {
  // Responses of 1 and 3 tokens with log π −1 and −5: (1 + 5) / 4 = 1.5.
  const sequences = [1, 3].map((length) => ({
    prompt: Int32Array.of(2),
    response: new Int32Array(length),
  }));
  assert.equal(tokenLoss(sequences, Float32Array.of(-1, -5)), 1.5);
  // Of the three, one is learned: 6 / 2 = 3.
  const masked = sequences.map((sequence, s) =>
    s === 1 ? { ...sequence, learned: Uint8Array.of(0, 1, 0) } : sequence
  );
  assert.equal(tokenLoss(masked, Float32Array.of(-1, -5)), 3);
});
