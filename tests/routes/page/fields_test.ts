import assert from "node:assert/strict";
import { RunConfig, RunSettings } from "../../../core/config.ts";
import { fillTemplate, pageData } from "../../../routes/page/assemble.ts";
import {
  defaultText,
  type Field,
  fieldError,
  freeName,
  makeGroups,
  makeRequest,
  presetName,
} from "../../../routes/page/jobs/fields.ts";
import { CreateRun } from "../../../workers/service.ts";

const data = pageData();
const groups = makeGroups(data.settings);
const fields = groups.flatMap((group) => group.fields);

function named(name: string): Field {
  const field = fields.find((candidate) => candidate.name === name);
  assert.ok(field, name);
  return field;
}

Deno.test("the form has every setting of a run once, with its description", () => {
  const settings = Object.keys(RunConfig.shape).filter((name) => name !== "output_dir");
  assert.deepEqual(fields.map(({ name }) => name).sort(), settings.sort());
  for (const { name, help } of fields) assert.notEqual(help, "", name);
});

Deno.test("a setting that no group names still has a field", () => {
  const schema = { type: "string", description: "new" } as const;
  const last = makeGroups({ ...data.settings, brand_new: schema }).at(-1);
  assert.equal(last?.title, "Other settings");
  assert.ok(last?.fields.some(({ name }) => name === "brand_new"));
});

Deno.test("kinds of field follow the schema", () => {
  assert.equal(named("learning_rate").kind, "number");
  assert.equal(named("learning_rate").whole, false);
  assert.equal(named("max_steps").whole, true);
  assert.deepEqual(named("aggregation").choices, RunConfig.shape.aggregation.unwrap().options);
  assert.equal(named("dataset").kind, "text");
  assert.equal(named("whiten_advantages").kind, "choice");
  assert.deepEqual(named("whiten_advantages").choices, ["true", "false"]);
});

Deno.test("an empty field shows the preset's value, else the schema's default", () => {
  const preset = { description: "", values: { learning_rate: 0.5 } };
  assert.equal(defaultText(named("learning_rate"), preset), "0.5");
  assert.equal(defaultText(named("beta"), preset), "0.1");
  assert.equal(defaultText(named("learning_rate"), undefined), "0.0002");
  assert.equal(defaultText(named("eval_dataset"), data.presets.builtin), "");
});

Deno.test("the built-in preset lies underneath unless another model is named", () => {
  assert.equal(presetName("", {}, data), "builtin");
  assert.equal(presetName("", { model_name_or_path: " builtin " }, data), "builtin");
  assert.equal(presetName("", { objective: "ppo" }, data), "builtin_rlhf");
  assert.equal(presetName("", { model_name_or_path: "some/model", objective: "ppo" }, data), "");
  assert.equal(presetName("paper", {}, data), "paper");
});

Deno.test("a field takes what the schema takes, and says what it wants otherwise", () => {
  const texts = ["", "0", "1", "1.5", "-1", "1e-3", "513", "4294967296", "abc", "NaN", "Infinity"];
  for (const field of fields.filter(({ kind }) => kind === "number")) {
    const schema = RunSettings.shape[field.name as keyof typeof RunSettings.shape];
    for (const text of texts) {
      const takes = text === "" || schema.safeParse(Number(text)).success;
      assert.equal(fieldError(field, text) === null, takes, `${field.name} ${text}`);
    }
  }
  assert.equal(
    fieldError(named("grid"), "1"),
    "grid must be a whole number from 2 to 1001.",
  );
  assert.equal(fieldError(named("beta"), "0"), "beta must be a number above 0.");
});

Deno.test("the request holds what was filled in and nothing else, and the schema takes it", () => {
  const values = {
    max_steps: " 5 ",
    learning_rate: "1e-3",
    dataset: "",
    aggregation: "tche",
    whiten_advantages: "false",
  };
  const request = makeRequest({ name: "first", preset: "", values }, fields);
  assert.deepEqual(request, {
    name: "first",
    max_steps: 5,
    learning_rate: 1e-3,
    aggregation: "tche",
    whiten_advantages: false,
  });
  assert.deepEqual(CreateRun.parse(request), request);
  assert.deepEqual(
    makeRequest({ name: "first", preset: "paper", values: {} }, fields),
    { name: "first", preset: "paper" },
  );
});

Deno.test("a name that is taken gets a number", () => {
  assert.equal(freeName("builtin", []), "builtin");
  assert.equal(freeName("builtin", ["builtin", "builtin-2"]), "builtin-3");
});

Deno.test("the data block of the page cannot end early", () => {
  const html = '<script id="page-data" type="application/json"></script>';
  const settings = { x: { type: "string", description: "</script><b>$&" } } as const;
  const filled = fillTemplate(html, { ...data, settings });
  assert.equal(filled.match(/<\/script>/g)?.length, 1);
  const json = /json">(.*)<\/script>$/.exec(filled)?.[1] ?? "";
  assert.equal(JSON.parse(json).settings.x.description, "</script><b>$&");
  assert.throws(() => fillTemplate("<html>", data), TypeError);
});
