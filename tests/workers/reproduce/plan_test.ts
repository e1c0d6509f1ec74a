import assert from "node:assert/strict";
import { InputError } from "../../../core/errors.ts";
import { figureNames } from "../../../core/report/figure_names.ts";
import { latticeGrid } from "../../../core/preference.ts";
import type { PlanOptions } from "../../../workers/reproduce/plan.ts";
import { planScale } from "../../../workers/reproduce/scales.ts";

const options: PlanOptions = {
  ...{ outputDir: "runs/here", seeds: 3, share: 1, grid: 11, bootstrap: 100, only: [] },
  compute: { engine: "auto", threads: 0, device: "auto" },
};
const files = { model: "model.gguf", dataset: "helpful=a.jsonl,harmless=b.jsonl" };

Deno.test("a plan is a function of its options alone", () => {
  assert.deepEqual(planScale("tiny", options), planScale("tiny", options));
});

Deno.test("tiny has every figure, three seeds of each method, and names that are folders", () => {
  const { methods, runs } = planScale("tiny", options);
  const fed = new Set(methods.flatMap(({ figures }) => figures));
  assert.deepEqual([...fed].sort(), [...figureNames].sort());
  assert.equal(new Set(methods.map(({ name }) => name)).size, methods.length);
  assert.equal(new Set(runs.map(({ name }) => name)).size, runs.length);
  for (const { name, label } of methods) {
    assert.equal(runs.filter(({ method }) => method === name).length, 3, name);
    assert.ok(label.length < 50, label);
  }
  for (const { name, seed, config } of runs) {
    assert.match(name, /^[\w.-]+$/);
    assert.equal(config.output_dir, `runs/here/runs/${name}`);
    assert.equal(config.seed, seed);
    assert.equal(config.bootstrap, 100);
  }
  // Every seed is whole before the next begins, but for the longest study.
  const late = runs.slice(-3).map(({ name }) => name);
  assert.deepEqual(late, [42, 43, 44].map((seed) => `discrete_policies_ppo_${seed}`));
  const seeds = runs.slice(0, -3).map(({ seed }) => seed);
  assert.deepEqual(seeds, seeds.toSorted());
});

Deno.test("the paper's sets: eleven policies, six factors from 1 to 1e-5, two aggregations", () => {
  const { runs } = planScale("tiny", { ...options, seeds: 1 });
  const policies = runs.filter(({ kind }) => kind === "discrete_policies");
  for (const { memberGrid = 0 } of policies) assert.equal(latticeGrid(2, memberGrid).length, 11);
  const factors = runs.map(({ config }) => config.lora_scaling_factor).filter((f) => f > 0);
  assert.deepEqual(factors, [1, 0.1, 0.01, 0.001, 0.0001, 0.00001]);
  for (const objective of ["dpo", "ppo"] as const) {
    const own = runs.filter(({ config, kind }) =>
      kind === "train" && config.objective === objective
    );
    assert.deepEqual(new Set(own.map(({ config }) => config.aggregation)), new Set(["ls", "tche"]));
  }
});

Deno.test("baselines of the same budget take as many steps together as one run", () => {
  const { runs } = planScale("tiny", { ...options, seeds: 1 });
  const steps = (name: string) => runs.find((run) => run.name === name)?.config.max_steps ?? NaN;
  for (const objective of ["dpo", "ppo"]) {
    const whole = steps(`panacea_${objective}_42`);
    for (const [family, members] of [["rewarded_soups", 2], ["discrete_policies", 11]] as const) {
      const each = steps(`${family}_${objective}_same_budget_42`);
      assert.ok(Math.abs(members * each - whole) <= members / 2, `${family}: ${each} of ${whole}`);
    }
  }
});

Deno.test("a share of the steps, fewer seeds, another grid and some figures make a smaller plan", () => {
  const { runs, methods } = planScale("tiny", {
    ...options,
    ...{ seeds: 1, share: 0.001, grid: 2, only: ["figure_5"] },
  });
  assert.ok(methods.every(({ figures }) => figures.includes("figure_5")));
  assert.equal(runs.length, methods.length);
  for (const { config } of runs) assert.deepEqual([config.grid, config.max_steps], [2, 1]);
});

Deno.test("small trains its reward model first, and PPO waits for it", () => {
  const { runs, dimensions, methods } = planScale("small", { ...options, ...files });
  assert.deepEqual(dimensions, ["helpful", "harmless"]);
  const [first] = runs;
  assert.equal(first?.config.objective, "reward");
  assert.ok(!methods.some(({ name }) => name === first?.method), "a helper is no method");
  for (const { config, after } of runs.filter(({ config }) => config.objective === "ppo")) {
    assert.deepEqual(after, [first?.name]);
    assert.equal(config.reward_model, first?.config.output_dir);
  }
  const dpoOnly = planScale("small", { ...options, ...files, only: ["figure_5"] });
  assert.ok(dpoOnly.runs.every(({ config }) => config.objective === "dpo"));
});

Deno.test("small without model, files or named dimensions is refused in one sentence", () => {
  for (
    const given of [
      {},
      { model: files.model },
      { dataset: files.dataset },
      { ...files, dataset: "both.jsonl" },
      { ...files, dataset: "helpful=a.jsonl" },
    ]
  ) {
    assert.throws(
      () => planScale("small", { ...options, ...given }),
      (error) =>
        error instanceof InputError && /^Cannot plan .*: expected .*, got /.test(error.message),
    );
  }
});
