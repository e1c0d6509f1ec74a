import assert from "node:assert/strict";
import { loadDataset } from "../../../data/datasets/mod.ts";
import { needsData, sharedData } from "../../core/text/smollm2.ts";
import { withFiles } from "./files.ts";

const dialogue = (question: string, answer: string) =>
  `\n\nHuman: ${question}\n\nAssistant: ${answer}`;
const hhRow = (question: string) => ({
  chosen: dialogue(question, "good"),
  rejected: dialogue(question, "bad"),
});
const pair = (labels: Record<string, unknown>) => ({
  prompt: "Why?",
  response_0: "a",
  response_1: "b",
  ...labels,
});
const why = [{ role: "user", content: "Why?" }];

Deno.test("loadDataset() gives each dimension the pairs of its own HH files", async () => {
  const files = { "a.jsonl": [hhRow("A")], "a2.jsonl.gz": [hhRow("A2")], "b.jsonl": [hhRow("B")] };
  await withFiles(files, async (paths) => {
    const spec = `helpful=${paths["a.jsonl"]}+${paths["a2.jsonl.gz"]},harmless=${paths["b.jsonl"]}`;
    const { dimensions, examples } = await loadDataset(spec);
    assert.deepEqual(dimensions, ["helpful", "harmless"]);
    assert.deepEqual(
      examples,
      [["A", 0, null], ["A2", 0, null], ["B", null, 0]].map(
        ([content, ...better]) => ({
          prompt: [{ role: "user", content }],
          responses: ["good", "bad"],
          better,
        }),
      ),
    );
  });
});

Deno.test("loadDataset() reads HH dialogues of several turns, without the blanks around them", async () => {
  const start = "\n\nHuman: Hi \n\nAssistant: Hello\n\nAssistant: you\n\nHuman: Two\n\nlines";
  const rows = [{ chosen: `${start}\n\nAssistant: yes `, rejected: `${start}\n\nAssistant: no` }];
  await withFiles({ "a.jsonl": rows }, async (paths) => {
    const { examples } = await loadDataset(`x=${paths["a.jsonl"]}`);
    assert.deepEqual(examples, [{
      prompt: [
        { role: "user", content: "Hi" },
        { role: "assistant", content: "Hello" },
        { role: "assistant", content: "you" },
        { role: "user", content: "Two\n\nlines" },
      ],
      responses: ["yes", "no"],
      better: [0],
    }]);
  });
});

Deno.test("loadDataset() leaves out HH pairs of two prompts and pairs of equal responses", async () => {
  const rows = [
    hhRow("A"),
    { chosen: dialogue("A", "good"), rejected: dialogue("B", "bad") },
    { chosen: dialogue("A", "same"), rejected: dialogue("A", "same") },
  ];
  await withFiles({ "a.jsonl": rows }, async (paths) => {
    assert.equal((await loadDataset(`x=${paths["a.jsonl"]}`)).examples.length, 1);
  });
});

Deno.test("loadDataset() reads both labels of PKU-SafeRLHF, and rows that have one", async () => {
  const files = {
    "dual.jsonl": [pair({ better_response_id: 0, safer_response_id: 1, is_response_0_safe: true })],
    "safer.jsonl": [pair({ safer_response_id: 0 })],
  };
  await withFiles(files, async (paths) => {
    const both = await loadDataset(`${paths["dual.jsonl"]}+${paths["safer.jsonl"]}`);
    assert.deepEqual(both.dimensions, ["helpful", "harmless"]);
    assert.deepEqual(both.examples.map(({ better }) => better), [[0, 1], [null, 0]]);
    assert.deepEqual(both.examples[0]?.prompt, why);
    assert.deepEqual(both.examples[0]?.responses, ["a", "b"]);
    assert.deepEqual((await loadDataset(`${paths["safer.jsonl"]}`)).dimensions, ["harmless"]);
    // A file of labelled rows may also be given to one dimension, under another name where it is
    // the file's only label.
    const named = await loadDataset(`helpful=${paths["dual.jsonl"]},safe=${paths["safer.jsonl"]}`);
    assert.deepEqual(named.examples.map(({ better }) => better), [[0, null], [null, 0]]);
    await assert.rejects(loadDataset(`safe=${paths["dual.jsonl"]}`), {
      name: "InputError",
      message: /dimension safe from .*one of its labels helpful, harmless, got safe/,
    });
  });
});

Deno.test("loadDataset() reads one column per dimension and ignores remarks", async () => {
  const rows = [
    pair({ source: "x", concise: 1, detailed: 0, polite: null }),
    { ...pair({ concise: null, polite: 1 }), prompt: why },
    pair({ id: "c", note: null }),
  ];
  await withFiles({ "a.jsonl": rows }, async (paths) => {
    const all = await loadDataset(`${paths["a.jsonl"]}`);
    assert.deepEqual(all.dimensions, ["concise", "detailed", "polite"]);
    // The third row has no label at all.
    assert.deepEqual(all.examples.map(({ better }) => better), [[1, 0, null], [null, null, 1]]);
    assert.deepEqual(all.examples.map(({ prompt }) => prompt), [why, why]);

    const two = await loadDataset(`${paths["a.jsonl"]}`, { dimensions: ["polite", "concise"] });
    assert.deepEqual(two.dimensions, ["polite", "concise"]);
    assert.deepEqual(two.examples.map(({ better }) => better), [[null, 1], [1, null]]);
    assert.notEqual(two.fingerprint, all.fingerprint);

    const one = await loadDataset(`detailed=${paths["a.jsonl"]}`);
    assert.deepEqual(one.examples.map(({ better }) => better), [[0]]);
  });
});

Deno.test("loadDataset(): dimensions asked for by name make the other columns remarks", async () => {
  const rows = [pair({ annotator: 1, kind: 0 }), pair({ annotator: 3, kind: 1 })];
  await withFiles({ "a.jsonl": rows }, async (paths) => {
    const { dimensions } = await loadDataset(`${paths["a.jsonl"]}`, { dimensions: ["kind"] });
    assert.deepEqual(dimensions, ["kind"]);
    await assert.rejects(loadDataset(`${paths["a.jsonl"]}`), {
      name: "InputError",
      message: /a\.jsonl:2: expected 0, 1 or nothing in the field annotator, got 3$/,
    });
  });
});

Deno.test("loadDataset(): the fingerprint is that of the content", async () => {
  const files = { "a.jsonl": [hhRow("A")], "b.jsonl.gz": [hhRow("A")], "c.jsonl": [hhRow("C")] };
  await withFiles(files, async (paths) => {
    const [a, b, c, renamed] = await Promise.all(
      [
        `x=${paths["a.jsonl"]}`,
        `x=${paths["b.jsonl.gz"]}`,
        `x=${paths["c.jsonl"]}`,
        `y=${paths["a.jsonl"]}`,
      ]
        .map((spec) => loadDataset(spec)),
    );
    assert.equal(a?.fingerprint, b?.fingerprint);
    assert.notEqual(a?.fingerprint, c?.fingerprint);
    assert.notEqual(a?.fingerprint, renamed?.fingerprint);
    assert.match(a?.fingerprint ?? "", /^[0-9a-f]{64}$/);
  });
});

Deno.test("loadDataset() names file, line and field of a malformed row", async () => {
  const good = hhRow("A");
  const wrong: [string, unknown[], RegExp][] = [
    ["x=", [good, { ...good, rejected: 3 }], /:2: expected a text in the field rejected, got 3/],
    ["x=", [{ ...good, chosen: "Hello" }], /:1: expected a dialogue .* in the field chosen/],
    ["x=", [{ ...good, chosen: "\n\nHuman: Hi" }], /:1: expected a dialogue .* chosen/],
    ["x=", [good, [1]], /:2: expected one JSON object a line, got \[1\]/],
    ["x=", [good, null], /:2: expected one JSON object a line, got null/],
    ["", [pair({ safer_response_id: 2 })], /:1: expected 0, 1 or nothing in the field safer_resp/],
    [
      "",
      [pair({ a: 0 }), pair({ a: "1" })],
      /:2: expected 0, 1 or nothing in the field a, got "1"/,
    ],
    ["", [{ ...pair({ a: 0 }), prompt: [] }], /:1: expected a text or a list .* prompt, got \[\]/],
    ["", [{ ...pair({ a: 0 }), prompt: [{ role: "bot", content: "" }] }], /field prompt/],
    ["", [{ ...pair({ a: 0 }), response_1: null }], /in the field response_1, got null/],
    [
      "",
      [{ text: "x" }],
      /expected rows with chosen, rejected as dialogues .*; or --columns .*, got text$/,
    ],
    ["", [good], /expected the name of its dimension \(as in helpful=/],
    ["x=", [], /expected at least one row, got none/],
    ["", [pair({})], /expected pairs .* with a label in some dimension, got none/],
    ["x=", [pair({})], /expected rows with a label, got none/],
    ["x=", [{ chosen: good.chosen, rejected: good.chosen }], /of two different responses/],
    ["", [pair({ a: 0 }), { ...pair({ b: 0 }), response_0: "b" }], /out of a, got b|dimension b/],
  ];
  for (const [prefix, rows, message] of wrong) {
    await withFiles({ "a.jsonl": rows }, async (paths) => {
      const dimensions = message.source.includes("got b") ? ["a", "b"] : undefined;
      await assert.rejects(
        loadDataset(`${prefix}${paths["a.jsonl"]}`, { dimensions }),
        (error: Error) => error.name === "InputError" && message.test(error.message),
        message.source,
      );
    });
  }
});

Deno.test("loadDataset() refuses dimensions that do not exist or repeat", async () => {
  await withFiles({ "a.jsonl": [pair({ concise: 0, polite: 1 })] }, async (paths) => {
    const ask = (...dimensions: string[]) => loadDataset(`${paths["a.jsonl"]}`, { dimensions });
    await assert.rejects(ask("concise", "funny"), {
      name: "InputError",
      message: /expected dimensions out of concise, polite, got funny/,
    });
    await assert.rejects(ask("polite", "polite"), /each dimension once, got polite twice/);
    await assert.rejects(ask(), /out of concise, polite, got none/);
  });
});

Deno.test({
  name: `loadDataset() reads every sample of the shared data that fits a reader${needsData}`,
  ignore: !sharedData,
  async fn() {
    const at = (file: string) => `${sharedData}${file}.jsonl.gz`;
    // Counts are those of the data's README: every row has two different responses.
    const expected: [string, string[], number][] = [
      [`helpful=${at("hh/helpful-base.train")}`, ["helpful"], 833],
      [
        `helpful=${at("hh/helpful-base.test")},harmless=${at("hh/harmless-base.test")}`,
        ["helpful", "harmless"],
        1000,
      ],
      [at("safe-rlhf/dual.train"), ["helpful", "harmless"], 99],
      [at("safe-rlhf/safer-only.test"), ["harmless"], 300],
      [at("length/hh-length.test"), ["concise", "detailed"], 400],
    ];
    for (const [spec, dimensions, count] of expected) {
      const dataset = await loadDataset(spec);
      assert.deepEqual(dataset.dimensions, dimensions);
      assert.equal(dataset.examples.length, count);
    }
    const dual = await loadDataset(at("safe-rlhf/dual.train"));
    assert.equal(dual.examples.filter(({ better }) => better[0] !== better[1]).length, 24);
  },
});
