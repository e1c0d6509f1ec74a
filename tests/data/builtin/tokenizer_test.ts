import assert from "node:assert/strict";
import { createTokenizer } from "../../../core/text/tokenizer.ts";
import { builtinTokenizer, END_TOKEN, specialTokens } from "../../../data/builtin/tokenizer.ts";
import { createWorld, promptMessages } from "../../../data/builtin/world.ts";
import golden from "../../golden/builtin_ids.json" with { type: "json" };

const world = createWorld();
const files = builtinTokenizer(world);
const end = specialTokens.indexOf(END_TOKEN);
const tokenizer = createTokenizer(
  { kind: "huggingface", tokenizer: files.tokenizer, tokenizerConfig: files.tokenizerConfig },
  { vocabSize: files.vocabSize, eosTokenIds: [end] },
);

Deno.test("builtinTokenizer() gives ids and chats as PyPI transformers reads its files", () => {
  for (const { text, ids } of golden.texts) {
    assert.deepEqual(tokenizer.encode(text), ids, text);
    assert.equal(tokenizer.decode(ids), text);
  }
  const dialogue = golden.dialogue.map(({ role, content }) => ({
    role: role === "system" ? "system" as const : "user" as const,
    content,
  }));
  assert.equal(tokenizer.renderPrompt(dialogue), golden.rendered);
});

Deno.test("builtinTokenizer(): words are single tokens, answers ≤ 24 and exchanges ≤ 48 tokens", () => {
  assert.ok(files.vocabSize <= 1000);
  assert.equal(tokenizer.endTokenId, end);
  for (const prompt of [...world.train, ...world.test]) {
    for (const { text } of prompt.answers) {
      const exchange = tokenizer.encodeExchange(promptMessages(prompt), text);
      // Words and punctuation marks, and the end token.
      assert.equal(exchange.response.length, (text.match(/\w+|[^\w\s]/g) ?? []).length + 1, text);
      assert.ok(exchange.response.length <= 24);
      assert.ok(exchange.prompt.length + exchange.response.length <= 48);
      assert.equal(exchange.response.indexOf(end), exchange.response.length - 1);
      assert.equal(tokenizer.decode(exchange.response), text + END_TOKEN);
    }
  }
});

Deno.test("builtinTokenizer() is a function of the world", () => {
  assert.equal(JSON.stringify(builtinTokenizer(createWorld())), JSON.stringify(files));
});
