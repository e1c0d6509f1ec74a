import assert from "node:assert/strict";
import { builtinPresets, presets, RunConfig, RunSettings } from "../../core/config.ts";

Deno.test("RunSettings fills in nothing, so that a preset can", () => {
  assert.deepEqual(RunSettings.parse({}), {});
  assert.deepEqual(RunSettings.parse({ beta: 0.2, eval_limit: 3 }), { beta: 0.2, eval_limit: 3 });
});

Deno.test("RunSettings checks every setting as RunConfig does", () => {
  assert.deepEqual(Object.keys(RunSettings.shape), Object.keys(RunConfig.shape));
  const whole = RunConfig.parse({});
  assert.deepEqual(RunSettings.parse(whole), whole);
  for (
    const wrong of [{ beta: -1 }, { grid: 1 }, { adapter: "dora" }, { unknown: 1 }, { seed: null }]
  ) {
    assert.ok(!RunSettings.safeParse(wrong).success, JSON.stringify(wrong));
  }
  for (const [name, field] of Object.entries(RunConfig.shape)) {
    const same = RunSettings.shape[name as keyof typeof RunSettings.shape];
    assert.equal(same.description, field.description);
    assert.ok(field.description !== undefined && field.description.length > 3, name);
  }
});

Deno.test("every preset is a part of RunConfig, and every objective has one of the built-in world", () => {
  for (const { values } of Object.values(presets)) RunConfig.parse(values);
  for (const [objective, name] of Object.entries(builtinPresets)) {
    assert.equal(RunConfig.parse(presets[name]?.values).objective, objective);
  }
});
