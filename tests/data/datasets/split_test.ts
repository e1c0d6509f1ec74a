import assert from "node:assert/strict";
import fc from "fast-check";
import type { PreferenceDataset } from "../../../core/text/example.ts";
import { splitByPrompt, splitInstructions } from "../../../data/datasets/split.ts";

const label = fc.constantFrom(0 as const, 1 as const, null);
const datasets = fc.array(
  fc.record({
    prompt: fc.integer({ min: 0, max: 20 }).map((n) => [
      { role: "user" as const, content: `question ${n}` },
    ]),
    responses: fc.tuple(fc.string(), fc.string()),
    better: fc.tuple(label, label),
  }),
  { maxLength: 60 },
).map((examples): PreferenceDataset => ({ dimensions: ["a", "b"], examples, fingerprint: "" }));

Deno.test("splitByPrompt() shares out every example, in order, and no prompt twice", () => {
  fc.assert(fc.property(
    datasets,
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.nat(),
    (dataset, share, seed) => {
      const { train, test } = splitByPrompt(dataset, { share, seed });
      const inTest = new Set(test.examples);
      const inTrain = new Set(train.examples);
      assert.deepEqual(dataset.examples.filter((e) => inTrain.has(e)), train.examples);
      assert.deepEqual(dataset.examples.filter((e) => inTest.has(e)), test.examples);
      assert.equal(train.examples.length + test.examples.length, dataset.examples.length);
      const prompts = new Set(test.examples.map(({ prompt }) => prompt[0]?.content));
      assert.ok(!train.examples.some(({ prompt }) => prompts.has(prompt[0]?.content)));
    },
  ));
});

/** 40 prompts with two rows each in dimension a, 10 prompts in dimension b. */
const example = (content: string, better: (0 | null)[]) => ({
  prompt: [{ role: "user" as const, content }],
  responses: ["x", "y"] as [string, string],
  better,
});
const dataset: PreferenceDataset = {
  dimensions: ["a", "b"],
  examples: [
    ...Array.from({ length: 80 }, (_, i) => example(`a${i % 40}`, [0, null])),
    ...Array.from({ length: 10 }, (_, i) => example(`b${i}`, [null, 0])),
  ],
  fingerprint: "",
};

Deno.test("splitByPrompt() takes the share from every dimension", () => {
  // 10 % of 40 prompts are 4, of two rows each; 10 % of 10 prompts are 1.
  const { test } = splitByPrompt(dataset, { share: 0.1, seed: 7 });
  assert.equal(test.examples.filter(({ better }) => better[0] === 0).length, 8);
  assert.equal(test.examples.filter(({ better }) => better[1] === 0).length, 1);
  // 1 % of either is less than a prompt, and one is taken.
  assert.equal(splitByPrompt(dataset, { share: 0.01, seed: 7 }).test.examples.length, 3);
  assert.equal(splitByPrompt(dataset, { share: 0, seed: 7 }).test.examples.length, 0);
});

Deno.test("splitByPrompt() depends on the seed alone", () => {
  const split = (seed: number) => splitByPrompt(dataset, { share: 0.2, seed }).test.fingerprint;
  assert.equal(split(1), split(1));
  assert.notEqual(split(1), split(2));
});

Deno.test("splitInstructions() keeps the answers to one prompt together", () => {
  const examples = Array.from({ length: 60 }, (_, i) => ({
    prompt: [{ role: "user" as const, content: `q${i % 20}` }],
    completion: [{ role: "assistant" as const, content: `a${i}` }],
  }));
  // 10 % of 20 prompts are 2, of three answers each.
  const { train, test } = splitInstructions({ examples, fingerprint: "" }, { share: 0.1, seed: 3 });
  assert.deepEqual([train.examples.length, test.examples.length], [54, 6]);
  const held = new Set(test.examples.map(({ prompt }) => prompt[0]?.content));
  assert.equal(held.size, 2);
  assert.ok(!train.examples.some(({ prompt }) => held.has(prompt[0]?.content)));
  assert.notEqual(train.fingerprint, test.fingerprint);
});

Deno.test("splitByPrompt() refuses a share that is none", () => {
  for (const share of [-0.1, 1.1, NaN]) {
    assert.throws(() => splitByPrompt(dataset, { share, seed: 1 }), RangeError);
  }
});
