// `deno task data` and `deno task doctor --dataset`: what people read, what programs read, and that
// the task's own permissions are enough.
import assert from "node:assert/strict";
import project from "../../deno.json" with { type: "json" };
import { dataText } from "../../commands/data_text.ts";
import { RunConfig } from "../../core/config.ts";
import { runDataReport } from "../../workers/data_report.ts";
import { withFiles } from "../data/datasets/files.ts";
import { fakeHub } from "../data/fake_hub.ts";
import { runMain } from "./process.ts";

const pair = (prompt: string, ...[a, b, x, y]: [string, string, number | null, number | null]) => ({
  prompt,
  response_0: a,
  response_1: b,
  helpful: x,
  brief: y,
});
const rows = [
  pair("A", "long answer", "no", 0, 1),
  pair("A", "long answer", "no", 0, 1),
  pair("B", "no", "long answer", 1, 0),
  pair("B", "long answer", "no", 1, null),
  pair("C", "yes", "yes", 0, 0),
];
const test = [pair(" a", "new", "no", 0, 1), pair("D", "x", "no", 0, 0)];

Deno.test("dataText() tells what was read, what it says and what is wrong with it", async () => {
  await withFiles({ "train.jsonl": rows, "test.jsonl": test }, async (paths) => {
    const { objective, max_length, revision } = RunConfig.parse({});
    const report = await runDataReport({
      ...{ objective, max_length, revision, model: "builtin" },
      dataset: paths["train.jsonl"] ?? "",
      eval_dataset: paths["test.jsonl"],
    }, { env: () => undefined, signal: new AbortController().signal, onEvent: () => {} });
    const text = dataText(report);
    const expected = [
      /^Training data: .*train\.jsonl\n/,
      /\nRead {8}5 rows in 1 file: 4 pairs, 2 prompts\n/,
      /\nLeft out {4}1 of two identical responses\n/,
      /\nLabels {6}helpful 4, brief 3\n/,
      /\nlonger than max_length 128: 0 of 4 \(0\.0 %\)\n/,
      // The longer response is preferred in rows 1 to 3, and not in row 4.
      /\nhelpful +4 +75\.0 % +30\.1 % – 95\.4 % +0 +\d+\.\d +\d+\.\d +no bias seen\n/,
      /\n {2}brief +3 +0\.0 % +0\.0 % – 56\.1 % /, // 0 of 3: z²/(3 + z²)
      /\n {2}brief {2}0\.0 % of 3 *\n/,
      /\nsome two dimensions disagree in 3 of 3 \(100\.0 %\) of those with two labels or more/,
      /\nexact copies {8}1 of 4 pairs\n/,
      /\nlabelled both ways {2}1 pair in 2 rows \(helpful 1\)\n/,
      /\n\nTest data: .*test\.jsonl\nRead {8}2 rows in 1 file: 2 pairs, 2 prompts\n/,
      /\ntest prompts that training has too {2}1 of 2 \(50\.0 %\)\n/,
      /\ntest rows that training has whole {3}0 of 2 \(0\.0 %\)\ntraining rows to leave out {10}2\n/,
    ];
    for (const line of expected) assert.match(text, line);
    assert.doesNotMatch(text, /NaN|undefined| $/m);
  });
});

Deno.test("deno task data reads a data set of the hub with the task's own permissions", async () => {
  const files = new Map([[
    "data/train.jsonl",
    new TextEncoder().encode(rows.map((row) => JSON.stringify(row)).join("\n")),
  ]]);
  await using hub = await fakeHub({ files, kind: "datasets" });
  const [, ...args] = project.tasks.data.command.split(" ");
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args, "--json", "--dataset", "owner/tiny"],
    cwd: new URL("../../", import.meta.url),
    env: { HF_ENDPOINT: hub.options.endpoint ?? "", HF_HUB_CACHE: hub.options.cacheDir },
    stdin: "null",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const report = JSON.parse(new TextDecoder().decode(stdout));
  assert.equal(report.train.dataset, "owner/tiny");
  assert.equal(report.train.rows, 5);
  assert.deepEqual(report.dimensions, ["helpful", "brief"]);
  assert.ok(!args.some((arg) => /^(-A|--allow-(ffi|run|sys|all))/.test(arg)));
});

Deno.test("wrong data end with code 2 and one sentence", async () => {
  await withFiles({ "a.jsonl": [{ question: "Q", good: "x" }] }, async (paths) => {
    const file = paths["a.jsonl"] ?? "";
    const wrong: [string[], RegExp][] = [
      [
        ["--dataset", file],
        /^Cannot read .*a\.jsonl: expected rows with .*, got question, good\n$/,
      ],
      [["--dataset", file, "--columns", "promt=question"], /^Cannot use columns: .*, got promt\n$/],
      [["--dataset", `${file}.zip`], /^Cannot read .*\.zip: expected a data file, got none\n$/],
    ];
    for (const [flags, message] of wrong) {
      const { code, stdout, stderr } = await runMain(["data", ...flags]);
      assert.deepEqual([code, stdout], [2, ""]);
      assert.match(stderr, message);
    }
  });
});

Deno.test("doctor --dataset shows examples in brackets where there is no terminal", async () => {
  await withFiles({ "a.jsonl": rows }, async (paths) => {
    const { code, stdout, stderr } = await runMain(
      ["doctor", "--dataset", paths["a.jsonl"] ?? "", "--dimensions", "helpful"],
      { env: { NO_COLOR: "" } },
    );
    assert.equal(code, 0, stderr);
    assert.match(stdout, /\nExample 1, chosen in helpful \(\d+ tokens, \d+ learned\)\n/);
    assert.match(stdout, /<\|assistant\|>\[\[long answer<\|end\|>\]\]\n/);
    // deno-lint-ignore no-control-regex -- escape codes are what is looked for
    assert.doesNotMatch(stdout, /\x1b/);
    assert.doesNotMatch(stdout, /GFLOP/);
  });
});
