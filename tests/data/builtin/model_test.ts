import assert from "node:assert/strict";
import { holdDecoder } from "../../../core/models/held.ts";
import { createPolicy } from "../../../core/policy.ts";
import { scoreSequences } from "../../../core/front/evaluate.ts";
import { tokenLoss } from "../../../core/pretrain.ts";
import { createTokenizer } from "../../../core/text/tokenizer.ts";
import { BuiltinModel } from "../../../data/builtin/mod.ts";
import { builtinTokenizer } from "../../../data/builtin/tokenizer.ts";
import { createWorld, promptMessages } from "../../../data/builtin/world.ts";
import { openModel } from "../../../data/models.ts";
import { readFolderVerified } from "../../../data/store/manifest.ts";
import { eachEngine } from "../../engines.ts";

const remake = "run `deno task builtin` after a change of the world";

Deno.test("the built-in model's files are whole, at most 5 MB, and of the present world", async () => {
  const files = await readFolderVerified(BuiltinModel.folder);
  const bytes = Object.values(files).reduce((sum, { length }) => sum + length, 0);
  assert.ok(bytes <= 5e6, `${bytes} bytes`);
  const model = await openModel(BuiltinModel.folder);
  model.close();
  const { tokenizer, tokenizerConfig, vocabSize } = builtinTokenizer(createWorld());
  assert.deepEqual(model.text, { kind: "huggingface", tokenizer, tokenizerConfig }, remake);
  assert.equal(model.config.vocabSize, vocabSize);
});

eachEngine(
  "the built-in model gives every answer to unseen prompts a fair share",
  async (engine) => {
    const { test } = createWorld();
    const model = await openModel(BuiltinModel.folder);
    const tokenizer = createTokenizer(model.text, model.config);
    const held = await holdDecoder(engine, model.weights);
    model.close();
    const sequences = test.flatMap((prompt) =>
      prompt.answers.map(({ text }) => {
        const ids = tokenizer.encodeExchange(promptMessages(prompt), text);
        return { prompt: Int32Array.from(ids.prompt), response: Int32Array.from(ids.response) };
      })
    );
    const policy = createPolicy(engine, held, null);
    const options = { rowLength: 64, maxTokens: 2048 };
    const [scores = new Float32Array()] = await scoreSequences(policy, sequences, [[]], options);
    held.dispose();

    // Of 16 texts to a prompt 8 are said once and 4 twice: 2.43 nats over about 16 tokens.
    const loss = tokenLoss(sequences, scores);
    assert.ok(loss < 0.17, `loss ${loss}: ${remake}`);
    let at = 0;
    for (const { text, answers } of test) {
      const weights = answers.map(() => Math.exp(scores[at++] ?? NaN));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      // Each answer's two texts have half a share each, and hardly anything is left for other texts.
      assert.ok(total > 0.4 && total < 0.6, `${text}: ${total}`);
      weights.forEach((weight, a) => {
        const share = weight / total;
        assert.ok(share > 0.09 && share < 0.31, `${text} ${answers[a]?.kind}: ${share}`);
      });
    }
  },
);
