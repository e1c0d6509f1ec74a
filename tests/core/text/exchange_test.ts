import assert from "node:assert/strict";
import fc from "fast-check";
import type { Message } from "../../../core/text/example.ts";
import { createTokenizer } from "../../../core/text/tokenizer.ts";
import { golden, smallTokenizer, template } from "./golden.ts";

const chatMl = ["<|im_start|>", "<|im_end|>"];
const llama3 = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"];
const question: Message[] = [{ role: "user", content: "How old is the town?" }];

/** Every family of templates: how its tokenizer is made and the text of one exchange. */
const families = [
  {
    name: "ChatML",
    make: () => smallTokenizer({ template: template("ChatML"), specials: chatMl }),
    prompt:
      "<|im_start|>system\nYou are helpful<|im_end|>\n<|im_start|>user\nHow old is the town?" +
      "<|im_end|>\n<|im_start|>assistant\n",
    response: "800 years<|im_end|>",
  },
  {
    name: "Llama 2",
    make: () => smallTokenizer({ template: template("Llama 2"), base: "sentencepiece" }),
    prompt: "<s>[INST] How old is the town? [/INST]",
    response: " 800 years </s>",
  },
  {
    name: "Llama 3",
    make: () =>
      smallTokenizer({
        template: template("Llama 3"),
        specials: llama3,
        config: { bos_token: "<|begin_of_text|>", eos_token: "<|eot_id|>" },
      }),
    prompt: "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHow old is the town?" +
      "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    response: "800 years<|eot_id|>",
  },
  {
    name: "Zephyr",
    make: () => smallTokenizer({ template: template("Zephyr"), base: "sentencepiece" }),
    prompt: "<|user|>\nHow old is the town?</s>\n<|assistant|>\n",
    response: "800 years</s>",
  },
];

for (const { name, make, prompt, response } of families) {
  Deno.test(`encodeExchange() splits ${name} after the header and ends with one end token`, () => {
    const tokenizer = make();
    const ids = tokenizer.encodeExchange(question, "800 years");
    assert.equal(tokenizer.renderPrompt(question), prompt);
    assert.deepEqual(ids.prompt, tokenizer.encode(prompt));
    // The two together are what the model would have read as one text.
    assert.deepEqual([...ids.prompt, ...ids.response], tokenizer.encode(prompt + response));
    assert.equal(ids.response.at(-1), tokenizer.endTokenId);
    assert.equal(ids.response.filter((id) => id === tokenizer.endTokenId).length, 1);
  });

  Deno.test(`encodeExchange() of ${name}: any answer has one end token and its prompt's ids`, () => {
    const tokenizer = make();
    const promptIds = tokenizer.encode(tokenizer.renderPrompt(question));
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (answer) => {
        const ids = tokenizer.encodeExchange(question, answer);
        assert.deepEqual(ids.prompt, promptIds);
        assert.equal(ids.response.indexOf(tokenizer.endTokenId), ids.response.length - 1);
        const text = tokenizer.decode([...ids.prompt, ...ids.response]);
        assert.ok(text.includes(answer.trim()), `${JSON.stringify(answer)} in ${text}`);
      }),
      { numRuns: 50 },
    );
  });
}

for (const { name, template: source, dialogues } of golden.templates) {
  Deno.test(`renderPrompt() writes what transformers writes: ${name}`, () => {
    const tokenizer = smallTokenizer({ template: source });
    for (const { messages, addGenerationPrompt, text } of dialogues) {
      if (addGenerationPrompt) assert.equal(tokenizer.renderPrompt(messages), text);
    }
  });
}

const header = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const turns = (end: string) =>
  "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '" + end +
  "' + '\n' }}{% endfor %}" + header;

Deno.test("encodeExchange() adds the end token that a template leaves out", () => {
  const tokenizer = smallTokenizer({ template: turns(""), specials: chatMl });
  const { response } = tokenizer.encodeExchange(question, "800");
  assert.deepEqual(response, [...tokenizer.encode("800\n"), 2]);
  assert.equal(tokenizer.endTokenId, 2);
});

Deno.test("encodeExchange() keeps one of two end tokens", () => {
  const tokenizer = smallTokenizer({ template: turns("<|im_end|></s>"), specials: chatMl });
  const { response } = tokenizer.encodeExchange(question, "800");
  assert.deepEqual(response, tokenizer.encode("800<|im_end|>"));
});

Deno.test("encodeExchange() ends at an end token inside the answer", () => {
  const tokenizer = smallTokenizer({ template: turns("<|im_end|>"), specials: chatMl });
  const { response } = tokenizer.encodeExchange(question, "800</s> years");
  assert.deepEqual(response, tokenizer.encode("800<|im_end|>"));
});

Deno.test("the end token is the one the template writes, not only the configured one", () => {
  const tokenizer = smallTokenizer({ template: turns("<|im_end|>"), specials: chatMl });
  assert.deepEqual([tokenizer.endTokenId], tokenizer.encode("<|im_end|>"));
});

Deno.test("renderPrompt() writes the beginning token once", () => {
  const tokenizer = smallTokenizer({ template: "{{ bos_token + bos_token }}" + turns("</s>") });
  assert.match(tokenizer.renderPrompt(question), /^<s><\|im_start\|>/);
});

Deno.test("encodeExchange() keeps the prompt's ids when the answer would join its last token", () => {
  // The header ends with "th", the answer begins with "e".
  const source = "{% for m in messages %}{{ m['role'] + ': th' }}" +
    "{% if m['role'] == 'assistant' %}{{ m['content'] }}{% endif %}{% endfor %}" +
    "{% if add_generation_prompt %}{{ 'assistant: th' }}{% endif %}";
  for (const base of ["byte_level", "sentencepiece"] as const) {
    const tokenizer = smallTokenizer({ template: source, base });
    const head = tokenizer.encode(tokenizer.renderPrompt(question));
    const { prompt, response } = tokenizer.encodeExchange(question, "e bridge");
    // The case is the one meant: read as one text, "th" and "e" join.
    const whole = tokenizer.encode(`${tokenizer.renderPrompt(question)}e bridge`);
    assert.notDeepEqual(whole.slice(0, head.length), head);
    assert.deepEqual(prompt, head);
    assert.equal(
      tokenizer.decode([...prompt, ...response]),
      `${tokenizer.renderPrompt(question)}e bridge</s>`,
    );
  }
});

Deno.test("encodeExchange() refuses a template that does not preserve the prompt", () => {
  const source = "{% for m in messages %}{{ loop.length ~ m['content'] }}{% endfor %}";
  assert.throws(
    () => smallTokenizer({ template: source }).encodeExchange(question, "800"),
    { name: "InputError", message: /prefix-preserving/ },
  );
});

Deno.test("a template's refusal is an InputError with its words", () => {
  const tokenizer = smallTokenizer({ template: template("Llama 2"), base: "sentencepiece" });
  assert.throws(() => tokenizer.renderPrompt([...question, ...question]), {
    name: "InputError",
    message: /Cannot write a dialogue .*must alternate/,
  });
});

Deno.test("a model without a chat template encodes text, but no dialogue", () => {
  const tokenizer = smallTokenizer({});
  assert.ok(tokenizer.encode("Hello").length > 0);
  assert.throws(() => tokenizer.renderPrompt(question), {
    name: "InputError",
    message: /expected a model with a chat template/,
  });
});

Deno.test("of several chat templates the default one is taken, and chat_template.jinja wins", () => {
  const named = (names: string[]) => ({
    config: { chat_template: names.map((name) => ({ name, template: name })) },
  });
  assert.equal(smallTokenizer(named(["tool_use", "default"])).renderPrompt(question), "default");
  assert.equal(smallTokenizer(named(["rag"])).renderPrompt(question), "rag");
  assert.throws(() => smallTokenizer(named(["rag", "tool_use"])), /got rag, tool_use/);
  const tokenizer = createTokenizer({
    kind: "huggingface",
    tokenizer: golden.bases.byte_level,
    tokenizerConfig: { chat_template: "old" },
    chatTemplate: "new",
  }, { vocabSize: 1000, eosTokenIds: [2] });
  assert.equal(tokenizer.renderPrompt(question), "new");
});

Deno.test("a template that asks for the date always gets the same one", () => {
  const source = "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y %%') }}{% endif %}";
  assert.equal(smallTokenizer({ template: source }).renderPrompt(question), "26 Jul 2024 %");
});

Deno.test("a template that is not Jinja is an InputError", () => {
  assert.throws(() => smallTokenizer({ template: "{% for %}" }), {
    name: "InputError",
    message: /Cannot read the chat template/,
  });
});
