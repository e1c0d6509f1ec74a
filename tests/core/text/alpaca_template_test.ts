import assert from "node:assert/strict";
import { alpacaTemplate } from "../../../core/text/alpaca_template.ts";
import type { Message } from "../../../core/text/example.ts";
import { smallTokenizer } from "./golden.ts";

const bare = smallTokenizer({});
const tokenizer = bare.withTemplate(alpacaTemplate);
const question: Message[] = [{ role: "user", content: "How old is the town?" }];
const preamble = "Below is an instruction that describes a task. Write a response that " +
  "appropriately completes the request.\n\n";

Deno.test("withTemplate() gives a tokenizer without a template one", () => {
  assert.equal(bare.hasTemplate, false);
  assert.equal(tokenizer.hasTemplate, true);
  assert.notEqual(tokenizer.fingerprint, bare.fingerprint);
  assert.deepEqual(tokenizer.encode("How old"), bare.encode("How old"));
});

Deno.test("alpacaTemplate writes Alpaca's prompt; the answer ends with the end token", () => {
  assert.equal(
    tokenizer.renderPrompt(question),
    `<s>${preamble}### Instruction:\nHow old is the town?\n\n### Response:\n`,
  );
  for (const base of ["byte_level", "sentencepiece"] as const) {
    const made = smallTokenizer({ base }).withTemplate(alpacaTemplate);
    const { prompt, response } = made.encodeExchange(question, "800 years");
    assert.equal(response.at(-1), made.endTokenId);
    assert.deepEqual(prompt, made.encode(made.renderPrompt(question)));
    assert.equal(
      made.decode([...prompt, ...response]),
      `${made.renderPrompt(question)}800 years</s>`,
    );
  }
});

Deno.test("alpacaTemplate: a system message opens; dialogues only grow; bos may be missing", () => {
  const messages: Message[] = [
    { role: "system", content: "Be brief." },
    ...question,
    { role: "assistant", content: "800 years" },
    { role: "user", content: "And the bridge?" },
  ];
  assert.equal(
    tokenizer.renderPrompt(messages),
    "<s>Be brief.\n\n### Instruction:\nHow old is the town?\n\n### Response:\n800 years</s>\n\n" +
      "### Instruction:\nAnd the bridge?\n\n### Response:\n",
  );
  const without = smallTokenizer({ config: { bos_token: null } }).withTemplate(alpacaTemplate);
  assert.ok(without.renderPrompt(question).startsWith(preamble));
});
