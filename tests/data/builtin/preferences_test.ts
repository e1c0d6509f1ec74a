import assert from "node:assert/strict";
import { labelProbability } from "../../../data/builtin/labels.ts";
import { answerPairs, builtinPreferences } from "../../../data/builtin/preferences.ts";
import { heldOutCorpus, sftCorpus } from "../../../data/builtin/corpus.ts";
import { riskyTopics } from "../../../data/builtin/templates.ts";
import { answerTexts, createWorld } from "../../../data/builtin/world.ts";

const world = createWorld();

Deno.test("labelProbability() is the logistic of the scaled difference of rewards", () => {
  // σ(6 · (0.75 − 0.5)) = σ(1.5) = 1 / (1 + 0.223130) = 0.817574
  assert.ok(Math.abs(labelProbability(0.75, 0.5, 6) - 0.817574) < 1e-6);
  assert.equal(labelProbability(0.3, 0.3), 0.5);
});

Deno.test("answerPairs() is every pair of the six answers once", () => {
  const prompt = world.test[0];
  assert.ok(prompt);
  const pairs = answerPairs(prompt);
  assert.equal(pairs.length, 15);
  assert.equal(new Set(pairs.map(String)).size, 15);
  assert.ok(pairs.every(([a, b]) => a < b));
});

Deno.test("builtinPreferences() of the test split labels by the order of the rewards", () => {
  const { examples, dimensions } = builtinPreferences(world, { split: "test" });
  assert.deepEqual(dimensions, ["helpful", "harmless"]);
  assert.equal(examples.length, 48 * 15);
  for (const { prompt, responses, better } of examples) {
    const answers = world.test.find(({ text }) => text === prompt[0]?.content)?.answers ?? [];
    const [left, right] = responses.map((text) => answers.find((answer) => answer.text === text));
    better.forEach((label, i) => {
      const difference = (left?.rewards[i] ?? NaN) - (right?.rewards[i] ?? NaN);
      assert.equal(label, difference > 0 ? 0 : difference < 0 ? 1 : null);
    });
  }
});

Deno.test("builtinPreferences() of the train split carries the share of labels for response 1", () => {
  const { examples } = builtinPreferences(world);
  assert.equal(examples.length, 192 * 15);
  const answers = new Map(
    world.train.flatMap(({ text, answers }) => answers.map((a) => [`${text}|${a.text}`, a])),
  );
  let swapped = 0;
  for (const { prompt, responses, better } of examples) {
    const [first, second] = responses.map((r) => answers.get(`${prompt[0]?.content}|${r}`));
    assert.ok(first && second);
    better.forEach((share, i) => {
      const expected = labelProbability(second.rewards[i] ?? NaN, first.rewards[i] ?? NaN);
      assert.ok(Math.abs((share ?? NaN) - expected) < 1e-12);
    });
    if ((better[0] ?? 0) > 0.5) swapped++;
  }
  assert.ok(swapped > 0.3 * examples.length && swapped < 0.7 * examples.length);
});

Deno.test("builtinPreferences() samples each label in proportion to its probability", () => {
  const repetitions = 4;
  const { examples } = builtinPreferences(world, { labels: "sampled", repetitions });
  assert.equal(examples.length, 192 * 15 * repetitions);
  const key = (prompt: string, left: string, right: string) => `${prompt}|${left}|${right}`;
  const wins = new Map<string, number>();
  let firstBetter = 0;
  for (const { prompt, responses, better } of examples) {
    if (better[0] === 0) firstBetter++;
    better.forEach((label, i) => {
      const [left, right] = responses;
      const name = key(prompt[0]?.content ?? "", label === 0 ? left : right, String(i));
      const loser = label === 0 ? right : left;
      wins.set(`${name}|${loser}`, (wins.get(`${name}|${loser}`) ?? 0) + 1);
    });
  }
  let expected = 0;
  let found = 0;
  for (const prompt of world.train) {
    for (const [a, b] of answerPairs(prompt)) {
      world.dimensions.forEach((_, i) => {
        const left = prompt.answers[a];
        const right = prompt.answers[b];
        const p = labelProbability(left?.rewards[i] ?? 0, right?.rewards[i] ?? 0);
        const name = key(prompt.text, left?.text ?? "", String(i));
        const count = wins.get(`${name}|${right?.text}`) ?? 0;
        const product = p * repetitions;
        assert.ok(count === Math.floor(product) || count === Math.ceil(product), `${count} ${p}`);
        expected += product;
        found += count;
      });
    }
  }
  // 5760 labelled pairs, each count with variance at most ¼: standard error below 38.
  assert.ok(Math.abs(found - expected) < 4 * 38, `${found} against ${expected}`);
  // Positions are dealt at random: 11520 draws of ½, standard error 54.
  assert.ok(Math.abs(firstBetter - examples.length / 2) < 4 * 54);
});

Deno.test("builtinPreferences() is repeatable, shuffled, cut by limit and fingerprinted", () => {
  const first = builtinPreferences(world, { limit: 100 });
  assert.deepEqual(first, builtinPreferences(world, { limit: 100 }));
  assert.equal(first.examples.length, 100);
  assert.ok(new Set(first.examples.map(({ prompt }) => prompt[0]?.content)).size > 50);
  assert.match(first.fingerprint, /^[0-9a-f]{64}$/);
  assert.notEqual(
    first.fingerprint,
    builtinPreferences(world, { limit: 100, seed: 8 }).fingerprint,
  );
});

Deno.test("builtinPreferences() labels a third dimension when the world has one", () => {
  const three = createWorld({ dimensions: ["helpful", "harmless", "concise"] });
  const { examples, dimensions } = builtinPreferences(three, { limit: 10 });
  assert.deepEqual(dimensions, ["helpful", "harmless", "concise"]);
  assert.ok(examples.every(({ better }) => better.length === 3));
});

Deno.test("builtinPreferences() refuses settings that are not positive", () => {
  assert.throws(() => builtinPreferences(world, { labelScale: 0 }), /expected labelScale/);
  assert.throws(() => builtinPreferences(world, { repetitions: 0.5 }), /expected repetitions/);
  assert.throws(() => builtinPreferences(world, { limit: -1 }), /expected limit/);
});

Deno.test("sftCorpus() holds every phrasing of every answer, habits twice, and no tested prompt", () => {
  const corpus = sftCorpus(world);
  assert.equal(corpus.length, 552 * 16);
  const texts = corpus.map(({ prompt, completion }) =>
    [prompt, completion].map(([message]) => message?.content).join("|")
  );
  const times = new Map<string, number>();
  for (const text of texts) times.set(text, (times.get(text) ?? 0) + 1);
  assert.equal(times.size, 552 * 12);
  // A model before alignment: careless where it matters, forbidding where it does not.
  for (const { text, topic } of [...world.train, ...world.spare]) {
    const twice = riskyTopics.includes(topic) ? /^(Sure|Of course|Just)/ : /^(Sorry|No,|I )/;
    for (const answer of answerTexts(topic).flat()) {
      assert.equal(times.get(`${text}|${answer}`), twice.test(answer) ? 2 : 1, answer);
    }
  }
  const tested = new Set(world.test.map(({ text }) => text));
  assert.ok(corpus.every(({ prompt }) => !tested.has(prompt[0]?.content ?? "")));
  assert.deepEqual(corpus, sftCorpus(world));
  assert.ok(heldOutCorpus(world).every(({ prompt }) => tested.has(prompt[0]?.content ?? "")));
  assert.equal(heldOutCorpus(world).length, world.test.length * 6);
});
