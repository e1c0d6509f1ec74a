import assert from "node:assert/strict";
import { ggufTextFiles } from "../../../core/text/tokenizer_files.ts";
import { createTokenizer } from "../../../core/text/tokenizer.ts";
import { golden, template } from "./golden.ts";

const sizes = { vocabSize: 1000, eosTokenIds: [2] };

function asFolder(metadata: Record<string, unknown>) {
  const files = ggufTextFiles(metadata);
  return createTokenizer({
    kind: "huggingface",
    tokenizer: JSON.parse(files["tokenizer.json"] ?? ""),
    tokenizerConfig: JSON.parse(files["tokenizer_config.json"] ?? ""),
  }, sizes);
}

for (const { name, metadata, ids } of golden.ggufs) {
  Deno.test(`ggufTextFiles() make the GGUF's own tokenizer: ${name}`, () => {
    const written = asFolder(metadata);
    const own = createTokenizer({ kind: "gguf", metadata }, sizes);
    assert.deepEqual(golden.texts.map(written.encode), ids);
    ids.forEach((one) => assert.equal(written.decode(one), own.decode(one)));
    assert.deepEqual(written.endTokenIds, own.endTokenIds);
    assert.deepEqual(written.specialTokenIds, own.specialTokenIds);
  });
}

Deno.test("ggufTextFiles() carry the chat template and the named tokens", () => {
  const [first] = golden.ggufs;
  assert.ok(first);
  const metadata = { ...first.metadata, "tokenizer.chat_template": template("Zephyr") };
  const question = [{ role: "user" as const, content: "How old is the town?" }];
  const own = createTokenizer({ kind: "gguf", metadata }, sizes);
  assert.equal(asFolder(metadata).renderPrompt(question), own.renderPrompt(question));
  assert.deepEqual(
    asFolder(metadata).encodeExchange(question, "800 years"),
    own.encodeExchange(question, "800 years"),
  );
});
