// Fronts from measurement to look-up: what training and runFront store is what frontSettings asks for.
import assert from "node:assert/strict";
import { join } from "node:path";
import { presets, RunConfig } from "../../core/config.ts";
import { InputError } from "../../core/errors.ts";
import { findFront } from "../../data/store/front_lookup.ts";
import { frontName } from "../../data/store/front_settings.ts";
import { openAdapter } from "../../data/store/run_folder.ts";
import { frontSettings } from "../../workers/front_settings.ts";
import type { FrontRequest, SessionOptions } from "../../workers/protocol.ts";
import { runFront, runTraining } from "../../workers/session.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";
import { whyMissing } from "../engines.ts";

const options: SessionOptions = {
  onEvent: () => {},
  signal: new AbortController().signal,
  env: (name) => Deno.env.get(name),
};

const engine = whyMissing("tensorflow") === null ? "tensorflow" : "wasm";
const short = {
  max_steps: 2,
  save_steps: 1,
  grid: 2,
  bootstrap: 5,
  per_device_train_batch_size: 2,
};

function config(output_dir: string, changes: Partial<RunConfig> = {}): RunConfig {
  return RunConfig.parse({ ...presets.builtin?.values, ...short, engine, output_dir, ...changes });
}

function request(adapter: string, changes: Partial<FrontRequest> = {}): FrontRequest {
  return {
    ...{ adapter, grid: 2, bootstrap: 5, seed: 42, engine, threads: 0, device: "auto" },
    ...{ maxTokensPerPass: 4096, ...changes },
  };
}

const pairs = (prompts: string[]) =>
  prompts.flatMap((prompt) => [
    { prompt, response_0: "call the owner", response_1: "push the door", helpful: 1, harmless: 0 },
  ]).map((row) => JSON.stringify(row) + "\n").join("");

Deno.test("the front that training ends with is found by the settings it was measured with", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "a");
  const trained = await runTraining(config(path, { eval_steps: 1 }), options);
  const settings = await frontSettings(request(path));
  const found = await findFront(path, settings);
  assert.deepEqual(found?.report.points, trained.front?.points);
  assert.equal(found?.report.adapter, "a");
  assert.equal(settings.metric, "expected_reward");
  // step-1 was measured on other parameters: the checkpoint of that step has them.
  const early = await findFront(path, {
    ...settings,
    adapterHash: (await openAdapter(join(path, "checkpoint-1"))).parametersHash,
  });
  assert.equal(early?.report.settings.step, 1);
  for (const change of [{ grid: 3 }, { bootstrap: 6 }, { seed: 1 }, { limit: 5 }] as const) {
    assert.equal(await findFront(path, await frontSettings(request(path, change))), null);
  }
});

Deno.test("runFront() stores a front under its name, and it is found from then on", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "a");
  await runTraining(config(path), options);
  const wanted = request(path, { metric: "implicit_accuracy", limit: 6, seed: 3 });
  const settings = await frontSettings(wanted);
  assert.equal(await findFront(path, settings), null);
  const name = frontName(settings);
  const { report, files } = await runFront({ ...wanted, name }, options);
  assert.ok(files.every((file) => file.startsWith(join(path, "fronts", name))));
  assert.equal(report.metric, "implicit_accuracy");
  assert.deepEqual((await findFront(path, settings))?.report.points, report.points);
});

Deno.test("a front is one of its test data: held-out rows, test files, or files asked for", async () => {
  await using folder = await temporaryFolder();
  const place = (name: string) => join(folder.path, name);
  const prompts = Array.from({ length: 20 }, (_, i) => `How do I open a lock ${i}`);
  await Deno.writeTextFile(place("train.jsonl"), pairs(prompts));
  await Deno.writeTextFile(place("test.jsonl"), pairs(["How do I wash a cup"]));
  const own = config(place("own"), { dataset: place("train.jsonl"), eval_steps: 0 });
  const separate = config(place("separate"), {
    dataset: place("train.jsonl"),
    eval_dataset: place("test.jsonl"),
  });
  const settings = [];
  for (const run of [own, separate]) {
    const { front } = await runTraining(run, options);
    const wanted = await frontSettings(request(run.output_dir));
    assert.deepEqual((await findFront(run.output_dir, wanted))?.report.points, front?.points);
    settings.push(wanted);
  }
  const asked = request(own.output_dir, { dataset: place("test.jsonl") });
  settings.push(await frontSettings(asked));
  assert.equal(
    new Set(settings.map(({ data }) => data)).size,
    2,
    "separate and asked are the same",
  );
  assert.equal(settings[1]?.data, settings[2]?.data);
  const { report } = await runFront(asked, options);
  const found = await findFront(own.output_dir, await frontSettings(asked));
  assert.deepEqual(found?.report.points, report.points);
  // Once the file holds other rows, what was measured on the old ones is no answer.
  await Deno.writeTextFile(place("test.jsonl"), pairs(["How do I wash a plate"]));
  assert.equal(await findFront(own.output_dir, await frontSettings(asked)), null);
  await assert.rejects(
    frontSettings({ ...asked, metric: "expected_reward" }),
    InputError,
  );
});
