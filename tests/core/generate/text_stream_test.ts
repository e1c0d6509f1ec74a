import assert from "node:assert/strict";
import fc from "fast-check";
import { createTextStream } from "../../../core/generate/text_stream.ts";
import { BuiltinModel } from "../../../data/builtin/mod.ts";
import type { ChatTokenizer } from "../../../core/text/tokenizer.ts";
import { createTokenizer } from "../../../core/text/tokenizer.ts";
import { openModel } from "../../../data/models.ts";
import { golden, smallTokenizer } from "../text/golden.ts";
import { needsModel, smolLm2Path, smolLm2Tokenizer } from "../text/smollm2.ts";

/** The pieces of a stream, the end included. */
function pieces(tokenizer: ChatTokenizer, ids: number[]): string[] {
  const stream = createTextStream(tokenizer.decode, { hidden: tokenizer.specialTokenIds });
  return [...ids.map((id) => stream.push(id)), stream.end()];
}

const texts = [
  ...golden.texts,
  "naïve café — 🎉🎉 日本語 \u{1f469}‍\u{1f469}‍\u{1f467} e\u0301",
  "  two  blanks\n\n\ttab ",
];

function checkStream(tokenizer: ChatTokenizer, ids: number[]): void {
  const shown = ids.filter((id) => !tokenizer.specialTokenIds.has(id));
  const told = pieces(tokenizer, ids);
  assert.equal(told.join(""), tokenizer.decode(shown));
  told.slice(0, -1).forEach((piece) => assert.ok(piece.isWellFormed(), JSON.stringify(piece)));
}

for (const base of ["byte_level", "sentencepiece"] as const) {
  Deno.test(`createTextStream() joins to the decoded whole: ${base}`, () => {
    const tokenizer = smallTokenizer({ base });
    for (const text of texts) {
      const ids = tokenizer.encode(text);
      checkStream(tokenizer, ids);
      // no piece but the last shows half a character
      const told = pieces(tokenizer, ids).slice(0, -1).join("");
      assert.ok(!told.includes("\ufffd"), JSON.stringify(told));
    }
  });

  Deno.test(`createTextStream() joins to the decoded whole for any ids: ${base}`, () => {
    const tokenizer = smallTokenizer({ base });
    const size = Object.keys(golden.bases[base]?.model.vocab ?? {}).length;
    fc.assert(fc.property(
      fc.array(fc.integer({ min: 0, max: size - 1 }), { maxLength: 40 }),
      (ids) => checkStream(tokenizer, ids),
    ));
  });
}

Deno.test("createTextStream() tells a token's text at once where nothing of it can change", () => {
  const tokenizer = smallTokenizer({ base: "byte_level" });
  const ids = tokenizer.encode("How old is the bridge?");
  const told = pieces(tokenizer, ids);
  assert.ok(told.slice(0, -1).every((piece) => piece !== "") && told.at(-1) === "");
});

Deno.test("createTextStream() waits for the bytes of a character, and tells what never comes", () => {
  const tokenizer = smallTokenizer({ base: "byte_level" });
  const ids = tokenizer.encode("a🎉"); // four bytes, a token each
  assert.deepEqual(pieces(tokenizer, ids), ["a", "", "", "", "🎉", ""]);
  assert.deepEqual(pieces(tokenizer, ids.slice(0, 3)), ["a", "", "", "\ufffd"]);
  const [, first = 0] = ids;
  assert.deepEqual(pieces(tokenizer, [first, ...tokenizer.encode("b")]), ["", "\ufffdb", ""]);
});

Deno.test("createTextStream() does not show special tokens", () => {
  const tokenizer = smallTokenizer({ base: "byte_level", specials: ["<|im_end|>"] });
  const ids = tokenizer.encode("a<|im_end|>b</s>");
  assert.equal(tokenizer.decode(ids), "a<|im_end|>b</s>");
  assert.equal(pieces(tokenizer, ids).join(""), "ab");
});

Deno.test("createTextStream() joins to the decoded whole with the built-in tokenizer", async () => {
  const model = await openModel(BuiltinModel.folder);
  model.close();
  const { vocabSize, eosTokenIds } = model.config;
  const tokenizer = createTokenizer(model.text, { vocabSize, eosTokenIds });
  assert.ok(tokenizer.specialTokenIds.has(tokenizer.endTokenId));
  fc.assert(fc.property(
    fc.array(fc.integer({ min: 0, max: vocabSize - 1 }), { maxLength: 40 }),
    (ids) => checkStream(tokenizer, ids),
  ));
});

Deno.test({
  name: `createTextStream() joins to the decoded whole with SmolLM2's tokenizer${needsModel}`,
  ignore: !smolLm2Path,
  async fn() {
    const tokenizer = await smolLm2Tokenizer();
    for (const text of texts) checkStream(tokenizer, tokenizer.encode(text));
    fc.assert(fc.property(
      fc.array(fc.integer({ min: 0, max: 49151 }), { maxLength: 30 }),
      (ids) => checkStream(tokenizer, ids),
    ));
  },
});
