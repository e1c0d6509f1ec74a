import assert from "node:assert/strict";
import { textCheckText } from "../../commands/text_check_text.ts";
import { RunConfig } from "../../core/config.ts";
import { checkText, type TextRequest } from "../../workers/text_check.ts";
import { withFiles } from "../data/datasets/files.ts";

const options = {
  env: () => undefined,
  signal: new AbortController().signal,
  onEvent: () => {},
};

function check(given: Partial<TextRequest>) {
  const { dataset, objective, max_length, overlong, revision } = RunConfig.parse({});
  const request = { dataset, objective, max_length, overlong, revision, model: "builtin" };
  return checkText({ ...request, ...given }, options);
}

const pair = (prompt: string, [chosen, rejected]: [string, string]) => ({
  prompt,
  response_0: chosen,
  response_1: rejected,
  kind: 0,
  true: 1,
});

Deno.test("checkText() shows three examples as training reads them, and what is learned", async () => {
  const rows = Array.from({ length: 9 }, (_, i) => pair(`Q${i}`, [`good ${i}`, `bad ${i}`]));
  await withFiles({ "a.jsonl": rows }, async ({ "a.jsonl": dataset = "" }) => {
    const report = await check({ dataset });
    assert.deepEqual(report.examples.map(({ number }) => number), [1, 4, 7]);
    const [first, second] = report.examples[0]?.sequences ?? [];
    assert.equal(first?.title, "chosen in kind; rejected in true");
    assert.equal(second?.title, "chosen in true; rejected in kind");
    assert.deepEqual(first?.segments, [
      { text: "<|user|>Q0<|end|><|assistant|>", learned: false },
      { text: "good 0<|end|>", learned: true },
    ]);
    assert.equal(second?.segments[1]?.text, "bad 0<|end|>");
    assert.ok(first && 0 < first.learned && first.learned < first.tokens);
    assert.deepEqual(report.warnings, []);
    assert.equal(report.endToken, "<|end|>");

    const plain = textCheckText(report, { colour: false });
    assert.match(plain, /\n {2}<\|user\|>Q0<\|end\|><\|assistant\|>\[\[good 0<\|end\|>\]\]\n/);
    assert.match(plain, /\n {2}… \[\[bad 0<\|end\|>\]\]\n/);
    assert.match(plain, /\nNothing wrong was found$/);
    // deno-lint-ignore no-control-regex -- escape codes are what is looked for
    assert.doesNotMatch(plain, /\x1b/);
    const coloured = textCheckText(report, { colour: true });
    assert.ok(coloured.includes("<|assistant|>\x1b[32mgood 0<|end|>\x1b[0m\n"));
    assert.ok(!coloured.includes("[["));
  });
});

Deno.test("checkText() marks every answer of a dialogue, and nothing between them", async () => {
  const turn = (role: string, content: string) => ({ role, content });
  const messages = [
    turn("user", "A"),
    turn("assistant", "one"),
    turn("user", "B"),
    turn("assistant", "two"),
  ];
  await withFiles({ "a.jsonl": [{ messages }] }, async ({ "a.jsonl": dataset = "" }) => {
    const { examples } = await check({ dataset, objective: "sft" });
    assert.deepEqual(examples[0]?.sequences[0]?.segments, [
      { text: "<|user|>A<|end|><|assistant|>", learned: false },
      { text: "one<|end|>", learned: true },
      { text: "<|user|>B<|end|><|assistant|>", learned: false },
      { text: "two<|end|>", learned: true },
    ]);
  });
});

Deno.test("checkText() warns of two prompts in a pair, and of special tokens in the texts", async () => {
  const turn = (role: string, content: string) => ({ role, content });
  const row = (a: string, b: string) => ({
    chosen: [turn("user", a), turn("assistant", "x<|end|>")],
    rejected: [turn("user", b), turn("assistant", "y \x1b[31mred")],
  });
  const rows = [row("A", "A"), row("A", "B"), row("C", "D")];
  await withFiles({ "a.jsonl": rows }, async ({ "a.jsonl": path = "" }) => {
    const report = await check({ dataset: `kind=${path}` });
    assert.deepEqual(report.warnings.map(({ kind }) => kind), ["special_in_text", "two_prompts"]);
    assert.equal(
      report.warnings[1]?.message,
      "The two responses have different prompts in 2 of 3 rows: those are left out",
    );
    const text = textCheckText(report, { colour: true });
    assert.match(text, /\nWarnings\n {2}<\|end\|> stands in 1 of 3 messages/);
    assert.ok(!text.includes("\x1b[31m"), "what a file holds steers no terminal");
    // The response ends at its first end token, as training would have it.
    assert.equal(report.examples[0]?.sequences[0]?.segments[1]?.text, "x<|end|>");
  });
});

Deno.test("checkText() shows what fits, and cuts what is long", async () => {
  const rows = [
    pair("Q", ["word ".repeat(90), "bad"]),
    pair("R", ["word ".repeat(400), "bad"]),
  ];
  await withFiles({ "a.jsonl": rows }, async ({ "a.jsonl": dataset = "" }) => {
    const some = await check({ dataset, max_length: 500 });
    assert.deepEqual(some.examples.map(({ number }) => number), [1]);
    assert.doesNotMatch(textCheckText(some, { colour: false }), /characters/);
    const all = await check({ dataset, max_length: 5000 });
    assert.match(textCheckText(all, { colour: false }), / … \(1 \d\d\d characters\) … /);
    const none = await check({ dataset, max_length: 8 });
    assert.match(textCheckText(none, { colour: false }), /\nNo example fits into max_length\n/);
  });
});
