import assert from "node:assert/strict";
import { diagnoseMessages, diagnoseTemplate } from "../../../core/text/diagnosis.ts";
import { createTokenizer } from "../../../core/text/tokenizer.ts";
import { golden, smallTextFiles, smallTokenizer, template } from "./golden.ts";

type Options = Parameters<typeof smallTextFiles>[0];

function faultsOf(options: Options) {
  return diagnoseTemplate(smallTextFiles(options), smallTokenizer(options));
}

/** A template that writes `begin`, the turns and `end` behind each, and a header for the answer. */
function simple({ begin = "", end = "</s>", header = "assistant:" } = {}): string {
  return `{{ '${begin}' }}{% for m in messages %}{{ m.role + ':' + m.content + '${end}' }}` +
    `{% endfor %}{% if add_generation_prompt %}{{ '${header}' }}{% endif %}`;
}

const addsBos = {
  post_processor: {
    type: "Sequence",
    processors: [{ type: "TemplateProcessing", single: [{ SpecialToken: { id: "<s>" } }] }],
  },
};

Deno.test("diagnoseTemplate() finds nothing wrong with templates that are right", () => {
  const right: Options[] = [
    { template: simple() },
    { template: simple({ begin: "<s>" }), changes: addsBos },
    { template: template("ChatML"), specials: ["<|im_start|>", "<|im_end|>"] },
    { template: template("Llama 2"), base: "sentencepiece" },
    { template: template("Zephyr"), base: "sentencepiece" },
  ];
  for (const options of right) assert.deepEqual(faultsOf(options), []);
});

/** Each fault: the tokenizer that has it, and what is said. */
const faults: [string, Options, RegExp][] = [
  ["no_template", {}, /no chat template: it is a base model/],
  [
    "missing_bos",
    { template: simple(), changes: addsBos },
    /puts <s> before a text, .* without it/,
  ],
  ["missing_bos", { template: simple(), config: { add_bos_token: true } }, /<s>/],
  ["double_bos", { template: simple({ begin: "<s><s>" }) }, /writes <s> twice at the beginning/],
  ["missing_eos", { template: simple({ end: "\\n" }) }, /no end token .*: <\/s> is put there/],
  [
    "double_eos",
    { template: simple({ end: "</s></s>" }) },
    /2 end tokens behind an answer, <\/s> </,
  ],
  [
    "not_prefix_preserving",
    { template: simple({ header: "assistant: <think>" }) },
    /exchange does not begin with the text of its prompt: .*<think>.* becomes .*cannot be trained/,
  ],
  [
    "not_prefix_preserving",
    // as Qwen 3: what was thought is kept in the last answer alone
    {
      template: "{% for m in messages %}{% set c = m.content %}" +
        "{% if not loop.last and '</think>' in c %}{% set c = c.split('</think>')[1] %}{% endif %}" +
        "{{ m.role + ':' + c + '</s>' }}{% endfor %}" +
        "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}",
    },
    /An answer that thinks first is written differently once the dialogue goes on: .*think/,
  ],
  [
    "refused",
    { template: "{{ raise_exception('tools only') }}" },
    /Cannot write a dialogue .*tools only.*, of a question and an answer/,
  ],
];

for (const [kind, options, message] of faults) {
  Deno.test(`diagnoseTemplate() tells ${kind}: ${message.source.slice(0, 40)}`, () => {
    const found = faultsOf(options);
    assert.deepEqual(found.map(({ kind }) => kind), [kind]);
    assert.match(found[0]?.message ?? "", message);
    assert.doesNotMatch(found[0]?.message ?? "", /\.$|\n/);
  });
}

Deno.test("diagnoseTemplate() reads from a GGUF file whether its tokenizer adds the begin token", () => {
  const { metadata } = golden.ggufs[0] ?? assert.fail();
  for (const adds of [true, false]) {
    const files = {
      kind: "gguf" as const,
      metadata: {
        ...metadata,
        "tokenizer.chat_template": simple(),
        "tokenizer.ggml.add_bos_token": adds,
      },
    };
    const tokenizer = createTokenizer(files, { vocabSize: 1000, eosTokenIds: [2] });
    const kinds = diagnoseTemplate(files, tokenizer).map(({ kind }) => kind);
    assert.equal(kinds.includes("missing_bos"), adds);
  }
});

Deno.test("diagnoseMessages() counts the messages that hold a special token", () => {
  const files = smallTextFiles({ specials: ["<|im_start|>"] });
  const texts = ["fine", "<s>[INST] twice", "a </s> and </s>", "b</s>"];
  const found = diagnoseMessages(files, texts);
  assert.deepEqual(found.map(({ kind }) => kind), ["special_in_text", "special_in_text"]);
  assert.match(found[0]?.message ?? "", /^<s> stands in 1 of 4 messages and is read as the token/);
  assert.match(found[1]?.message ?? "", /^<\/s> stands in 2 of 4 messages/);
  assert.deepEqual(diagnoseMessages(files, ["<s >", "im_start"]), []);
});

Deno.test("a tokenizer tells its template's hash, whatever else it is made of", () => {
  const one = smallTokenizer({ template: simple() });
  const same = smallTokenizer({ template: simple(), specials: ["<|im_start|>"] });
  const other = smallTokenizer({ template: simple({ begin: "<s>" }) });
  assert.match(one.templateHash ?? "", /^[0-9a-f]{64}$/);
  assert.equal(one.templateHash, same.templateHash);
  assert.notEqual(one.fingerprint, same.fingerprint);
  assert.notEqual(one.templateHash, other.templateHash);
  assert.equal(smallTokenizer({}).templateHash, null);
  assert.equal(smallTokenizer({}).withTemplate(simple()).templateHash, one.templateHash);
});
