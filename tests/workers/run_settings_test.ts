import assert from "node:assert/strict";
import { join } from "node:path";
import { presets, RunConfig } from "../../core/config.ts";
import { newRun } from "../../workers/new_run.ts";
import { completeSettings } from "../../workers/run_settings.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";

const label = (setting: string) => setting;
const places = { runs: "/runs", files: null };

Deno.test("completeSettings() is what was given over the preset over the defaults", () => {
  assert.deepEqual(completeSettings({}, { label }), RunConfig.parse(presets.builtin?.values));
  const ppo = completeSettings({ objective: "ppo" }, { label });
  assert.deepEqual(ppo, RunConfig.parse(presets.builtin_rlhf?.values));
  const labellers = { dataset: "builtin@1:0.5,0.5" }; // the built-in world all the same
  assert.equal(completeSettings(labellers, { label }).beta, presets.builtin?.values.beta);
  const given = { beta: 0.3, model_name_or_path: "a/b", dataset: "x", output_dir: "o" };
  const config = completeSettings(given, { preset: "paper", label });
  assert.equal(config.beta, 0.3);
  assert.equal(config.preferences_per_step, 1); // of the preset; the default is 0
  assert.equal(config.adam_beta1, 0.9); // the default
});

Deno.test("completeSettings() names what is missing or unknown as it was called", () => {
  const own = { model_name_or_path: "a/b", output_dir: "o" };
  assert.throws(() => completeSettings(own, { label: (name) => `<${name}>` }), {
    name: "InputError",
    message: /^Cannot train: expected <dataset> with preference files, got none$/,
  });
  for (const preset of ["papr", "toString", "__proto__"]) {
    assert.throws(() => completeSettings({}, { preset, label }), {
      name: "InputError",
      message: /^Cannot use preset: expected one of builtin, .*paper.*, got "/,
    });
  }
});

Deno.test("newRun() puts the run under the runs folder, and again gives the same from what it stores", async () => {
  const first = await newRun({ name: "a", max_steps: 7 }, places);
  assert.equal(first.config.output_dir, join("/runs", "a"));
  assert.equal(first.config.max_steps, 7);
  assert.equal(first.request.max_length, presets.builtin?.values.max_length);
  assert.ok(!("output_dir" in first.request) && !("preset" in first.request));
  assert.deepEqual(await newRun(first.request, places), first);
});

Deno.test("newRun() keeps the names of models and data as they were given, and uses their places", async () => {
  await using folder = await temporaryFolder();
  await Deno.mkdir(join(folder.path, "model"));
  await Deno.writeTextFile(join(folder.path, "a.jsonl"), "");
  const asked = { name: "a", model_name_or_path: "model", dataset: "helpful=a.jsonl" };
  const { config, request } = await newRun(asked, { runs: "/runs", files: folder.path });
  const real = await Deno.realPath(folder.path);
  assert.equal(config.model_name_or_path, join(real, "model"));
  assert.equal(config.dataset, `helpful=${join(real, "a.jsonl")}`);
  assert.equal(request.model_name_or_path, "model");
  assert.equal(request.dataset, "helpful=a.jsonl");
});
