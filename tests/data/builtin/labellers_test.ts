import assert from "node:assert/strict";
import fc from "fast-check";
import { InputError } from "../../../core/errors.ts";
import { latticeGrid } from "../../../core/preference.ts";
import { exactDpo, exactRlhf, pairPopulation } from "../../../data/builtin/exact.ts";
import {
  compromise,
  judgements,
  type Labellers,
  parseLabellers,
  scalarProbability,
} from "../../../data/builtin/labellers.ts";
import { answerPairs, builtinPreferences } from "../../../data/builtin/preferences.ts";
import { createWorld } from "../../../data/builtin/world.ts";
import { loadDataset } from "../../../data/datasets/mod.ts";

const world = createWorld();
const dimensions = ["helpful", "harmless"];
const mixed = (judging: Labellers["judging"]): Labellers => ({
  judging,
  members: [{ share: 0.25, preference: [0.9, 0.1] }, { share: 0.75, preference: [0.2, 0.8] }],
});

function near(actual: number[], expected: number[], tolerance: number): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, i) =>
    assert.ok(Math.abs(value - (expected[i] ?? NaN)) <= tolerance, `[${actual}] ≠ [${expected}]`)
  );
}

Deno.test("judgements and scalarProbability(), worked by hand", () => {
  // Rewards differ by +1 in the first dimension and by −½ in the second; scale 2.
  const compared = { left: [1, 0.25], right: [0, 0.75], labelScale: 2 };
  // dimension, λ = (0.9, 0.1): 0.9·σ(2) + 0.1·σ(−1) = 0.9·0.880797 + 0.1·0.268941 = 0.819611
  near([judgements.dimension(compared, [0.9, 0.1])], [0.819611], 1e-6);
  // sum: σ(2·(0.9·1 − 0.1·0.5)) = σ(1.7) = 0.845535
  near([judgements.sum(compared, [0.9, 0.1])], [0.845535], 1e-6);
  // dimension, λ = (0.2, 0.8): 0.2·0.880797 + 0.8·0.268941 = 0.391312
  // mixed: 0.25·0.819611 + 0.75·0.391312 = 0.498387
  near([scalarProbability(mixed("dimension"), compared)], [0.498387], 1e-6);
});

Deno.test("compromise() is Σ p_i λ_i", () => {
  // 0.25·(0.9, 0.1) + 0.75·(0.2, 0.8) = (0.375, 0.625)
  near(compromise(mixed("sum")), [0.375, 0.625], 1e-12);
});

Deno.test("DPO on labels of labellers who look at one dimension ends exactly at λ_opt", () => {
  const prompts = world.test.slice(0, 12);
  const reference = prompts.map(({ answers }) => answers.map((_, a) => -0.3 * a));
  const lengths = prompts.map(({ answers }) => answers.map((_, a) => 5 + a));
  for (const rpo of [undefined, { alpha: 0.01, lengths }]) {
    const options = { reference, beta: 0.5, rpo };
    const labellers = mixed("dimension");
    const scalar = exactDpo(prompts, { ...options, labellers, preference: [1, 0] });
    const theirs = exactDpo(prompts, { ...options, preference: compromise(labellers) });
    near(scalar.values, theirs.values, 1e-9);
    scalar.logProbs.forEach((row, p) => near(row, theirs.logProbs[p] ?? [], 1e-7));
    // and so at neither labeller's own preference
    for (const { preference } of labellers.members) {
      const own = exactDpo(prompts, { ...options, preference });
      assert.ok(Math.hypot(...own.values.map((v, i) => v - (scalar.values[i] ?? NaN))) > 0.05);
    }
  }
});

Deno.test("RLHF on the rewards of labellers who weigh them ends exactly at λ_opt", () => {
  // J^i has the reward Σ_j λ_ij r_j; the mixture's reward is Σ_i p_i Σ_j λ_ij r_j (theorem A.4).
  const labellers = mixed("sum");
  const prompts = world.test.slice(0, 6);
  const reference = prompts.map(({ answers }) => answers.map(() => 0));
  const mixture = prompts.map((prompt) => ({
    ...prompt,
    answers: prompt.answers.map((answer) => {
      const reward = labellers.members.reduce(
        (sum, { share, preference }) =>
          sum + share * preference.reduce((r, w, j) => r + w * (answer.rewards[j] ?? NaN), 0),
        0,
      );
      return { ...answer, rewards: [reward, reward] };
    }),
  }));
  const scalar = exactRlhf(mixture, { reference, beta: 0.1, preference: [0.5, 0.5] });
  const theirs = exactRlhf(prompts, { reference, beta: 0.1, preference: compromise(labellers) });
  scalar.logProbs.forEach((row, p) => near(row, theirs.logProbs[p] ?? [], 1e-9));
});

Deno.test("DPO on labels of labellers who weigh rewards ends near λ_opt, between the labellers", () => {
  const prompts = world.test;
  const options = { reference: prompts.map(({ answers }) => answers.map(() => 0)), beta: 0.5 };
  const labellers = mixed("sum");
  const { values } = exactDpo(prompts, { ...options, labellers, preference: [1, 0] });
  const distances = latticeGrid(2, 21).map((preference) => {
    const own = exactDpo(prompts, { ...options, preference }).values;
    return { preference, off: Math.hypot(...own.map((v, i) => v - (values[i] ?? NaN))) };
  });
  const nearest = distances.reduce((a, b) => (b.off < a.off ? b : a));
  const [helpful = NaN] = nearest.preference;
  assert.ok(Math.abs(helpful - 0.375) <= 0.1, `nearest to λ = [${nearest.preference}]`);
});

Deno.test("builtinPreferences() with labellers gives every dimension the one drawn label", () => {
  const labellers = mixed("dimension");
  const repetitions = 4;
  const { examples, dimensions: names } = builtinPreferences(world, { labellers, repetitions });
  assert.deepEqual(names, dimensions);
  assert.equal(examples.length, 192 * 15 * repetitions);
  assert.ok(examples.every(({ better: [a, b] }) => a === b && (a === 0 || a === 1)));
  // Counts of each pair are its mixed probability times the repetitions, rounded up or down.
  const wins = new Map<string, number>();
  for (const { prompt, responses, better } of examples) {
    const name = `${prompt[0]?.content}|${responses[better[0] ?? 0]}|${
      responses[1 - (better[0] ?? 0)]
    }`;
    wins.set(name, (wins.get(name) ?? 0) + 1);
  }
  for (const prompt of world.train) {
    for (const [a, b] of answerPairs(prompt)) {
      const [left, right] = [prompt.answers[a], prompt.answers[b]];
      const p = scalarProbability(labellers, {
        left: left?.rewards ?? [],
        right: right?.rewards ?? [],
        labelScale: 6,
      });
      const count = wins.get(`${prompt.text}|${left?.text}|${right?.text}`) ?? 0;
      assert.ok(Math.abs(count - p * repetitions) < 1, `${count} of ${repetitions}, p ${p}`);
    }
  }
  const shares = builtinPreferences(world, { labellers, labels: "shares" });
  assert.equal(shares.examples.length, 192 * 15);
  const found = shares.examples.flatMap(({ better }) => better[0] ?? []);
  assert.ok(found.some((share) => share > 0.1 && share < 0.4));
  assert.throws(() => builtinPreferences(world, { labellers, labels: "order" }), RangeError);
});

Deno.test("pairPopulation() with one labeller at a corner is that dimension's, in every dimension", () => {
  const labellers: Labellers = { judging: "sum", members: [{ share: 1, preference: [0, 1] }] };
  const own = pairPopulation(world.test);
  const scalar = pairPopulation(world.test, { labellers });
  scalar.pairs.forEach(({ probabilities }, n) => {
    const harmless = own.pairs[n]?.probabilities[1] ?? NaN;
    near(probabilities, [harmless, harmless], 1e-12);
  });
});

Deno.test("parseLabellers() reads shares, preferences and the way of judging", () => {
  assert.deepEqual(parseLabellers("0.7:1,0+0.3:0.25,0.75", dimensions), {
    judging: "dimension",
    members: [{ share: 0.7, preference: [1, 0] }, { share: 0.3, preference: [0.25, 0.75] }],
  });
  assert.equal(parseLabellers("sum:1:0.5,0.5", dimensions).judging, "sum");
  const wrong = [
    ...["", "1", "0.7:1,0", "0.7:1,0+0.4:0,1", "0:1,0+1:0,1", "-1:1,0+2:0,1", "1:1,0:2"],
    ...["1:0.7,0.7", "1:1", "1:1,0,0", "a:1,0", "1:a,b", "1:,1", "best:1:1,0", "Infinity:1,0"],
  ];
  for (const text of wrong) {
    assert.throws(() => parseLabellers(text, dimensions), InputError, text);
  }
  fc.assert(fc.property(fc.string(), (text) => {
    try {
      parseLabellers(text, dimensions);
    } catch (error) {
      assert.ok(error instanceof InputError, String(error));
    }
  }));
});

Deno.test("loadDataset() takes labellers after builtin@, and refuses others", async () => {
  const mixed = await loadDataset("builtin@0.5:1,0+0.5:0,1", { dimensions });
  const plain = await loadDataset("builtin", { dimensions });
  assert.deepEqual(mixed.dimensions, plain.dimensions);
  assert.notEqual(mixed.fingerprint, plain.fingerprint);
  assert.ok(mixed.examples.every(({ better: [a, b] }) => a === b));
  await assert.rejects(
    loadDataset("builtin@nobody"),
    /Cannot read the labellers of builtin@nobody/,
  );
});
