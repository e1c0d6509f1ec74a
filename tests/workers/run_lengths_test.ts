import assert from "node:assert/strict";
import { BuiltinModel } from "../../data/builtin/mod.ts";
import { loadDataset } from "../../data/datasets/mod.ts";
import { RunConfig } from "../../core/config.ts";
import { openBase } from "../../workers/machine.ts";
import { tokenizeTraining } from "../../workers/run_data.ts";
import { runLengths } from "../../workers/run_lengths.ts";

Deno.test("runLengths() is max_length, and the model's positions where there are fewer", () => {
  const run = { max_length: 512, overlong: "drop" } as const;
  assert.deepEqual(runLengths(run, { config: { maxPositions: 2048 } }), {
    maxLength: 512,
    overlong: "drop",
  });
  assert.equal(runLengths(run, { config: { maxPositions: 128 } }).maxLength, 128);
});

Deno.test("pairs longer than the model's positions are left out, whatever max_length is, and told", async () => {
  const notices: string[] = [];
  const options = {
    env: () => undefined,
    signal: new AbortController().signal,
    onEvent: (event: { type: string; message?: string }) => notices.push(event.message ?? ""),
  };
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/pairs.jsonl`;
    const row = (chosen: string) =>
      JSON.stringify({ prompt: "How do I bake bread?", chosen, rejected: "Sure.", better: 0 });
    await Deno.writeTextFile(file, `${row("Mind the risks.")}\n${row("First mix. ".repeat(40))}\n`);
    const train = await loadDataset(`helpful=${file}`);
    const base = await openBase({ model: BuiltinModel.name, revision: "main" }, options);
    const short = { ...base, config: { ...base.config, maxPositions: 40 } };
    const config = RunConfig.parse({ max_length: 512, overlong: "drop" });
    const pairs = tokenizeTraining({ train }, { base: short, config, options });
    assert.equal(pairs.length, 1);
    assert.match(notices.join("\n"), /^Left out 1 of 2 training pairs: longer than max_length 40 /);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
