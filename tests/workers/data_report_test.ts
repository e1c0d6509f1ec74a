import assert from "node:assert/strict";
import { RunConfig } from "../../core/config.ts";
import { type DataRequest, runDataReport } from "../../workers/data_report.ts";
import { withFiles } from "../data/datasets/files.ts";

const options = {
  env: () => undefined,
  signal: new AbortController().signal,
  onEvent: () => {},
};

function request(given: Partial<DataRequest>): DataRequest {
  const { dataset, objective, max_length, revision } = RunConfig.parse({});
  return { dataset, objective, max_length, revision, model: "builtin", ...given };
}

/** The numbers of a report within 1e-12 of those expected, which need not have all its fields. */
function assertClose(found: unknown, expected: unknown, path: string): void {
  if (typeof expected === "number") {
    assert.ok(Math.abs(Number(found) - expected) < 1e-12, `${path}: ${found}, not ${expected}`);
  } else if (typeof expected === "object" && expected !== null) {
    assert.ok(typeof found === "object" && found !== null, path);
    const fields = Object.entries(found);
    if (Array.isArray(expected)) assert.equal(fields.length, expected.length, path);
    for (const [name, value] of Object.entries(expected)) {
      assertClose(fields.find(([key]) => key === name)?.[1], value, `${path}.${name}`);
    }
  } else {
    assert.equal(found, expected, path);
  }
}

Deno.test("runDataReport() counts what plain Python and transformers count", async () => {
  const path = new URL("../golden/data_report.json", import.meta.url);
  const golden = JSON.parse(await Deno.readTextFile(path));
  const { train, test } = golden.rows;
  await withFiles({ "train.jsonl": train, "test.jsonl": test }, async (paths) => {
    const report = await runDataReport(
      request({
        dataset: paths["train.jsonl"],
        eval_dataset: paths["test.jsonl"],
        dimensions: "helpful,harmless,brief",
        max_length: golden.maxLength,
      }),
      options,
    );
    for (const part of ["train", "test", "leakage"] as const) {
      assertClose(report[part], golden[part], part);
    }
    // The data hold some of everything that is looked for.
    assert.ok(golden.train.lengths.overlong.count > 0);
    assert.ok(golden.train.repetition.copies > 0);
    assert.ok(golden.train.labels.contradictions.pairs > 0);
    assert.ok(golden.train.labels.conflicts.count > 0);
    assert.ok(golden.leakage.same.count >= 5);
    assert.deepEqual(report.dimensions, ["helpful", "harmless", "brief"]);
    assert.deepEqual(report.train.files, [paths["train.jsonl"]]);
    assert.equal(report.train.rows, train.length);
    const { leftOut } = report.train;
    const gone = Object.values(leftOut).reduce((sum, count) => sum + count, 0);
    assert.equal(gone, train.length - report.train.examples);
  });
});

Deno.test("runDataReport() looks at dialogues for sft, and at the built-in world", async () => {
  const row = (instruction: string, output: string) => ({ instruction, output });
  const files = {
    "train.jsonl": [row("A b", "x"), row("A b", "x"), row("A b", "y"), row("C", "z"), row("D", "")],
    "test.jsonl": [row("a  B", "x"), row("E", "q")],
  };
  await withFiles(files, async (paths) => {
    const report = await runDataReport(
      request({
        objective: "sft",
        dataset: paths["train.jsonl"],
        eval_dataset: paths["test.jsonl"],
      }),
      options,
    );
    assert.deepEqual(report.dimensions, []);
    assert.deepEqual(report.train.leftOut, { silent: 1 });
    assert.deepEqual(report.train.repetition, { prompts: 2, mostRows: 3, copies: 1 });
    assert.equal(report.train.labels, null);
    const { prompts, same, trainRows } = report.leakage ?? assert.fail();
    assert.deepEqual([prompts.count, prompts.of, same.count, trainRows], [1, 2, 1, 3]);
  });
  const world = await runDataReport(request({}), options);
  assert.equal(world.train.rows, null);
  assert.equal(world.leakage, null);
  assert.deepEqual(world.train.labels?.counts, { helpful: 2880, harmless: 2880 });
});

Deno.test("runDataReport() stops when it is told to, and refuses what training would", async () => {
  const signal = AbortSignal.abort(new Error("stopped"));
  await assert.rejects(runDataReport(request({}), { ...options, signal }), /stopped/);
  await assert.rejects(runDataReport(request({ dataset: "./none.jsonl" }), options), {
    name: "InputError",
    message: "Cannot read ./none.jsonl: expected a data file, got none",
  });
});
