import assert from "node:assert/strict";
import { loadDataset, readDataset } from "../../../data/datasets/mod.ts";
import { readText } from "../../../data/datasets/reader.ts";
import { readChosenRejected } from "../../../data/datasets/trl.ts";
import { needsData, sharedData } from "../../core/text/smollm2.ts";
import { withFiles } from "./files.ts";

const user = (content: string) => ({ role: "user" as const, content });
const assistant = (content: string) => ({ role: "assistant" as const, content });

/** What is read of rows in one file; `spec` stands for it with FILE in place of its path. */
async function read(
  rows: unknown[],
  { spec = "FILE", ...options }: { spec?: string; dimensions?: string[]; columns?: string } = {},
) {
  let result: Awaited<ReturnType<typeof readDataset>> | undefined;
  await withFiles({ "a.jsonl": rows }, async (paths) => {
    result = await readDataset(spec.replaceAll("FILE", paths["a.jsonl"] ?? ""), options);
  });
  assert.ok(result?.reading);
  const { dataset: { dimensions, examples }, reading } = result;
  return { dimensions, examples, reading, better: examples.map(({ better }) => better) };
}

Deno.test("readChosenRejected() takes for the prompt what TRL takes", async () => {
  const path = new URL("../../golden/trl_prompts.json", import.meta.url);
  const { cases } = JSON.parse(await Deno.readTextFile(path));
  assert.equal(cases.length, 9);
  for (const { row, trl } of cases) {
    const turns = (value: string | unknown[], text: (content: string) => unknown[]) =>
      typeof value === "string" ? text(value) : value;
    const pair = readChosenRejected({ fields: row, where: "row" });
    assert.deepEqual(pair?.prompt, turns(trl.prompt, (content) => [user(content)]));
    assert.deepEqual(
      pair?.responses.map((content) => [assistant(content)]),
      [trl.chosen, trl.rejected].map((value) => turns(value, (text) => [assistant(text)])),
    );
  }
});

Deno.test("loadDataset() reads TRL's pairs: text, dialogues, whole or behind the prompt", async () => {
  const rows = [
    { prompt: "Why?", chosen: "so", rejected: "no", id: 3 },
    { prompt: [user("Why?")], chosen: [assistant("so")], rejected: [assistant("no")] },
    { prompt: "Why?", chosen: [assistant("so")], rejected: [assistant("no")] },
    {
      prompt: [user("Why?")],
      chosen: [user("Why?"), assistant("so")],
      rejected: [user("Why?"), assistant("no")],
    },
    { chosen: [user("Why?"), assistant("so")], rejected: [user("Why?"), assistant("no")] },
  ];
  const { dimensions, examples, reading } = await read(rows, { spec: "kind=FILE" });
  assert.deepEqual(dimensions, ["kind"]);
  const expected = { prompt: [user("Why?")], responses: ["so", "no"], better: [0] };
  assert.deepEqual(examples, rows.map(() => expected));
  assert.equal(reading.rows, 5);
  await assert.rejects(read(rows), {
    name: "InputError",
    message: /expected the name of its dimension \(as in helpful=/,
  });
});

Deno.test("loadDataset() counts what it leaves out", async () => {
  const rows = [
    { chosen: [user("A"), assistant("x")], rejected: [user("A"), assistant("y")] },
    { chosen: [user("A"), assistant("x")], rejected: [user("B"), assistant("y")] },
    { chosen: [user("A"), assistant("x")], rejected: [user("A"), assistant("x")] },
  ];
  const { examples, reading } = await read(rows, { spec: "a=FILE" });
  assert.equal(examples.length, 1);
  assert.deepEqual(reading.leftOut, { twoPrompts: 1, identical: 1, unlabelled: 0 });
  assert.deepEqual([reading.rows, reading.pairs], [3, 2]);
});

Deno.test("loadDataset() reads Hummer's separate pairs, each of its own dimension", async () => {
  const pair = (dimension: string, prompt: string) => ({
    dimension,
    prompt,
    chosen: "+",
    rejected: "-",
  });
  const rows = [pair("tone", "A"), pair("depth", "B"), pair("tone", "C")];
  const all = await read(rows);
  assert.deepEqual(all.dimensions, ["tone", "depth"]);
  assert.deepEqual(all.better, [[0, null], [null, 0], [0, null]]);
  const depth = await read(rows, { dimensions: ["depth"] });
  assert.deepEqual(depth.better, [[0]]);
  assert.equal(depth.reading.leftOut.unlabelled, 2);
  assert.deepEqual((await read(rows, { spec: "tone=FILE" })).better, [[0], [0]]);
});

Deno.test("loadDataset() compares HelpSteer's responses to one prompt", async () => {
  const row = (prompt: string, response: string, [helpfulness, verbosity, extra]: unknown[]) => ({
    prompt,
    response,
    helpfulness,
    verbosity,
    extra,
  });
  const rows = [
    row("A", "a0", [4, 1, 7]),
    row("B", "b0", [2, null, 1]),
    row("A", "a1", [2, 1, 9]),
    row("B", "b1", [3, 4, 0]),
    row("B", "b2", [3, 2, 0]),
    row("C", "alone", [0, 0, 0]),
  ];
  const { dimensions, examples } = await read(rows);
  assert.deepEqual(dimensions, ["helpfulness", "verbosity"]);
  assert.deepEqual(
    examples.map(({ responses, better }) => [...responses, ...better]),
    [
      ["a0", "a1", 0, null], // 4 > 2; 1 = 1
      ["b0", "b1", 1, null], // 2 < 3; one is missing
      ["b0", "b2", 1, null], // 2 < 3
      ["b1", "b2", null, 0], // 3 = 3; 4 > 2
    ],
  );
  // Attributes by option; one that is not HelpSteer's may have any scale.
  assert.deepEqual((await read(rows, { dimensions: ["extra"] })).better, [[1], [0], [0]]);
  assert.deepEqual((await read(rows, { spec: "verbosity=FILE" })).better, [[0]]);
  for (const wrong of [5, -1, "3"]) {
    await assert.rejects(read([...rows, row("D", "d", [wrong, 0, 0])]), {
      name: "InputError",
      message: /a\.jsonl:7: expected a (rating from 0 to 4|number or nothing) in the field helpful/,
    });
  }
});

Deno.test("loadDataset() reads HelpSteer's pairs with scores, and its prompts of several turns", async () => {
  const rows = [
    {
      prompt: "Hi\n<extra_id_1>Assistant\nHello\n<extra_id_1>User\nBye",
      response_0: "a",
      response_1: "b",
      annotator: 1,
      helpfulness_score_0: 3,
      helpfulness_score_1: 4,
      coherence_score_0: null,
      coherence_score_1: null,
    },
    {
      prompt: "Two",
      response_0: "a",
      response_1: "b",
      annotator: 3,
      helpfulness_score_0: 2,
      helpfulness_score_1: 2,
      coherence_score_0: 1,
      coherence_score_1: 0,
    },
  ];
  const { dimensions, examples, better } = await read(rows);
  assert.deepEqual(dimensions, ["helpfulness", "coherence"]);
  assert.deepEqual(better, [[1, null], [null, 0]]);
  assert.deepEqual(examples[0]?.prompt, [user("Hi"), assistant("Hello"), user("Bye")]);
  assert.deepEqual((await read(rows, { dimensions: ["coherence"] })).better, [[0]]);
  assert.deepEqual((await read(rows, { spec: "helpfulness=FILE" })).better, [[1]]);
});

Deno.test("loadDataset() compares every two of UltraFeedback's completions", async () => {
  const completion = (response: string, honesty: unknown, truth: unknown) => ({
    response,
    model: "m",
    annotations: {
      honesty: { Rating: honesty, Rationale: "…" },
      truthfulness: { Rating: truth, Type: ["1"] },
    },
  });
  const rows = [{
    instruction: "Say",
    completions: [completion("a", "5", "1"), completion("b", "2", "N/A"), completion("c", "2", 3)],
  }];
  const { dimensions, examples } = await read(rows);
  assert.deepEqual(dimensions, ["honesty", "truthfulness"]);
  assert.deepEqual(
    examples.map(({ responses, better }) => [...responses, ...better]),
    [["a", "b", 0, null], ["a", "c", 0, 1]], // b and c: 2 = 2, one not rated
  );
  const plain = await read([{
    prompt: [user("Say")],
    completions: [{ response: "a", ratings: { x: 1 } }, { response: "b", ratings: { x: 2 } }],
  }]);
  assert.deepEqual([plain.dimensions, plain.better], [["x"], [[1]]]);
  await assert.rejects(read([{ instruction: "Say", completions: [completion("a", "good", 1)] }]), {
    name: "InputError",
    message: /a\.jsonl:1: expected a list .* \(see 0\.annotations\.honesty.*\) in the field compl/,
  });
});

Deno.test("loadDataset() lets each domain prefer its own response", async () => {
  const rows = [{ query: "Q", responses: { academy: "a", business: "b", normal: "n" } }];
  const { dimensions, examples } = await read(rows);
  assert.deepEqual(dimensions, ["academy", "business"]);
  assert.deepEqual(
    examples.map(({ responses, better }) => [...responses, ...better]),
    [["a", "b", 0, 1], ["a", "n", 0, null], ["b", "n", null, 0]],
  );
  assert.deepEqual((await read(rows, { dimensions: ["normal"] })).better, [[1], [1]]);
});

Deno.test("loadDataset(): columns say what is what in files of any other form", async () => {
  const rows = [
    { question: "Q", good: "x", bad: "y", winner: 1, a: { n: 1 }, b: 2, note: 0 },
    { question: "R", good: "x", bad: "y", winner: null, a: { n: 3 }, b: 2, note: 0 },
  ];
  const pairs = await read(rows, {
    spec: "kind=FILE",
    columns: "prompt=question,chosen=good,rejected=bad",
  });
  assert.deepEqual(pairs.better, [[0], [0]]);
  assert.deepEqual(pairs.examples[1]?.prompt, [user("R")]);
  // Beside labels, chosen is response 0; other columns of 0 and 1 are remarks.
  const labelled = await read(rows, {
    columns: "prompt=question, chosen=good, rejected=bad, label:helpful=winner, score:big=a.n/b",
  });
  assert.deepEqual(labelled.dimensions, ["helpful", "big"]);
  assert.deepEqual(labelled.better, [[1, 1], [null, 0]]);
  // The preference vector has the order of the option.
  const turned = "score:big=a.n/b,prompt=question,chosen=good,rejected=bad,label:helpful=winner";
  assert.deepEqual((await read(rows, { columns: turned })).dimensions, ["big", "helpful"]);
  const one = await read(rows, {
    spec: "big=FILE",
    columns: "prompt=question,response_0=good,response_1=bad,score:big=a.n/b",
  });
  assert.deepEqual(one.better, [[1], [0]]);
  const system = await read([{ s: "Be kind", q: "Q", c: "x", r: "y" }], {
    spec: "kind=FILE",
    columns: "system=s,prompt=q,chosen=c,rejected=r",
  });
  assert.deepEqual(system.examples[0]?.prompt, [{ role: "system", content: "Be kind" }, user("Q")]);
  // A file that has none of the columns is read as it is.
  const plain = [{ prompt: "Q", chosen: "x", rejected: "y" }];
  const kept = await read(plain, { spec: "kind=FILE", columns: "prompt=question,chosen=good" });
  assert.equal(kept.examples.length, 1);
});

Deno.test("loadDataset() names a column that is missing, and columns that cannot be understood", async () => {
  const row = { question: "Q", good: "x", bad: "y" };
  const columns = "prompt=question,chosen=good,rejected=worse";
  await assert.rejects(read([row], { spec: "k=FILE", columns }), {
    name: "InputError",
    message:
      /a\.jsonl:1: expected the column worse \(--columns rejected=worse\), got question, good, bad$/,
  });
  await assert.rejects(
    read([{ ...row, worse: "y" }, row], { spec: "k=FILE", columns }),
    /a\.jsonl:2: expected the column worse/,
  );
  const wrong: [string, RegExp][] = [
    ["question", /expected name=column, .* got question$/],
    ["prompt=", /expected name=column/],
    ["promt=question", /expected names among prompt, .* got promt$/],
    ["prompt=question,prompt=q", /expected prompt once/],
    ["label:a=x,label:a=y", /expected a once/],
    ["score:a=x", /expected score:a=a\/b, got score:a=x/],
    ["chosen=a,response_0=b,label:x=c", /expected chosen and rejected, or response_0/],
  ];
  for (const [columns, message] of wrong) {
    await assert.rejects(read([row], { spec: "k=FILE", columns }), (error: Error) => {
      assert.equal(error.name, "InputError");
      assert.match(error.message, /^Cannot use columns: /);
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("loadDataset() takes ten dimensions, labels missing in any, and not eleven", async () => {
  const names = Array.from({ length: 11 }, (_, i) => `d${i}`);
  const rows = names.map((name, i) => ({
    prompt: `${i}`,
    response_0: "a",
    response_1: "b",
    [name]: i % 2,
  }));
  const ten = await read(rows.slice(0, 10));
  assert.equal(ten.dimensions.length, 10);
  assert.deepEqual(
    ten.better,
    names.slice(0, 10).map((_, i) => names.slice(0, 10).map((_, j) => i === j ? i % 2 : null)),
  );
  await assert.rejects(read(rows), {
    name: "InputError",
    message: /expected at most 10 dimensions \(--dimensions chooses some\), got 11: d0, d1/,
  });
  assert.equal((await read(rows, { dimensions: ["d10", "d3"] })).examples.length, 2);
});

Deno.test("loadDataset() names file, row and field of what is malformed in each form", async () => {
  const wrong: [string, unknown[], RegExp][] = [
    ["k=", [{ prompt: 3, chosen: "a", rejected: "b" }], /:1: expected a text or a list .* prompt/],
    ["k=", [{ prompt: "Q", chosen: "a", rejected: ["b"] }], /:1: expected a text in .* rejected/],
    ["k=", [{ chosen: "abc", rejected: "xyz" }], /:1: expected a prompt, or the beginning/],
    [
      "k=",
      [{ chosen: [user("A"), assistant("x"), user("B")], rejected: [user("A"), assistant("y")] }],
      /:1: expected one turn of the assistant behind the common beginning in the field chosen/,
    ],
    [
      "k=",
      [{ chosen: [{ role: "bot", content: "" }], rejected: [] }],
      /the roles system, user and/,
    ],
    [
      "k=",
      [{ chosen: [assistant("a")], rejected: [assistant("b")] }],
      /:1: .* field prompt, got no/,
    ],
    ["", [{ dimension: "a", prompt: "Q", chosen: "a", rejected: "b" }, {
      dimension: 3,
      prompt: "Q",
      chosen: "a",
      rejected: "b",
    }], /:2: expected a text in the field dimension, got 3/],
    ["", [{ prompt: "Q", response: null, helpfulness: 3 }], /:1: expected a text .* response/],
    ["", [{ query: "Q", responses: { a: 1 } }], /:1: expected texts by domain in .* responses/],
    [
      "",
      [{ prompt: "Q", response_0: "a", response_1: "b", x_score_0: 1, x_score_1: "2" }],
      /:1: expected a number or nothing in the field x_score_1, got "2"/,
    ],
    ["", [{ question: "Q" }], /or --columns that say what is what, got question$/],
  ];
  for (const [prefix, rows, message] of wrong) {
    await assert.rejects(read(rows, { spec: `${prefix}FILE` }), (error: Error) => {
      assert.equal(error.name, "InputError");
      assert.match(error.message, message);
      return true;
    });
  }
  assert.throws(() => readText({ fields: {}, where: "f:1" }, "x"), /got nothing$/);
});

Deno.test({
  name:
    `loadDataset() reads HelpSteer, Hummer and DSP samples as their README counts them${needsData}`,
  ignore: !sharedData,
  async fn() {
    const at = (file: string) => `${sharedData}${file}.jsonl.gz`;
    const hummer = await loadDataset(at("hummer/hummer.multi"));
    assert.deepEqual(
      hummer.dimensions.map((name, i) => [
        name,
        hummer.examples.filter(({ better }) => better[i] !== null).length,
      ]).sort(),
      [["conciseness", 400], ["depth", 400], ["empathy", 400], ["specificity", 400], ["tone", 300]],
    );
    const { dataset, reading } = await readDataset(at("helpsteer/helpsteer2.multi"));
    assert.equal(reading?.rows, 724);
    const counts = Object.fromEntries(
      dataset.dimensions.map((name, i) => [
        name,
        dataset.examples.filter(({ better }) => better[i] !== null).length,
      ]),
    );
    assert.deepEqual(counts, {
      helpfulness: 251,
      correctness: 435,
      coherence: 580,
      complexity: 438,
      verbosity: 642,
    });
    const conflicts = dataset.examples.filter(({ better }) =>
      better.includes(0) && better.includes(1)
    );
    assert.equal(conflicts.length, 374);
    // 528 queries, each with the pairs of five responses; the README names no equal ones
    const dsp = await readDataset(at("dsp/domain_specific_preference"));
    assert.equal(dsp.reading?.pairs, 528 * 10);
    assert.deepEqual(dsp.dataset.dimensions, [
      "academy",
      "business",
      "entertainment",
      "literature",
    ]);
  },
});
