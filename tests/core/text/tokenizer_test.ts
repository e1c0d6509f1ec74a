import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { InputError } from "../../../core/errors.ts";
import { createTokenizer } from "../../../core/text/tokenizer.ts";
import { readJsonLines } from "../../../data/datasets/jsonl.ts";
import { golden, goldenSmolLm2, smallTokenizer } from "./golden.ts";
import { needsData, needsModel, sharedData, smolLm2Path, smolLm2Tokenizer } from "./smollm2.ts";

const sizes = { vocabSize: 1000, eosTokenIds: [2] };

for (const { name, base, changes, config, ids } of golden.folders) {
  Deno.test(`createTokenizer() gives transformers' ids for a folder: ${name}`, () => {
    const tokenizer = { ...golden.bases[base], ...changes };
    const made = createTokenizer(
      { kind: "huggingface", tokenizer, tokenizerConfig: config },
      sizes,
    );
    assert.equal(ids.length, golden.texts.length);
    assert.deepEqual(golden.texts.map(made.encode), ids);
  });
}

for (const { name, metadata, ids } of golden.ggufs) {
  Deno.test(`createTokenizer() gives transformers' ids for a GGUF: ${name}`, () => {
    const made = createTokenizer({ kind: "gguf", metadata }, sizes);
    assert.equal(ids.length, golden.texts.length);
    assert.deepEqual(golden.texts.map(made.encode), ids);
  });
}

Deno.test({
  name: `SmolLM2: texts and dialogues have transformers' ids${needsModel}`,
  ignore: !smolLm2Path,
  async fn() {
    const tokenizer = await smolLm2Tokenizer();
    for (const { text, ids } of goldenSmolLm2.texts) {
      assert.deepEqual(tokenizer.encode(text), ids, text);
      assert.equal(tokenizer.decode(ids), text);
    }
    for (const { messages, text, ids } of goldenSmolLm2.dialogues) {
      assert.equal(tokenizer.renderPrompt(messages), text);
      assert.deepEqual(tokenizer.encodeExchange(messages, "x").prompt, ids);
    }
    assert.equal(tokenizer.endTokenId, 2);
  },
});

Deno.test({
  name: `SmolLM2: 2,000 lines of HH have transformers' ids${needsModel || needsData}`,
  ignore: !smolLm2Path || !sharedData,
  async fn() {
    const tokenizer = await smolLm2Tokenizer();
    const { block, blocks } = goldenSmolLm2;
    let lines = 0;
    for (const [file, hashes] of Object.entries(blocks)) {
      const ids: number[][] = [];
      for await (const { value } of readJsonLines(`${sharedData}hh/${file}.jsonl.gz`)) {
        ids.push(tokenizer.encode((value as { chosen: string }).chosen));
        if (ids.length === block * hashes.length) break;
      }
      for (const [i, expected] of hashes.entries()) {
        const rows = JSON.stringify(ids.slice(i * block, (i + 1) * block));
        assert.equal(createHash("sha256").update(rows).digest("hex"), expected, `${file} ${i}`);
      }
      lines += ids.length;
    }
    assert.equal(lines, 2000);
  },
});

Deno.test("decode() gives back what encode() read, byte for byte", () => {
  const tokenizer = smallTokenizer({});
  const wholeText = fc.string({ unit: "binary" }).filter((text) => text.isWellFormed());
  fc.assert(fc.property(wholeText, (text) => {
    assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
  }));
});

Deno.test("encoding word by word gives the ids of the library on whole texts", () => {
  const base = golden.bases.byte_level;
  assert.ok(base);
  const specials = ["<s>", "<|im_start|>", "<|im", "|>"].map((content, i) => ({
    id: i === 0 ? 1 : 499 + i,
    content,
    special: true,
    normalized: false,
  }));
  // A token that takes the blanks beside it cannot be cut out first: it turns the shortcut off.
  const greedy = {
    id: 600,
    content: "\u0000greedy",
    lstrip: true,
    special: true,
    normalized: false,
  };
  const made = (added_tokens: typeof specials) =>
    createTokenizer({
      kind: "huggingface",
      tokenizer: { ...base, added_tokens },
      tokenizerConfig: { tokenizer_class: "GPT2Tokenizer" },
    }, sizes);
  const short = made(specials);
  const whole = made([...specials, greedy]);
  const parts = fc.oneof(
    fc.constantFrom(...specials.map(({ content }) => content), " ", "\n", "the river", "12", "'s"),
    fc.string({ unit: "grapheme", maxLength: 4 }),
  );
  fc.assert(fc.property(fc.array(parts), (texts) => {
    assert.deepEqual(short.encode(texts.join("")), whole.encode(texts.join("")));
  }));
});

Deno.test("encode() refuses an id that the model has no row for", () => {
  const vocabSize = Object.keys(golden.bases.byte_level?.model.vocab ?? {}).length;
  const tokenizer = smallTokenizer({ specials: ["<pad>"], vocabSize });
  assert.ok(tokenizer.encode("Hello").length > 0);
  assert.throws(() => tokenizer.encode("<pad>"), {
    name: "InputError",
    message: "Cannot encode a text: expected token ids below the model's vocabulary of " +
      `${vocabSize}, got ${vocabSize}`,
  });
});

Deno.test("the fingerprint depends on vocabulary, template and special tokens", () => {
  const fingerprints = [
    smallTokenizer({}),
    smallTokenizer({ template: "{{ messages }}" }),
    smallTokenizer({ specials: ["<pad>"] }),
    smallTokenizer({ config: { bos_token: "<unk>" } }),
    smallTokenizer({ base: "sentencepiece" }),
  ].map(({ fingerprint }) => fingerprint);
  assert.equal(new Set(fingerprints).size, fingerprints.length);
  assert.equal(smallTokenizer({}).fingerprint, fingerprints[0]);
  assert.match(fingerprints[0] ?? "", /^[0-9a-f]{64}$/);
});

Deno.test("createTokenizer() names what is wrong with its files", () => {
  const base = golden.bases.byte_level;
  const [gguf] = golden.ggufs;
  const folder = (tokenizer: unknown, tokenizerConfig: unknown = {}) => () =>
    createTokenizer({ kind: "huggingface", tokenizer, tokenizerConfig }, sizes);
  const metadata = (changes: Record<string, unknown>) => () =>
    createTokenizer({ kind: "gguf", metadata: { ...gguf?.metadata, ...changes } }, sizes);
  for (
    const [run, message] of [
      [folder(null), /expected a tokenizer\.json, got none/],
      [folder([]), /tokenizer\.json/],
      [folder({ ...base, model: { type: "BPE" } }), /tokenizer\.json.*model\.vocab/],
      [folder({ ...base, model: { type: "Morse", vocab: {} } }), /tokenizer\.json.*model\.type/],
      [folder({ ...base, normalizer: { type: "Rot13" } }), /Cannot build the tokenizer.*Rot13/],
      [folder(base, { chat_template: 3 }), /tokenizer_config\.json.*chat_template/],
      [metadata({ "tokenizer.ggml.model": "bert" }), /gpt2 or llama, got bert/],
      [metadata({ "tokenizer.ggml.tokens": undefined }), /tokenizer\.ggml\.tokens/],
      [metadata({ "tokenizer.ggml.scores": [1, 2] }), /expected merges or \d+ scores, got 2/],
      [metadata({ "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "bloom" }), /got bloom/],
    ] as const
  ) {
    assert.throws(
      run,
      (error: Error) => error instanceof InputError && message.test(error.message),
    );
  }
});

Deno.test("createTokenizer() refuses a model without any end token", () => {
  const tokenizer = golden.bases.byte_level;
  assert.throws(
    () =>
      createTokenizer({ kind: "huggingface", tokenizer, tokenizerConfig: {} }, {
        vocabSize: 1000,
        eosTokenIds: [],
      }),
    { name: "InputError", message: /expected an end token/ },
  );
});
