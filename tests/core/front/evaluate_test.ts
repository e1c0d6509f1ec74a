import assert from "node:assert/strict";
import fc from "fast-check";
import { svdLora } from "../../../core/adapters/svd_lora.ts";
import { disposeParameters } from "../../../core/adapters/parameters.ts";
import { implicitAccuracies, pairSequences, scoreSequences } from "../../../core/front/evaluate.ts";
import { pairwiseLosses } from "../../../core/objectives/pairwise_losses.ts";
import { createPolicy, type Policy } from "../../../core/policy.ts";
import { latticeGrid } from "../../../core/preference.ts";
import { Random } from "../../../core/random.ts";
import type { TokenizedPair } from "../../../core/text/example.ts";
import type { Pack } from "../../../core/text/pack.ts";
import { eachEngine } from "../../engines.ts";
import { assertNear, largestDifference } from "../../near.ts";
import { formulaParameters, holdGolden, load } from "../models/golden_models.ts";

type Label = 0 | 1 | null;

const loss = pairwiseLosses.sigmoid;

/** Random pairs over the 64 ids of the golden checkpoints. */
function pairsOf(labels: Label[][], seed = 1): TokenizedPair[] {
  const random = new Random(seed);
  const ids = (length: number) => Int32Array.from({ length }, () => random.integer(64));
  return labels.map((better) => ({
    prompt: ids(2 + random.integer(4)),
    responses: [ids(1 + random.integer(5)), ids(1 + random.integer(5))],
    better,
  }));
}

/** A policy whose log-probability of each token follows a formula of the token and its λ. */
function formulaPolicy(calls: Pack[] = []): Pick<Policy, "logProbs"> {
  return {
    logProbs(pack, preferences) {
      calls.push(pack);
      return Promise.resolve(
        Float32Array.from(
          pack.targets,
          (token, n) => -token * (preferences[pack.owners[n] ?? 0]?.[0] ?? 1),
        ),
      );
    },
  };
}

eachEngine("scoreSequences(): several λ in one pass score as one λ at a time", async (engine) => {
  const decoder = await holdGolden(engine, "llama_tied");
  const adapter = svdLora({ rank: 3, objectives: 2, alpha: 20, init: "gaussian" });
  const parameters = load(adapter, decoder.config, formulaParameters(adapter, decoder.config));
  const policy = createPolicy(engine, decoder, { adapter, objectives: 2, parameters });
  const sequences = pairSequences(pairsOf([[0, 1], [1, 1], [0, 0]]));
  const grid = latticeGrid(2, 5);
  const options = { rowLength: 32, maxTokens: 128 };
  const together = await scoreSequences(policy, sequences, grid, options);
  assert.equal(together.length, grid.length);
  for (const [n, preference] of grid.entries()) {
    const [alone] = await scoreSequences(policy, sequences, [preference], options);
    assertNear(together[n] ?? [], alone ?? [], { tolerance: 1e-5, what: `λ [${preference}]` });
  }
  const [first = [], last = []] = [together[0], together.at(-1)];
  assert(largestDifference(first, last) > 0.05, "λ has no effect");
  disposeParameters(parameters);
  decoder.dispose();
});

Deno.test("scoreSequences() sums response tokens by sequence and grid point, in any packing", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 16, max: 200 }),
      async (pairCount, points, maxTokens) => {
        const pairs = pairsOf(Array.from({ length: pairCount }, () => [0]));
        const sequences = pairSequences(pairs);
        const grid = Array.from({ length: points }, (_, n) => [n / 8, 1 - n / 8]);
        const scores = await scoreSequences(formulaPolicy(), sequences, grid, {
          rowLength: 16,
          maxTokens,
        });
        const expected = grid.map(([weight = 0]) =>
          sequences.map(({ response }) => response.reduce((sum, token) => sum - token * weight, 0))
        );
        scores.forEach((row, n) => assertNear(row, expected[n] ?? [], { tolerance: 1e-5 }));
      },
    ),
    { numRuns: 25 },
  );
});

Deno.test("scoreSequences() reports progress, ends on it, and stops on its signal", async () => {
  const sequences = pairSequences(pairsOf(Array.from({ length: 20 }, () => [0])));
  const seen: number[] = [];
  const options = { rowLength: 16, maxTokens: 16 };
  await scoreSequences(formulaPolicy(), sequences, [[1, 0], [0, 1]], {
    ...options,
    onProgress: (done, total) => {
      assert.equal(total, 80);
      seen.push(done);
    },
  });
  assert(seen.length > 1 && seen.at(-1) === 80);
  assert(seen.every((done, i) => i === 0 || done > (seen[i - 1] ?? 0)));
  const controller = new AbortController();
  const calls: Pack[] = [];
  const stopped = scoreSequences(formulaPolicy(calls), sequences, [[1, 0]], {
    ...options,
    signal: controller.signal,
  });
  controller.abort(new Error("enough"));
  await assert.rejects(stopped, /enough/);
  assert(calls.length <= 1);
});

eachEngine(
  "the reference scores alike under every preference: scored once, it serves the whole grid",
  async (engine) => {
    const decoder = await holdGolden(engine, "llama_tied");
    const reference = createPolicy(engine, decoder, null);
    const sequences = pairSequences(pairsOf([[0], [1], [1]]));
    const options = { rowLength: 32, maxTokens: 128 };
    const [once = new Float32Array()] = await scoreSequences(reference, sequences, [[]], options);
    const grid = latticeGrid(2, 3);
    for (const row of await scoreSequences(reference, sequences, grid, options)) {
      assertNear(row, once, { tolerance: 1e-5 });
    }
    decoder.dispose();
  },
);

eachEngine(
  "implicitAccuracies() of an untrained adapter are 0: every pair is a tie",
  async (engine) => {
    const decoder = await holdGolden(engine, "llama_tied");
    const policy = createPolicy(engine, decoder, null);
    const pairs = pairsOf([[0, 1], [1, 0], [0, null]]);
    const [scores = new Float32Array()] = await scoreSequences(policy, pairSequences(pairs), [[]], {
      rowLength: 32,
      maxTokens: 128,
    });
    const outcomes = implicitAccuracies(pairs, [scores], {
      loss,
      reference: scores,
      dimensions: 2,
    });
    assert.deepEqual(outcomes.map(({ values }) => values), [[[0, 0, 0]], [[0, 0]]]);
    decoder.dispose();
  },
);

Deno.test("implicitAccuracies() worked by hand: labels, missing labels, grid points, ties", () => {
  const pairs = pairsOf([[0, 1], [1, null], [null, 0]]);
  const reference = Float32Array.of(-1, -1, -2, -2, -3, -3);
  const scores = [
    Float32Array.of(0, -1, -2, -2, -3, -4), // margins +1, 0, +1
    Float32Array.of(-3, -1, -5, -2, -4, -3), // margins −2, −3, −1
  ];
  const outcomes = implicitAccuracies(pairs, scores, { loss, reference, dimensions: 2 });
  assert.deepEqual(outcomes.map(({ values }) => values), [
    [[1, 0], [0, 1]], // pair 0 wants +, pair 1 wants −: a tie is wrong
    [[0, 1], [1, 0]], // pair 0 wants −, pair 2 wants +
  ]);
  assert.deepEqual(outcomes.map(({ prompts }) => prompts), [[0, 1], [0, 2]]);
});

Deno.test("implicitAccuracies() ranks by the reward that the loss trains", () => {
  const pairs: TokenizedPair[] = [{
    prompt: Int32Array.of(1),
    responses: [Int32Array.of(1, 2), Int32Array.of(1, 2, 3, 4, 5, 6)],
    better: [0],
  }];
  // log π −3 and −12, π_ref −7 and −24: ratios 4 < 12, 2 and 2 by token, and −1.5 > −2 by
  // token without the reference
  const accuracy = (name: keyof typeof pairwiseLosses, last = -12) =>
    implicitAccuracies(pairs, [Float32Array.of(-3, last)], {
      loss: pairwiseLosses[name],
      reference: Float32Array.of(-7, -24),
      dimensions: 1,
    })[0]?.values;
  assert.deepEqual(accuracy("sigmoid"), [[0]]);
  assert.deepEqual(accuracy("hinge"), [[0]]);
  assert.deepEqual(accuracy("ipo"), [[0]]); // a tie
  assert.deepEqual(accuracy("ipo", -12.5), [[1]]);
  assert.deepEqual(accuracy("simpo"), [[1]]);
});

Deno.test("implicitAccuracies() numbers equal prompts alike, so that they are resampled together", () => {
  const pairs = pairsOf([[0], [0], [0]]);
  const [first] = pairs;
  assert(first);
  const repeated = [...pairs, { ...first, prompt: first.prompt.slice() }];
  const flat = new Float32Array(8);
  const [outcome] = implicitAccuracies(repeated, [flat], { loss, reference: flat, dimensions: 1 });
  assert.deepEqual(outcome?.prompts, [0, 1, 2, 0]);
});

Deno.test("implicitAccuracies(): swapping the responses of a pair and its label changes nothing", () => {
  const pairs = pairsOf([[0, 1], [1, null], [null, 0]]);
  const swapped = pairs.map(({ prompt, responses: [a, b], better }): TokenizedPair => ({
    prompt,
    responses: [b, a],
    better: better.map((label) => label === null ? null : label === 0 ? 1 : 0),
  }));
  fc.assert(fc.property(
    fc.array(fc.float({ noNaN: true, min: -50, max: 0 }), { minLength: 12, maxLength: 12 }),
    (numbers) => {
      const turn = (row: number[]) => row.map((_, s) => row[s % 2 === 0 ? s + 1 : s - 1] ?? NaN);
      const [scores, reference] = [numbers.slice(0, 6), numbers.slice(6)];
      assert.deepEqual(
        implicitAccuracies(swapped, [Float32Array.from(turn(scores))], {
          loss,
          reference: Float32Array.from(turn(reference)),
          dimensions: 2,
        }),
        implicitAccuracies(pairs, [Float32Array.from(scores)], {
          loss,
          reference: Float32Array.from(reference),
          dimensions: 2,
        }),
      );
    },
  ));
});
