import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import type { PreferenceDataset, PreferenceExample } from "../../../core/text/example.ts";
import { tokenizePairs } from "../../../core/text/pairs.ts";
import { loadDataset } from "../../../data/datasets/mod.ts";
import { goldenSmolLm2, smallTokenizer, template } from "./golden.ts";
import { needsData, needsModel, sharedData, smolLm2Path, smolLm2Tokenizer } from "./smollm2.ts";

const tokenizer = smallTokenizer({
  template: template("ChatML"),
  specials: ["<|im_start|>", "<|im_end|>"],
});

function dataset(...examples: Partial<PreferenceExample>[]): PreferenceDataset {
  return {
    dimensions: ["helpful", "harmless"],
    examples: examples.map((example) => ({
      prompt: [{ role: "user", content: "How old is the town?" }],
      responses: ["800 years", "It is old"],
      better: [0, 1],
      ...example,
    })),
    fingerprint: "",
  };
}

const roomy = { maxLength: 1000, overlong: "drop" } as const;

Deno.test("tokenizePairs() gives the ids of each exchange and keeps the labels", () => {
  const data = dataset({}, { better: [null, 0], responses: ["a", "b"] });
  const { pairs, dropped } = tokenizePairs(tokenizer, data, roomy);
  assert.equal(dropped, 0);
  for (const [i, { prompt, responses, better }] of data.examples.entries()) {
    for (const side of [0, 1] as const) {
      const ids = tokenizer.encodeExchange(prompt, responses[side]);
      assert.deepEqual(pairs[i]?.prompt, Int32Array.from(ids.prompt));
      assert.deepEqual(pairs[i]?.responses[side], Int32Array.from(ids.response));
    }
    assert.deepEqual(pairs[i]?.better, better);
  }
});

Deno.test("tokenizePairs() drops a pair by its longer side, or cuts its prompt's beginning", () => {
  const data = dataset({}, { responses: ["a", "b"] });
  const [long] = tokenizePairs(tokenizer, data, roomy).pairs;
  assert.ok(long);
  const longest = Math.max(long.responses[0].length, long.responses[1].length);
  const limit = long.prompt.length + longest;

  const fits = tokenizePairs(tokenizer, data, { maxLength: limit, overlong: "drop" });
  assert.equal(fits.dropped, 0);
  const over = tokenizePairs(tokenizer, data, { maxLength: limit - 1, overlong: "drop" });
  assert.equal(over.dropped, 1);

  const cut = tokenizePairs(tokenizer, data, { maxLength: limit - 3, overlong: "truncate" });
  assert.equal(cut.dropped, 0);
  assert.deepEqual(cut.pairs[0]?.prompt, long.prompt.slice(3));
  assert.deepEqual(cut.pairs[0]?.responses, long.responses);

  // One prompt token must remain: the first response token is predicted from it.
  const short = tokenizePairs(tokenizer, data, { maxLength: longest, overlong: "truncate" });
  assert.equal(short.dropped, 1);
});

Deno.test("tokenizePairs(): no pair is longer than asked, and none is lost or invented", () => {
  const words = fc.string({ unit: "grapheme-ascii", maxLength: 60 });
  const example = fc.record({
    prompt: words.map((content) => [{ role: "user" as const, content }]),
    responses: fc.tuple(words, words),
  });
  fc.assert(fc.property(
    fc.array(example, { maxLength: 5 }),
    fc.integer({ min: 150, max: 300 }),
    fc.constantFrom("drop" as const, "truncate" as const),
    (examples, maxLength, overlong) => {
      const data = dataset({}, ...examples);
      const { pairs, dropped } = tokenizePairs(tokenizer, data, { maxLength, overlong });
      assert.equal(pairs.length + dropped, data.examples.length);
      for (const { prompt, responses } of pairs) {
        assert.ok(prompt.length >= 1);
        for (const response of responses) {
          assert.ok(prompt.length + response.length <= maxLength);
          assert.equal(response.at(-1), tokenizer.endTokenId);
        }
      }
    },
  ));
});

Deno.test("tokenizePairs() drops responses that the template makes equal", () => {
  const trimming = smallTokenizer({ template: template("Llama 2") });
  const data = dataset({}, { responses: ["same", " same\n"] });
  assert.equal(tokenizePairs(trimming, data, roomy).dropped, 1);
  assert.equal(tokenizePairs(tokenizer, data, roomy).dropped, 0);
});

Deno.test("tokenizePairs() drops dialogues that the template refuses, unless it refuses all", () => {
  const strict = smallTokenizer({ template: template("Llama 2") });
  const refused: Partial<PreferenceExample> = {
    prompt: [{ role: "user", content: "a" }, { role: "user", content: "b" }],
  };
  assert.equal(tokenizePairs(strict, dataset({}, refused), roomy).dropped, 1);
  assert.throws(() => tokenizePairs(strict, dataset(refused), roomy), {
    name: "InputError",
    message: /must alternate/,
  });
});

Deno.test("tokenizePairs() names a dimension that is left without pairs", () => {
  const data = dataset({ better: [0, null] }, {
    better: [null, 0],
    responses: ["a ".repeat(300), ""],
  });
  assert.throws(() => tokenizePairs(tokenizer, data, { maxLength: 150, overlong: "drop" }), {
    name: "InputError",
    message:
      "Cannot tokenize the data set: expected pairs of at most 150 tokens in the dimension " +
      "harmless, got none",
  });
});

Deno.test({
  name: `tokenizePairs() on HH gives the ids that transformers gives part by part${
    needsModel || needsData
  }`,
  ignore: !smolLm2Path || !sharedData,
  async fn() {
    const smolLm2 = await smolLm2Tokenizer();
    for (const [file, { count, sha256 }] of Object.entries(goldenSmolLm2.pairs)) {
      const data = await loadDataset(`helpful=${sharedData}hh/${file}.jsonl.gz`);
      const { pairs } = tokenizePairs(smolLm2, data, {
        maxLength: goldenSmolLm2.maxLength,
        overlong: "drop",
      });
      const ids = pairs.map(({ prompt, responses }) => [prompt, ...responses].map((x) => [...x]));
      assert.equal(pairs.length, count);
      assert.equal(createHash("sha256").update(JSON.stringify(ids)).digest("hex"), sha256);
    }
  },
});
